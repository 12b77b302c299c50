package ui

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const recentShown = 5

// overview is the boot page until everything was ready, then the loop.
func (s *Server) overview(c echo.Context) (*page, error) {
	lines, limited := 6, visitorOf(c).principal.Limited()
	if limited {
		lines = 0 // they tell of the whole lab
	}
	units := s.cfg.Units.Status(lines)
	if booting(units) {
		v := view.Overview{Boot: bootView(units)}
		return &page{title: "Starting", nav: "overview", view: "boot", body: view.OverviewPage(v),
			parts: []part{{"boot", view.BootStatus(*v.Boot)}}}, nil
	}
	ctx, cancel := gather(c)
	defer cancel()
	mayTrain := visitorOf(c).principal.Role.May(mlops.Operate)
	v := view.Overview{Notices: s.notices()}
	if !limited {
		v.Units, v.Machine = unitViews(units), s.machineCharts()
	}
	together(
		func() { v.Recent = s.recentRuns(ctx) },
		func() {
			projects, err := s.cfg.Loop.Projects(ctx)
			v.Problem = s.problem("the loop", err)
			projects = slices.DeleteFunc(projects, func(p mlops.Project) bool { return p.Deleting })
			v.Loops = make([]view.Loop, len(projects))
			// Once for all projects: every server is asked what it serves.
			deployed, deployedErr := s.cfg.Loop.Deployments(ctx)
			var own []mlops.Deployment
			for _, d := range deployed {
				if d.Own {
					own = append(own, d)
				}
			}
			v.Beside.Rows = make([]view.DeploymentRow, len(own))
			var work []func()
			for i, d := range own {
				work = append(work, func() { v.Beside.Rows[i] = s.deploymentRow(ctx, d) })
			}
			for i, p := range projects {
				if mayTrain {
					v.Actions.Projects = append(v.Actions.Projects, p.Name)
				}
				work = append(work, func() { v.Loops[i] = s.loopView(ctx, p, deployed, deployedErr) })
			}
			together(work...)
		},
	)
	v.Actions.CSRF = csrf(c)
	// A browser that shows the boot page has no place for these parts: it sees
	// that the view is another one and asks for the whole page.
	return &page{title: "Overview", nav: "overview", view: "overview", body: view.OverviewPage(v), charts: v.Machine,
		parts: []part{{"actions", view.TrainForms(v.Actions)}, {"notices", view.Notices(v.Notices)}, {"loops", view.Loops(v)},
			{"recent", view.RunsTable(v.Recent)}, {"units", view.UnitList(v.Units)}}}, nil
}

func (s *Server) recentRuns(ctx context.Context) view.RunTable {
	found, err := s.cfg.Registry.SearchRuns(ctx, mlops.RunQuery{Max: recentShown, OrderBy: newestFirst})
	if problem := s.problem("the runs", err); problem != nil {
		return view.RunTable{Problem: problem}
	}
	columns := []column{startedColumn, {"metrics", cmp.Or(accuracyKey(found.Runs), accuracyKeys[0])}, {"attributes", "version"}}
	t, _ := s.runTable(ctx, found.Runs, nil, columns)
	if t.Problem != nil {
		return t
	}
	waiting, err := s.trainingsWithoutRun(ctx, "", t.Columns)
	if t.Problem = s.problem("the trainings", err); t.Problem != nil {
		return t
	}
	t.Rows = append(waiting, t.Rows...)
	t.Rows = t.Rows[:min(len(t.Rows), recentShown)]
	return t
}

// loopState is everything that the picture of one project shows.
type loopState struct {
	dataset    *mlops.Dataset
	training   *mlops.Training
	run        *mlops.Run
	version    *mlops.ModelVersion
	deployment *mlops.Deployment
	traffic    *mlops.Traffic
}

// loopView reads the picture of one project.
func (s *Server) loopView(ctx context.Context, p mlops.Project, deployed []mlops.Deployment, deployedErr error) view.Loop {
	l := view.Loop{Project: p.Name, Schedule: p.Schedule, TimeZone: p.TimeZone}
	var st loopState
	errs := make([]error, 6)
	together(
		func() { st.dataset, errs[0] = s.newestDataset(ctx, p.Dataset) },
		func() { st.training, st.run, errs[1] = s.newestTraining(ctx, p.Name) },
		func() { st.version, errs[2] = s.newestVersion(ctx, p.Name) },
		func() {
			if errs[3], errs[4] = deployedErr, deployedErr; deployedErr == nil {
				st.deployment, st.traffic, errs[4] = s.deploymentOf(ctx, p.Name, deployed)
			}
		},
		func() { l.Next, errs[5] = s.cfg.Loop.NextTraining(ctx, p.Name) },
	)
	l.Nodes = loopNodes(p, st)
	for i, what := range []string{"the dataset", "the runs", "the model", "the deployment", "the traffic", "the schedule"} {
		problem := s.problem(what, errs[i])
		if problem == nil {
			continue
		}
		if l.Problem == nil {
			l.Problem = problem
		}
		// Nothing is shown rather than what may not be true any more.
		if i < len(l.Nodes) {
			n := l.Nodes[i]
			l.Nodes[i] = view.Node{Kind: n.Kind, Label: n.Label, URL: n.URL, Title: "unknown"}
		}
	}
	l.Training = st.training != nil && !st.training.State.Terminal()
	return l
}

func (s *Server) newestDataset(ctx context.Context, name string) (*mlops.Dataset, error) {
	all, err := s.cfg.Registry.Datasets(ctx)
	var newest *mlops.Dataset
	for i := range all {
		if all[i].Name == name && (newest == nil || all[i].Version > newest.Version) {
			newest = &all[i]
		}
	}
	return newest, err
}

func (s *Server) newestTraining(ctx context.Context, project string) (*mlops.Training, *mlops.Run, error) {
	ts, err := s.cfg.Registry.Trainings(ctx, project, 1)
	if err != nil || len(ts) == 0 {
		return nil, nil, err
	}
	t := ts[0]
	if t.RunID == "" {
		return &t, nil, nil
	}
	r, err := s.cfg.Registry.Run(ctx, t.RunID)
	if mlops.CodeOf(err) == mlops.NotFound {
		return &t, nil, nil // deleted since
	}
	if err != nil {
		return &t, nil, err
	}
	return &t, &r, nil
}

func (s *Server) newestVersion(ctx context.Context, model string) (*mlops.ModelVersion, error) {
	m, err := s.cfg.Registry.Model(ctx, model)
	if mlops.CodeOf(err) == mlops.NotFound {
		return nil, nil // the first run has not registered it yet
	}
	return m.Latest, err
}

func (s *Server) deploymentOf(ctx context.Context, project string, deployed []mlops.Deployment) (d *mlops.Deployment, t *mlops.Traffic, trafficErr error) {
	for _, d := range deployed {
		if !d.IsOf(project) {
			continue
		}
		t, err := s.traffic(ctx, d.Name)
		if err != nil {
			return &d, nil, err
		}
		return &d, &t, nil
	}
	return nil, nil, nil
}

// loopNodes draws the state; what is not there yet says so.
func loopNodes(p mlops.Project, st loopState) []view.Node {
	dataset := view.Node{Kind: "dataset", Label: "Dataset", Title: "none yet"}
	if d := st.dataset; d != nil {
		dataset.Title = fmt.Sprintf("%s v%d", d.Name, d.Version)
		dataset.Facts = []view.Value{view.Text(fmt.Sprintf("%d rows × %d features", d.Rows, d.Features)), view.Digest(d.SHA256)}
	}
	run := view.Node{Kind: "run", Label: "Training run", Title: "none yet", URL: "/runs"}
	if t := st.training; t != nil {
		pill := trainingPill(t.State)
		run.Title, run.Pill, run.URL = t.Job, &pill, trainingURL(*t)
		run.Facts = []view.Value{view.At(t.CreatedAt)}
		if !t.State.Terminal() {
			run.Facts = []view.Value{{Since: t.CreatedAt}}
			dataset.Flow = true
		}
	}
	if r := st.run; r != nil {
		run.Title = r.Name
		if a, ok := accuracy(*r); ok {
			run.Facts = append(run.Facts, view.Text("accuracy "+view.Number(a)))
			run.Flow = !r.Status.Terminal()
		}
	}
	version := view.Node{Kind: "version", Label: "Model version", Title: "none yet", URL: "/models"}
	if v := st.version; v != nil {
		pill := versionPill(v.Status)
		version.Title, version.Pill, version.URL = fmt.Sprintf("%s v%d", v.Model, v.Version), &pill, versionURL(v.Model, v.Version)
		version.Facts = []view.Value{view.At(v.CreatedAt)}
		for _, a := range v.Aliases {
			version.Facts = append(version.Facts, view.Text("@"+a))
		}
	}
	deployment := view.Node{Kind: "deployment", Label: "Deployment", Title: "none yet", URL: "/deployments"}
	traffic := view.Node{Kind: "traffic", Label: "Traffic", Title: "none yet", URL: "/deployments"}
	if d := st.deployment; d != nil {
		pill := deploymentPill(*d)
		deployment.Title, deployment.Pill, deployment.URL = d.Name, &pill, deploymentURL(d.Name)
		serves := "no model yet"
		if d.Version != "" {
			serves = "serves v" + d.Version
		}
		deployment.Facts = []view.Value{view.Text(serves), view.Text(fmt.Sprintf("%d of %d replicas ready", d.Ready, d.Replicas))}
		// A version that is newer than what is served is on its way.
		version.Flow = st.version != nil && d.Version != fmt.Sprint(st.version.Version)
		traffic.URL = deployment.URL + "#traffic"
	}
	if t := st.traffic; t != nil {
		traffic.Title = view.Rate(t.RequestsPerSecond)
		if t.RequestsPerSecond > 0 {
			deployment.Flow = true
			traffic.Facts = []view.Value{view.Text("p99 " + view.Seconds(t.P99Seconds)), view.Text(errorShare(*t) + " errors")}
		} else {
			traffic.Title = "idle"
			traffic.Facts = []view.Value{view.Text("no requests in the last minute")}
		}
	}
	return []view.Node{dataset, run, version, deployment, traffic}
}
