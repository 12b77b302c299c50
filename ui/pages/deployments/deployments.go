package deployments

import (
	"fmt"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/pods"
	"github.com/benchtop-lab/benchtop/ui/serving"
	"github.com/benchtop-lab/benchtop/ui/traffic"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// deployments is the list of deployments.
func (s *section) deployments(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	var v view.Deployments
	ds, err := s.Loop.Deployments(ctx)
	v.Problem = s.Problem("the deployments", err)
	var answers map[string]mlops.Traffic
	if len(ds) > 0 {
		var terr error
		answers, terr = traffic.All(ctx, s.Metrics, s.Now())
		s.Problem("the traffic", terr) // logged; the rows go without
	}
	for _, d := range ds {
		v.Rows = append(v.Rows, serving.Row(d, traffic.Of(answers, d.Name)))
	}
	return &page.Page{Title: "Deployments", Nav: "deployments", Body: view.DeploymentsPage(v), Parts: []page.Part{{Name: "rows", Body: view.DeploymentRows(v)}}}, nil
}

// projectValue links a deployment's project, if it has one.
func projectValue(name string) view.Value {
	if name == "" {
		return view.Text("none")
	}
	return view.Ref(name, paths.Project(name))
}

// deployment is the page of one deployment.
func (s *section) deployment(c echo.Context) (*page.Page, error) {
	return s.deploymentPage(c, deploymentForms{})
}

// deploymentForms are the forms of a deployment's page as they were sent.
type deploymentForms struct {
	predict *view.PredictForm
	release view.ReleaseForm
	gates   *view.GatesForm
	servers view.Servers // what was refused of them
}

// deploymentPage shows a deployment, with the forms as they were sent.
func (s *section) deploymentPage(c echo.Context, forms deploymentForms) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	r, err := s.charts.RangeOf(c)
	if err != nil {
		return nil, err
	}
	d, err := s.desk.Find(ctx, c.Param("name"))
	if err != nil {
		return nil, err
	}
	v := view.Deployment{Name: d.Name, Pill: pills.Deployment(d), Holds: pills.Holds(d), Message: d.Message}
	v.Facts = append([]view.Fact{{Name: "Serves", Value: serving.Model(d)}, {Name: "Trained", Value: view.At(d.LoadedAt)}}, revisionFacts(d)...)
	v.Facts = append(v.Facts, []view.Fact{{Name: "Project", Value: projectValue(d.Project)}, {Name: "Namespace", Value: view.Text(d.Namespace)}, {Name: "Host", Value: view.Code(d.Host)},
		{Name: "Path", Value: view.Code(d.Path)}, {Name: "Image", Value: view.Code(d.Image)}}...)
	if d.RunID != "" {
		v.Facts = append(v.Facts, view.Fact{Name: "Run", Value: view.Value{Text: view.Short(d.RunID), Code: true, URL: paths.Run(d.RunID), Title: d.RunID}})
	}
	var answers map[string]mlops.Traffic
	var revisions []mlops.Revision
	var gates *mlops.Gates
	var found []mlops.Finding
	var usage map[string]mlops.Resources
	var trafficErr, chartErr, historyErr, gatesErr, diagnosisErr error
	page.Together(
		func() { answers, trafficErr = traffic.All(ctx, s.Metrics, s.Now()) },
		func() { v.Charts, chartErr = traffic.Charts(ctx, s.charts, d.Name, r) },
		func() { revisions, historyErr = s.Loop.Revisions(ctx, d.Name, shownRevisions+1) },
		func() { gates, gatesErr = s.gatesOf(ctx, d) },
		func() { found, diagnosisErr = s.Loop.Diagnose(ctx, d) },
		func() { usage = pods.Usage(ctx, s.Site, d.Namespace) },
	)
	v.History = s.history(c, d, revisions, gates, forms.release)
	v.History.Problem = s.Problem("the history", historyErr)
	v.Gates = s.gates(c, d, gates, gatesErr, forms.gates)
	v.Newest = newestNotice(d, revisions, gates)
	v.Servers = s.servers(c, d, forms.servers)
	v.Findings = findingViews(found)
	v.Problem = s.Problem("what is wrong", diagnosisErr)
	if len(v.Findings) > 0 {
		v.Message = "" // one of them says it better
	}
	v.Stats = deploymentStats(d, traffic.Of(answers, d.Name))
	traffic.Now(v.Charts, traffic.Of(answers, d.Name))
	v.Ranges = s.charts.RangeView(c, r, paths.Deployment(d.Name), "traffic", "pod")
	if v.Ranges.Problem = s.Problem("the traffic", chartErr); v.Ranges.Problem == nil {
		v.Ranges.Problem = s.Problem("the traffic", trafficErr)
	}
	for _, p := range d.Pods {
		v.Pods = append(v.Pods, pods.ServerRow(p, usage[p.Name]))
	}
	v.Logs = s.deploymentLog(c, d)
	v.Curl = s.curl(c, d)
	v.Form = s.predictForm(d)
	if forms.predict != nil {
		v.Form = *forms.predict
	}
	return &page.Page{Title: d.Name, Nav: "deployments", Body: view.DeploymentPage(v), Charts: v.Charts,
		Parts: []page.Part{{Name: "head", Body: view.DeploymentHead(v)}, {Name: "history", Body: view.HistoryTable(v.History)}, {Name: "gates", Body: view.GateTable(v.Gates)}, {Name: "findings", Body: view.FindingList(v.Findings)}, {Name: "pods", Body: view.ServerPods(v.Pods)}, {Name: "logs", Body: view.LogChoice(v.Logs)}}}, nil
}

func deploymentStats(d mlops.Deployment, t mlops.Traffic) []view.Stat {
	ready := view.Stat{Name: "Replicas ready", Value: fmt.Sprintf("%d of %d", d.Ready, d.Replicas)}
	if d.Replicas == 0 {
		ready.Value = "none wanted"
	}
	if d.Ready < d.Replicas {
		ready.Kind = view.Warn
	}
	errors := view.Stat{Name: "Errors", Value: traffic.ErrorShare(t)}
	if t.ErrorsPerSecond > 0 {
		errors.Kind = view.Bad
	}
	return []view.Stat{ready, {Name: "Requests", Value: view.Rate(t.RequestsPerSecond)}, errors,
		{Name: "Latency p50", Value: view.Seconds(t.P50Seconds)}, {Name: "Latency p99", Value: view.Seconds(t.P99Seconds)}}
}

// curl returns a command that predicts from wherever the browser is: it uses
// the name by which the browser reached this machine.
func (s *section) curl(c echo.Context, d mlops.Deployment) string {
	return fmt.Sprintf("curl -s %s%s/predict -H 'Content-Type: application/json' -d '%s'", s.desk.IngressURL(c), strings.TrimSuffix(d.Path, "/"),
		s.desk.ExampleBody(d))
}
