package models

import (
	"context"
	"fmt"
	"net/http"
	"sort"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/runtable"
	"github.com/benchtop-lab/benchtop/ui/serving"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const versionsPerPage = 50

// model is the page of one registered model.
func (s *section) model(c echo.Context) (*page.Page, error) { return s.modelPage(c, nil) }

// modelPage shows a model, with the alias form as it was sent if it was.
func (s *section) modelPage(c echo.Context, form *view.AliasForm) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	m, err := s.findModel(ctx, c.Param("name"))
	if err != nil {
		return nil, err
	}
	p := &page.Page{Title: m.Name, Nav: "models"}
	metric, token := c.QueryParam("metric"), c.QueryParam("page")
	v := view.Model{Name: m.Name, Description: m.Description, Facts: modelFacts(m), Tags: runtable.Facts(m.Tags), Aliases: s.aliasPanel(c, m, nil, form)}
	found, err := s.Registry.Versions(ctx, mlops.VersionQuery{Model: m.Name, Max: versionsPerPage, PageToken: token})
	if mlops.CodeOf(err) == mlops.Invalid {
		p.Status = http.StatusBadRequest
	}
	v.Problem = s.Problem("the versions", err)
	runs, err := s.runsOf(ctx, found.Versions)
	if v.Problem == nil {
		v.Problem = s.Problem("the runs of the versions", err)
	}
	v.Metric = metricChoice(m.Name, metric, token, found.Versions, runs)
	if v.Chart = versionChart(v.Metric.Name, found.Versions, runs); v.Chart != nil {
		p.Charts = []view.Chart{*v.Chart}
	}
	served := s.desk.By(ctx)
	for _, mv := range found.Versions {
		v.Versions = append(v.Versions, versionRow(mv, runs, v.Metric.Name, served))
	}
	if n := len(found.Versions); n > 0 && n < m.Versions {
		v.Shown = fmt.Sprintf("Versions %d to %d, of %d.", found.Versions[0].Version, found.Versions[n-1].Version, m.Versions)
	}
	if token != "" {
		v.Pager.First = paths.WithQuery(paths.Model(m.Name), "metric", metric)
	}
	if found.NextPageToken != "" {
		v.Pager.Next = paths.WithQuery(paths.Model(m.Name), "metric", metric, "page", found.NextPageToken)
	}
	p.Body = view.ModelPage(v)
	p.Parts = []page.Part{{Name: "head", Body: view.ModelHead(v)}, {Name: "aliases", Body: view.AliasList(v.Aliases)}, {Name: "chart", Body: view.ModelChart(v)}, {Name: "versions", Body: view.VersionTable(v)}}
	return p, nil
}

func (s *section) findModel(ctx context.Context, name string) (mlops.RegisteredModel, error) {
	m, err := s.Registry.Model(ctx, name)
	if mlops.CodeOf(err) == mlops.NotFound {
		return m, mlops.Errorf(mlops.NotFound, "There is no registered model %q.", name)
	}
	return m, err
}

func modelFacts(m mlops.RegisteredModel) []view.Fact {
	facts := []view.Fact{{Name: "Versions", Value: view.Text(strconv.Itoa(m.Versions))}}
	if m.Latest != nil {
		facts = append(facts, view.Fact{Name: "Latest", Value: view.Ref(paths.VersionText(m.Latest.Version), paths.Version(m.Name, m.Latest.Version))})
	}
	return append(facts, view.Fact{Name: "Created", Value: view.At(m.CreatedAt)}, view.Fact{Name: "Last update", Value: view.At(m.LastUpdateAt)})
}

func versionRow(mv mlops.ModelVersion, runs map[string]mlops.Run, metric string, served serving.Served) view.VersionRow {
	row := view.VersionRow{Version: paths.VersionText(mv.Version), URL: paths.Version(mv.Model, mv.Version), Pill: pills.Version(mv.Status), Stage: stageOf(mv),
		Aliases: mv.Aliases, Created: mv.CreatedAt, Served: served.Version(mv.Model, mv.Version)}
	if mv.RunID == "" {
		return row
	}
	r, ok := runs[mv.RunID]
	if !ok {
		row.Run = view.Value{Text: "gone", Title: "The run " + mv.RunID + " is not in the registry any more."}
		return row
	}
	row.Run = view.Ref(runtable.Name(r), paths.Run(r.ID))
	if value, ok := r.Metric(metric); ok {
		row.Value = view.Number(value)
	}
	return row
}

// stageOf returns the stage of a version, "" if it has none.
func stageOf(v mlops.ModelVersion) string {
	if v.Stage == "None" {
		return ""
	}
	return v.Stage
}

// mainMetric returns the metric that versions are compared by when nobody has
// chosen one: an accuracy, else what most of the runs have logged.
func mainMetric(runs []mlops.Run) string {
	if key := runtable.AccuracyKey(runs); key != "" {
		return key
	}
	count := map[string]int{}
	for _, r := range runs {
		for _, m := range r.Metrics {
			count[m.Key]++
		}
	}
	best := ""
	for key, n := range count {
		if best == "" || n > count[best] || n == count[best] && key < best {
			best = key
		}
	}
	return best
}

// metricChoice offers the metrics that the runs of these versions have.
func metricChoice(model, wanted, token string, versions []mlops.ModelVersion, runs map[string]mlops.Run) view.MetricChoice {
	choice := view.MetricChoice{Action: paths.Model(model), Name: wanted, Page: token}
	known := map[string]bool{}
	var all []mlops.Run
	for _, v := range versions {
		r, ok := runs[v.RunID]
		if !ok {
			continue
		}
		all = append(all, r)
		for _, m := range r.Metrics {
			known[m.Key] = true
		}
	}
	if wanted == "" {
		choice.Name = mainMetric(all)
	} else if !known[wanted] {
		choice.Missing = true
	}
	for key := range known {
		choice.Options = append(choice.Options, key)
	}
	sort.Strings(choice.Options)
	return choice
}

// versionChart draws a metric over the versions, nil if fewer than two have it.
func versionChart(metric string, versions []mlops.ModelVersion, runs map[string]mlops.Run) *view.Chart {
	c := view.Chart{ID: "metric", Title: metric + " by version", Unit: "number", Steps: true, Step: "version", Lines: []string{metric}, Y: [][]*float64{nil}}
	for i := len(versions) - 1; i >= 0; i-- {
		r, ok := runs[versions[i].RunID]
		if !ok {
			continue
		}
		value, ok := r.Metric(metric)
		if !ok {
			continue
		}
		c.X = append(c.X, float64(versions[i].Version))
		c.Y[0] = append(c.Y[0], view.Finite(value))
		c.Now = view.Number(value)
	}
	if len(c.X) < 2 {
		return nil
	}
	c.Summary = "latest " + c.Now
	return &c
}
