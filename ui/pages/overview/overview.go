package overview

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/health"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/runtable"
	"github.com/benchtop-lab/benchtop/ui/serving"
	"github.com/benchtop-lab/benchtop/ui/traffic"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const (
	recentShown = 5
	pictured    = 6           // projects, if there are more
	gpuPatience = time.Second // a driver that hangs must not hold up the page
)

// overview is the boot page until everything was ready, then the loop.
func (s *section) overview(c echo.Context) (*page.Page, error) {
	lines, limited := 6, page.VisitorOf(c).Principal.Limited()
	if limited {
		lines = 0 // they tell of the whole lab
	}
	units := s.Units.Status(lines)
	if health.Booting(units) {
		v := view.Overview{Boot: health.Boot(units)}
		return &page.Page{Title: "Starting", Nav: "overview", View: "boot", Body: view.OverviewPage(v),
			Parts: []page.Part{{Name: "boot", Body: view.BootStatus(*v.Boot)}}}, nil
	}
	ctx, cancel := page.Gather(c)
	defer cancel()
	r, err := s.charts.RangeOf(c)
	if err != nil {
		return nil, err
	}
	mayTrain := page.May(c, mlops.Operate)
	v := view.Overview{Notices: s.health.Notices(), Ranges: s.charts.RangeView(c, r, "/", "machine")}
	if !limited {
		v.Units = health.Units(units)
	}
	page.Together(
		func() {
			if !limited {
				v.Machine, v.Ranges.Problem = s.health.Charts(ctx, r)
			}
		},
		func() { v.Recent = s.recentRuns(ctx) },
		func() {
			if !limited {
				v.GPUs = s.gpuLine(ctx)
			}
		},
		func() {
			projects, err := s.Loop.Projects(ctx)
			v.Problem = s.Problem("the loop", err)
			projects = slices.DeleteFunc(projects, func(p mlops.Project) bool { return p.Deleting })
			states := s.loopStates(ctx, projects)
			for _, d := range states.deployments {
				if d.Own {
					v.Beside.Rows = append(v.Beside.Rows, serving.Row(d, traffic.Of(states.traffic, d.Name)))
				}
			}
			if mayTrain {
				for _, p := range projects {
					v.Actions.Projects = append(v.Actions.Projects, p.Name)
				}
			}
			shown := states.first(projects)
			v.More = len(projects) - len(shown)
			for _, p := range shown {
				v.Loops = append(v.Loops, s.loopView(p, states))
			}
		},
	)
	v.Actions.CSRF = page.VisitorOf(c).CSRF
	// A browser that shows the boot page has no place for these parts: it sees
	// that the view is another one and asks for the whole page.
	return &page.Page{Title: "Overview", Nav: "overview", View: "overview", Body: view.OverviewPage(v), Charts: v.Machine,
		Parts: []page.Part{{Name: "actions", Body: view.TrainForms(v.Actions)}, {Name: "notices", Body: view.Notices(v.Notices)}, {Name: "gpus", Body: view.GPULineBox(v.GPUs)}, {Name: "loops", Body: view.Loops(v)},
			{Name: "recent", Body: view.RunsTable(v.Recent)}, {Name: "units", Body: view.UnitList(v.Units)}}}, nil
}

// gpuLine says how the GPUs fare, nothing where there are none. What is wrong with
// asking for them, their page says.
func (s *section) gpuLine(ctx context.Context) *view.GPULine {
	ctx, cancel := context.WithTimeout(ctx, gpuPatience)
	defer cancel()
	g, err := s.GPUs.GPUs(ctx)
	if err != nil || len(g.GPUs) == 0 {
		return nil
	}
	t := g.Total()
	l := &view.GPULine{Count: view.Plural(len(g.GPUs), "GPU", "GPUs"), Text: fmt.Sprintf("%d of %d given to pods", t.Held, t.Offered)}
	if n := len(g.Waiting); n > 0 {
		l.Text += ", " + view.Plural(n, "pod waits", "pods wait")
	}
	switch {
	case g.Problem != "":
		l.Pill = &view.Pill{Kind: view.Bad, Text: "cannot be used"}
	case t.Healthy < len(g.GPUs):
		l.Pill = &view.Pill{Kind: view.Bad, Text: fmt.Sprintf("%d unhealthy", len(g.GPUs)-t.Healthy)}
	}
	if g.Simulated {
		l.Tags = append(l.Tags, "simulated")
	}
	return l
}

func (s *section) recentRuns(ctx context.Context) view.RunTable {
	found, err := s.Registry.SearchRuns(ctx, mlops.RunQuery{Max: recentShown, OrderBy: runtable.NewestFirst})
	if problem := s.Problem("the runs", err); problem != nil {
		return view.RunTable{Problem: problem}
	}
	columns := []runtable.Column{runtable.Started, runtable.Metric(cmp.Or(runtable.AccuracyKey(found.Runs), runtable.AccuracyKeys[0])), runtable.Version}
	t, _ := s.tables.Show(ctx, found.Runs, nil, columns)
	if t.Problem != nil {
		return t
	}
	var since time.Time // one that has failed long ago must not push what is newer out
	if n := len(found.Runs); n == recentShown {
		since = found.Runs[n-1].StartedAt
	}
	waiting, err := s.tables.Waiting(ctx, "", since, t.Columns)
	if t.Problem = s.Problem("the trainings", err); t.Problem != nil {
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

// loopStates is what the pictures of all projects show, and why a part of it
// could not be read. Everything is asked for once, however many projects there
// are.
type loopStates struct {
	datasets    []mlops.Dataset
	trainings   []mlops.Training
	runs        []mlops.Run
	versions    []mlops.ModelVersion
	deployments []mlops.Deployment
	traffic     map[string]mlops.Traffic
	next        map[string]time.Time
	problems    []*view.Problem // in the order of loopParts
}

// loopParts are what the pictures consist of. All but the last are nodes.
var loopParts = []string{"the dataset", "the runs", "the model", "the deployment", "the traffic", "the schedule"}

func (s *section) loopStates(ctx context.Context, projects []mlops.Project) loopStates {
	var all loopStates
	errs := make([]error, len(loopParts))
	page.Together(
		func() { all.datasets, errs[0] = s.Registry.Datasets(ctx) },
		func() {
			if all.trainings, errs[1] = s.Registry.NewestTrainings(ctx, 1); errs[1] == nil {
				all.runs, errs[1] = s.runsOfTrainings(ctx, all.trainings)
			}
		},
		func() {
			models := make([]string, len(projects))
			for i, p := range projects {
				models[i] = p.Name
			}
			all.versions, errs[2] = s.Registry.NewestVersions(ctx, models)
		},
		func() {
			all.deployments, errs[3] = s.Loop.Deployments(ctx)
			if errs[4] = errs[3]; errs[4] == nil && len(all.deployments) > 0 {
				all.traffic, errs[4] = traffic.All(ctx, s.Metrics, s.Now())
			}
		},
		func() { all.next, errs[5] = s.Loop.NextTrainings(ctx) },
	)
	for i, what := range loopParts {
		all.problems = append(all.problems, s.Problem(what, errs[i]))
	}
	return all
}

func (s *section) runsOfTrainings(ctx context.Context, ts []mlops.Training) ([]mlops.Run, error) {
	var ids []string
	for _, t := range ts {
		if t.RunID != "" {
			ids = append(ids, t.RunID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return s.Registry.RunsByID(ctx, ids)
}

// of picks what belongs to one project.
func (all loopStates) of(p mlops.Project) (st loopState) {
	st.dataset = page.NewestDataset(all.datasets, p.Dataset)
	st.training = page.Find(all.trainings, func(t mlops.Training) bool { return t.Project == p.Name })
	if t := st.training; t != nil && t.RunID != "" {
		st.run = page.Find(all.runs, func(r mlops.Run) bool { return r.ID == t.RunID && !r.Deleted })
	}
	st.version = page.Find(all.versions, func(v mlops.ModelVersion) bool { return v.Model == p.Name })
	st.deployment = page.Find(all.deployments, func(d mlops.Deployment) bool { return d.IsOf(p.Name) })
	if st.deployment != nil && all.traffic != nil {
		t := traffic.Of(all.traffic, st.deployment.Name)
		st.traffic = &t
	}
	return st
}

// first returns the projects that are drawn: those that need a look, then the
// others, both in the order in which they came.
func (all loopStates) first(projects []mlops.Project) []mlops.Project {
	if len(projects) <= pictured {
		return projects
	}
	var ailing, well []mlops.Project
	for _, p := range projects {
		if all.of(p).ails() {
			ailing = append(ailing, p)
		} else {
			well = append(well, p)
		}
	}
	return append(ailing, well...)[:pictured]
}

// ails reports whether somebody should look at a project: its newest training
// has failed, or not all of its servers answer.
func (st loopState) ails() bool {
	if st.training != nil && st.training.State == mlops.TrainingFailed {
		return true
	}
	d := st.deployment
	return d != nil && !d.Deleting && d.Replicas > 0 && (!d.Answers() || d.Ready < d.Replicas)
}

// loopView draws the picture of one project.
func (s *section) loopView(p mlops.Project, all loopStates) view.Loop {
	st := all.of(p)
	l := view.Loop{Project: p.Name, Schedule: p.Schedule, TimeZone: p.TimeZone, Next: all.next[p.Name]}
	l.Nodes = loopNodes(p, st)
	for i, problem := range all.problems {
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

// loopNodes draws the state; what is not there yet says so.
func loopNodes(p mlops.Project, st loopState) []view.Node {
	dataset := view.Node{Kind: "dataset", Label: "Dataset", Title: "none yet"}
	if d := st.dataset; d != nil {
		dataset.Title = fmt.Sprintf("%s v%d", d.Name, d.Version)
		dataset.Facts = []view.Value{view.Text(fmt.Sprintf("%d rows × %d features", d.Rows, d.Features)), view.Digest(d.SHA256)}
	}
	run := view.Node{Kind: "run", Label: "Training run", Title: "none yet", URL: "/runs"}
	if t := st.training; t != nil {
		pill := pills.Training(t.State)
		run.Title, run.Pill, run.URL = t.Job, &pill, paths.Training(*t)
		run.Facts = []view.Value{view.At(t.CreatedAt)}
		if !t.State.Terminal() {
			run.Facts = []view.Value{{Since: t.CreatedAt}}
			if why := t.Waits(); why != "" {
				run.Facts = append(run.Facts, view.Text("waits: "+why))
			}
			dataset.Flow = true
		}
	}
	if r := st.run; r != nil {
		run.Title = r.Name
		if a, ok := runtable.Accuracy(*r); ok {
			run.Facts = append(run.Facts, view.Text("accuracy "+view.Number(a)))
			run.Flow = !r.Status.Terminal()
		}
	}
	version := view.Node{Kind: "version", Label: "Model version", Title: "none yet", URL: "/models"}
	if v := st.version; v != nil {
		pill := pills.Version(v.Status)
		version.Title, version.Pill, version.URL = fmt.Sprintf("%s v%d", v.Model, v.Version), &pill, paths.Version(v.Model, v.Version)
		version.Facts = []view.Value{view.At(v.CreatedAt)}
		for _, a := range v.Aliases {
			version.Facts = append(version.Facts, view.Text("@"+a))
		}
	}
	deployment := view.Node{Kind: "deployment", Label: "Deployment", Title: "none yet", URL: "/deployments"}
	answers := view.Node{Kind: "traffic", Label: "Traffic", Title: "none yet", URL: "/deployments"}
	if d := st.deployment; d != nil {
		pill := pills.Deployment(*d)
		deployment.Title, deployment.Pill, deployment.URL = d.Name, &pill, paths.Deployment(d.Name)
		serves := "no model yet"
		if d.Version != "" {
			serves = "serves v" + d.Version
		}
		deployment.Facts = []view.Value{view.Text(serves), view.Text(fmt.Sprintf("%d of %d replicas ready", d.Ready, d.Replicas))}
		// A version that is newer than what is served is on its way.
		version.Flow = st.version != nil && d.Version != fmt.Sprint(st.version.Version)
		answers.URL = deployment.URL + "#traffic"
	}
	if t := st.traffic; t != nil {
		answers.Title = view.Rate(t.RequestsPerSecond)
		if t.RequestsPerSecond > 0 {
			deployment.Flow = true
			answers.Facts = []view.Value{view.Text("p99 " + view.Seconds(t.P99Seconds)), view.Text(traffic.ErrorShare(*t) + " errors")}
		} else {
			answers.Title = "idle"
			answers.Facts = []view.Value{view.Text("no requests in the last minute")}
		}
	}
	return []view.Node{dataset, run, version, deployment, answers}
}
