package models

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/runtable"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// runValues bounds the params and metrics of the run on the page of a
// version; the run's page has all of them.
const runValues = 12

// version is the page of one model version.
func (s *section) version(c echo.Context) (*page.Page, error) {
	return s.versionPage(c, versionForms{})
}

func versionNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, mlops.Errorf(mlops.NotFound, "There is no version %q: expected a number such as 12.", text)
	}
	return n, nil
}

// versionForms are the forms of a version's page as they were sent.
type versionForms struct {
	alias  *view.AliasForm
	serve  view.ReleaseForm
	deploy *view.DeployForm
}

// versionPage shows a version, with the forms as they were sent.
func (s *section) versionPage(c echo.Context, forms versionForms) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	m, err := s.findModel(ctx, c.Param("name"))
	if err != nil {
		return nil, err
	}
	n, err := versionNumber(c.Param("version"))
	if err != nil {
		return nil, err
	}
	served := s.desk.By(ctx)
	mv, lineage, err := s.Registry.Lineage(ctx, m.Name, n, served.Deployments)
	if mlops.CodeOf(err) == mlops.NotFound {
		return nil, mlops.Errorf(mlops.NotFound, "The registered model %q has no version %d.", m.Name, n)
	}
	if err != nil {
		return nil, err
	}
	v := view.Version{Model: view.Link{Text: m.Name, URL: paths.Model(m.Name)}, Title: m.Name + " " + paths.VersionText(n), Name: paths.VersionText(n), Pill: pills.Version(mv.Status),
		Description: mv.Description, Tags: runtable.Facts(mv.Tags), Served: served.Version(m.Name, n), Aliases: s.aliasPanel(c, m, &n, forms.alias), Load: s.loadSnippets(c, mv)}
	if m.Latest != nil && m.Latest.Version > n {
		v.Newer = &view.Link{Text: paths.VersionText(m.Latest.Version), URL: paths.Version(m.Name, m.Latest.Version)}
	}
	v.Serving = s.serving(ctx, c, served, m.Name, n, forms.serve, forms.deploy)
	v.Facts = versionFacts(mv, lineage)
	v.Lineage = lineageGraph(mv, lineage, served.Problem)
	if lineage.Run != nil {
		err = s.describeRunOf(ctx, &v, lineage.Run.RunID)
	}
	v.Problem = s.Problem("the run", err)
	return &page.Page{Title: v.Title, Nav: "models", Body: view.VersionPage(v),
		Parts: []page.Part{{Name: "head", Body: view.VersionHead(v)}, {Name: "lineage", Body: view.LineagePicture(v.Lineage)}, {Name: "serve", Body: view.ServingTable(v.Serving)}, {Name: "aliases", Body: view.AliasList(v.Aliases)},
			{Name: "load", Body: view.LoadSnippets(v.Load)}, {Name: "run", Body: view.VersionRun(v)}}}, nil
}

func versionFacts(mv mlops.ModelVersion, l mlops.Lineage) []view.Fact {
	facts := []view.Fact{{Name: "Registered", Value: view.At(mv.CreatedAt)}}
	if stage := stageOf(mv); stage != "" {
		facts = append(facts, view.Fact{Name: "Stage", Value: view.Text(stage)})
	}
	if l.Run != nil {
		facts = append(facts, view.Fact{Name: "Run", Value: view.Ref(lineageRunName(*l.Run), paths.Run(l.Run.RunID))}, view.Fact{Name: "Experiment", Value: view.Text(l.Run.Experiment)})
	}
	if l.Model != nil {
		facts = append(facts, view.Fact{Name: "Logged model", Value: view.Code(l.Model.ModelID)})
	}
	facts = append(facts, view.Fact{Name: "Files", Value: view.Code(l.ArtifactURI)})
	if mv.Source != l.ArtifactURI {
		facts = append(facts, view.Fact{Name: "Registered from", Value: view.Code(mv.Source)})
	}
	return facts
}

// describeRunOf shows the params and metrics of the version's run.
func (s *section) describeRunOf(ctx context.Context, v *view.Version, id string) error {
	runs, err := s.Registry.RunsByID(ctx, []string{id})
	if err != nil || len(runs) == 0 {
		return err
	}
	r := runs[0]
	v.Run = &view.Link{Text: runtable.Name(r), URL: paths.Run(r.ID)}
	for i, m := range r.Metrics {
		if i == runValues {
			v.MoreMetrics = len(r.Metrics) - i
			break
		}
		v.Metrics = append(v.Metrics, view.Fact{Name: m.Key, Value: view.Text(view.Number(m.Value))})
	}
	shown := min(len(r.Params), runValues)
	v.Params, v.MoreParams = runtable.Facts(r.Params[:shown]), len(r.Params)-shown
	return nil
}

// loadSnippets returns how to load the version from a client: at the address
// by which the browser has reached this server, as the user who is looking.
func (s *section) loadSnippets(c echo.Context, mv mlops.ModelVersion) []view.Snippet {
	scheme := "http"
	if page.VisitorOf(c).HTTPS {
		scheme = "https"
	}
	uri := scheme + "://" + c.Request().Host
	load := func(model string) string {
		return fmt.Sprintf("import mlflow\nmodel = mlflow.pyfunc.load_model(%s)", strconv.Quote(model))
	}
	out := []view.Snippet{
		{Title: "Once, in the terminal", Label: "environment", Code: fmt.Sprintf("export MLFLOW_TRACKING_URI=%s MLFLOW_TRACKING_USERNAME=%s\nread -rs MLFLOW_TRACKING_PASSWORD && export MLFLOW_TRACKING_PASSWORD",
			uri, shellWord(page.VisitorOf(c).Principal.Name))},
		{Title: "This version, in Python", Label: "code that loads this version", Code: load(fmt.Sprintf("models:/%s/%d", mv.Model, mv.Version))},
	}
	if len(mv.Aliases) > 0 {
		out = append(out, view.Snippet{Title: "Whatever @" + mv.Aliases[0] + " points at", Label: "code that loads by alias", Code: load("models:/" + mv.Model + "@" + mv.Aliases[0])})
	}
	return out
}

// shellWord quotes a word for a shell if it needs that.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
