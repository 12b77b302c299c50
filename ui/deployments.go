package ui

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// deployments is the list of deployments.
func (s *Server) deployments(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	var v view.Deployments
	ds, err := s.site.Loop.Deployments(ctx)
	v.Problem = s.site.Problem("the deployments", err)
	var traffic map[string]mlops.Traffic
	if len(ds) > 0 {
		var terr error
		traffic, terr = s.allTraffic(ctx)
		s.site.Problem("the traffic", terr) // logged; the rows go without
	}
	for _, d := range ds {
		v.Rows = append(v.Rows, deploymentRow(d, trafficOf(traffic, d.Name)))
	}
	return &page.Page{Title: "Deployments", Nav: "deployments", Body: view.DeploymentsPage(v), Parts: []page.Part{{"rows", view.DeploymentRows(v)}}}, nil
}

func deploymentRow(d mlops.Deployment, t mlops.Traffic) view.DeploymentRow {
	return view.DeploymentRow{Name: d.Name, URL: deploymentURL(d.Name), Pill: deploymentPill(d), Holds: holdPills(d), Model: servedModel(d),
		Replicas: fmt.Sprintf("%d/%d", d.Ready, d.Replicas), Address: d.Host, Rate: view.Rate(t.RequestsPerSecond), Errors: errorShare(t), P50: view.Seconds(t.P50Seconds), P99: view.Seconds(t.P99Seconds)}
}

// servedModel links what a deployment serves.
func servedModel(d mlops.Deployment) view.Value {
	if d.Version == "" {
		return view.Text("no model yet")
	}
	text := d.Model + " v" + d.Version
	if n, err := strconv.Atoi(d.Version); err == nil {
		return view.Ref(text, versionURL(d.Model, n))
	}
	return view.Text(text)
}

// projectValue links a deployment's project, if it has one.
func projectValue(name string) view.Value {
	if name == "" {
		return view.Text("none")
	}
	return view.Ref(name, projectURL(name))
}

func (s *Server) findDeployment(ctx context.Context, name string) (mlops.Deployment, error) {
	ds, err := s.site.Loop.Deployments(ctx)
	if err != nil {
		return mlops.Deployment{}, err
	}
	for _, d := range ds {
		if d.Name == name {
			return d, nil
		}
	}
	return mlops.Deployment{}, mlops.Errorf(mlops.NotFound, "There is no deployment %q.", name)
}

// deployment is the page of one deployment.
func (s *Server) deployment(c echo.Context) (*page.Page, error) {
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
func (s *Server) deploymentPage(c echo.Context, forms deploymentForms) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	r, err := s.rangeOf(c)
	if err != nil {
		return nil, err
	}
	d, err := s.findDeployment(ctx, c.Param("name"))
	if err != nil {
		return nil, err
	}
	v := view.Deployment{Name: d.Name, Pill: deploymentPill(d), Holds: holdPills(d), Message: d.Message}
	v.Facts = append([]view.Fact{{Name: "Serves", Value: servedModel(d)}, {Name: "Trained", Value: view.At(d.LoadedAt)}}, revisionFacts(d)...)
	v.Facts = append(v.Facts, []view.Fact{{Name: "Project", Value: projectValue(d.Project)}, {Name: "Namespace", Value: view.Text(d.Namespace)}, {Name: "Host", Value: view.Code(d.Host)},
		{Name: "Path", Value: view.Code(d.Path)}, {Name: "Image", Value: view.Code(d.Image)}}...)
	if d.RunID != "" {
		v.Facts = append(v.Facts, view.Fact{Name: "Run", Value: view.Value{Text: view.Short(d.RunID), Code: true, URL: runURL(d.RunID), Title: d.RunID}})
	}
	var traffic map[string]mlops.Traffic
	var revisions []mlops.Revision
	var gates *mlops.Gates
	var found []mlops.Finding
	var usage map[string]mlops.Resources
	var trafficErr, chartErr, historyErr, gatesErr, diagnosisErr error
	page.Together(
		func() { traffic, trafficErr = s.allTraffic(ctx) },
		func() { v.Charts, chartErr = s.trafficCharts(ctx, d.Name, r) },
		func() { revisions, historyErr = s.site.Loop.Revisions(ctx, d.Name, shownRevisions+1) },
		func() { gates, gatesErr = s.gatesOf(ctx, d) },
		func() { found, diagnosisErr = s.site.Loop.Diagnose(ctx, d) },
		func() { usage = s.podUsage(ctx, d.Namespace) },
	)
	v.History = s.history(c, d, revisions, gates, forms.release)
	v.History.Problem = s.site.Problem("the history", historyErr)
	v.Gates = s.gates(c, d, gates, gatesErr, forms.gates)
	v.Newest = newestNotice(d, revisions, gates)
	v.Servers = s.servers(c, d, forms.servers)
	v.Findings = findingViews(found)
	v.Problem = s.site.Problem("what is wrong", diagnosisErr)
	if len(v.Findings) > 0 {
		v.Message = "" // one of them says it better
	}
	v.Stats = deploymentStats(d, trafficOf(traffic, d.Name))
	trafficNow(v.Charts, trafficOf(traffic, d.Name))
	v.Ranges = s.rangeView(c, r, deploymentURL(d.Name), "traffic", "pod")
	if v.Ranges.Problem = s.site.Problem("the traffic", chartErr); v.Ranges.Problem == nil {
		v.Ranges.Problem = s.site.Problem("the traffic", trafficErr)
	}
	for _, p := range d.Pods {
		v.Pods = append(v.Pods, serverPodRow(p, usage[p.Name]))
	}
	v.Logs = s.deploymentLog(c, d)
	v.Curl = s.curl(c, d)
	v.Form = s.predictForm(d)
	if forms.predict != nil {
		v.Form = *forms.predict
	}
	return &page.Page{Title: d.Name, Nav: "deployments", Body: view.DeploymentPage(v), Charts: v.Charts,
		Parts: []page.Part{{"head", view.DeploymentHead(v)}, {"history", view.HistoryTable(v.History)}, {"gates", view.GateTable(v.Gates)}, {"findings", view.FindingList(v.Findings)}, {"pods", view.ServerPods(v.Pods)}, {"logs", view.LogChoice(v.Logs)}}}, nil
}

func deploymentStats(d mlops.Deployment, t mlops.Traffic) []view.Stat {
	ready := view.Stat{Name: "Replicas ready", Value: fmt.Sprintf("%d of %d", d.Ready, d.Replicas)}
	if d.Replicas == 0 {
		ready.Value = "none wanted"
	}
	if d.Ready < d.Replicas {
		ready.Kind = view.Warn
	}
	errors := view.Stat{Name: "Errors", Value: errorShare(t)}
	if t.ErrorsPerSecond > 0 {
		errors.Kind = view.Bad
	}
	return []view.Stat{ready, {Name: "Requests", Value: view.Rate(t.RequestsPerSecond)}, errors,
		{Name: "Latency p50", Value: view.Seconds(t.P50Seconds)}, {Name: "Latency p99", Value: view.Seconds(t.P99Seconds)}}
}

// curl returns a command that predicts from wherever the browser is: it uses
// the name by which the browser reached this machine.
func (s *Server) curl(c echo.Context, d mlops.Deployment) string {
	return fmt.Sprintf("curl -s %s%s/predict -H 'Content-Type: application/json' -d '%s'", s.ingressURL(c), strings.TrimSuffix(d.Path, "/"),
		s.exampleBody(d))
}
