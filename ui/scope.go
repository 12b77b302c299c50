package ui

import (
	"cmp"
	"context"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/ports"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// This file keeps keys of single projects within them. Pages and the API ask the
// ports and know nothing of it: between them and the ports are the wrappers
// below, which look who asks in the context of the request. Without anybody in
// it, it is the server that asks for itself. The wrappers embed nothing, so a new
// method of a port does not compile before somebody has decided about it.
//
// Some ports are functions, because their backends are not up from the first
// second: such a port is asked for after it is clear that who asks may ask.
//
// What a list has of other projects is left out, and so is not found where a
// page looks into the list; what is asked for by name is refused, whether it
// exists or not.

// requireWhole refuses keys of single projects.
func requireWhole(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := whole(c.Request().Context(), "this is about the whole lab"); err != nil {
			return err
		}
		return next(c)
	}
}

// requireMetrics refuses keys of single projects, but those that may read the
// metrics of the whole lab.
func requireMetrics(next echo.HandlerFunc) echo.HandlerFunc {
	whole := requireWhole(next)
	return func(c echo.Context) error {
		if page.PrincipalOf(c.Request().Context()).Metrics {
			return next(c)
		}
		return whole(c)
	}
}

// outside is the error for what a key does not reach, as a sentence.
func outside(p mlops.Principal, what string) error { return page.Sentence(p.Outside(what)) }

// whole refuses keys of single projects, and says why.
func whole(ctx context.Context, why string) error {
	if p := page.PrincipalOf(ctx); p.Limited() {
		return outside(p, why+": it takes a key without projects")
	}
	return nil
}

// within refuses a project that who asks does not reach.
func within(ctx context.Context, project string) error {
	if p := page.PrincipalOf(ctx); !p.Reaches(project) {
		return outside(p, "does not reach "+strconv.Quote(view.Clip(project)))
	}
	return nil
}

// holds refuses a model of another project.
func holds(ctx context.Context, model string) error {
	if p := page.PrincipalOf(ctx); !p.Holds(model) {
		return outside(p, "has no model "+strconv.Quote(view.Clip(model)))
	}
	return nil
}

// ask asks a port if it is up.
func ask[P, T any](port func() (P, error), what func(P) (T, error)) (T, error) {
	p, err := port()
	if err != nil {
		var none T
		return none, err
	}
	return what(p)
}

// askWhole is ask for what is about the whole lab, which why says.
func askWhole[P, T any](ctx context.Context, port func() (P, error), why string, what func(P) (T, error)) (T, error) {
	if err := whole(ctx, why); err != nil {
		var none T
		return none, err
	}
	return ask(port, what)
}

// tell has a port do something if it is up.
func tell[P any](port func() (P, error), what func(P) error) error {
	p, err := port()
	if err != nil {
		return err
	}
	return what(p)
}

// scopedRegistry is the registry as who asks may see it.
type scopedRegistry struct {
	all  func() (ports.Registry, error)
	loop ports.Loop // knows which project reads which dataset
}

func (r scopedRegistry) Experiments(ctx context.Context) ([]mlops.Experiment, error) {
	found, err := ask(r.all, func(all ports.Registry) ([]mlops.Experiment, error) { return all.Experiments(ctx) })
	return page.Only(ctx, found, func(p mlops.Principal, e mlops.Experiment) bool { return p.Holds(e.Name) }), err
}

func (r scopedRegistry) ExperimentSummaries(ctx context.Context) ([]mlops.ExperimentSummary, error) {
	found, err := ask(r.all, func(all ports.Registry) ([]mlops.ExperimentSummary, error) { return all.ExperimentSummaries(ctx) })
	return page.Only(ctx, found, func(p mlops.Principal, e mlops.ExperimentSummary) bool { return p.Holds(e.Name) }), err
}

// SearchRuns looks in the experiments that who asks reaches, so pages are full.
func (r scopedRegistry) SearchRuns(ctx context.Context, q mlops.RunQuery) (mlops.RunPage, error) {
	p := page.PrincipalOf(ctx)
	if !p.Limited() {
		return ask(r.all, func(all ports.Registry) (mlops.RunPage, error) { return all.SearchRuns(ctx, q) })
	}
	active, err := r.Experiments(ctx)
	if err != nil {
		return mlops.RunPage{}, err
	}
	reached := map[string]bool{}
	for _, e := range active {
		reached[e.ID] = true
	}
	asked := q.ExperimentIDs
	if len(asked) == 0 {
		for _, e := range active {
			q.ExperimentIDs = append(q.ExperimentIDs, e.ID)
		}
		if len(active) == 0 {
			return mlops.RunPage{}, nil // none would mean all
		}
	}
	if slices.ContainsFunc(asked, func(id string) bool { return !reached[id] }) {
		// They may be deleted ones.
		known, err := r.ExperimentSummaries(ctx)
		if err != nil {
			return mlops.RunPage{}, err
		}
		for _, e := range known {
			reached[e.ID] = true
		}
	}
	for _, id := range asked {
		if !reached[id] {
			return mlops.RunPage{}, outside(p, "has no experiment "+view.Clip(id))
		}
	}
	return ask(r.all, func(all ports.Registry) (mlops.RunPage, error) { return all.SearchRuns(ctx, q) })
}

// Run returns a run of one's own, or one that a version of one's models was made
// of: who has registered it there shows it.
func (r scopedRegistry) Run(ctx context.Context, id string) (mlops.Run, error) {
	run, err := ask(r.all, func(all ports.Registry) (mlops.Run, error) { return all.Run(ctx, id) })
	p := page.PrincipalOf(ctx)
	if !p.Limited() {
		return run, err
	}
	if err == nil {
		var yes bool
		if yes, err = r.seesRun(ctx, run); yes {
			return run, nil
		}
	}
	if err == nil || mlops.CodeOf(err) == mlops.NotFound {
		err = outside(p, "has no run "+view.Clip(id))
	}
	return mlops.Run{}, err
}

func (r scopedRegistry) seesRun(ctx context.Context, run mlops.Run) (bool, error) {
	if page.PrincipalOf(ctx).Holds(run.Experiment) {
		return true, nil
	}
	versions, err := r.VersionsOfRuns(ctx, []string{run.ID})
	return len(versions) > 0, err
}

func (r scopedRegistry) RunsByID(ctx context.Context, ids []string) ([]mlops.Run, error) {
	found, err := ask(r.all, func(all ports.Registry) ([]mlops.Run, error) { return all.RunsByID(ctx, ids) })
	if err != nil || !page.PrincipalOf(ctx).Limited() {
		return found, err
	}
	out := make([]mlops.Run, 0, len(found))
	for _, run := range found {
		yes, err := r.seesRun(ctx, run)
		if err != nil {
			return nil, err
		}
		if yes {
			out = append(out, run)
		}
	}
	return out, nil
}

// sees refuses a run of others.
func (r scopedRegistry) sees(ctx context.Context, runID string) error {
	if !page.PrincipalOf(ctx).Limited() {
		return nil
	}
	_, err := r.Run(ctx, runID)
	return err
}

func (r scopedRegistry) MetricHistory(ctx context.Context, runID, key string, max int) ([]mlops.Metric, error) {
	if err := r.sees(ctx, runID); err != nil {
		return nil, err
	}
	return ask(r.all, func(all ports.Registry) ([]mlops.Metric, error) { return all.MetricHistory(ctx, runID, key, max) })
}

func (r scopedRegistry) Models(ctx context.Context, q mlops.ModelQuery) (mlops.ModelPage, error) {
	q.Projects = page.PrincipalOf(ctx).Projects
	return ask(r.all, func(all ports.Registry) (mlops.ModelPage, error) { return all.Models(ctx, q) })
}

func (r scopedRegistry) Model(ctx context.Context, name string) (mlops.RegisteredModel, error) {
	if err := holds(ctx, name); err != nil {
		return mlops.RegisteredModel{}, err
	}
	return ask(r.all, func(all ports.Registry) (mlops.RegisteredModel, error) { return all.Model(ctx, name) })
}

func (r scopedRegistry) Versions(ctx context.Context, q mlops.VersionQuery) (mlops.VersionPage, error) {
	if err := holds(ctx, q.Model); err != nil {
		return mlops.VersionPage{}, err
	}
	return ask(r.all, func(all ports.Registry) (mlops.VersionPage, error) { return all.Versions(ctx, q) })
}

func (r scopedRegistry) VersionsOfRuns(ctx context.Context, runIDs []string) ([]mlops.ModelVersion, error) {
	found, err := ask(r.all, func(all ports.Registry) ([]mlops.ModelVersion, error) { return all.VersionsOfRuns(ctx, runIDs) })
	return page.Only(ctx, found, func(p mlops.Principal, v mlops.ModelVersion) bool { return p.Holds(v.Model) }), err
}

func (r scopedRegistry) Lineage(ctx context.Context, model string, version int, deployed []mlops.Deployment) (mlops.ModelVersion, mlops.Lineage, error) {
	if err := holds(ctx, model); err != nil {
		return mlops.ModelVersion{}, mlops.Lineage{}, err
	}
	all, err := r.all()
	if err != nil {
		return mlops.ModelVersion{}, mlops.Lineage{}, err
	}
	v, l, err := all.Lineage(ctx, model, version, deployed)
	if p := page.PrincipalOf(ctx); p.Limited() {
		l = l.Within(p)
	}
	return v, l, err
}

func (r scopedRegistry) SetAlias(ctx context.Context, model, alias string, version int) error {
	if err := holds(ctx, model); err != nil {
		return err
	}
	return tell(r.all, func(all ports.Registry) error { return all.SetAlias(ctx, model, alias, version) })
}

func (r scopedRegistry) DeleteAlias(ctx context.Context, model, alias string) error {
	if err := holds(ctx, model); err != nil {
		return err
	}
	return tell(r.all, func(all ports.Registry) error { return all.DeleteAlias(ctx, model, alias) })
}

func (r scopedRegistry) LoggedModels(ctx context.Context, runID string) ([]mlops.LoggedModel, error) {
	if err := r.sees(ctx, runID); err != nil {
		return nil, err
	}
	return ask(r.all, func(all ports.Registry) ([]mlops.LoggedModel, error) { return all.LoggedModels(ctx, runID) })
}

func (r scopedRegistry) Artifacts(ctx context.Context, runID, path string) ([]mlops.Artifact, error) {
	if err := r.sees(ctx, runID); err != nil {
		return nil, err
	}
	return ask(r.all, func(all ports.Registry) ([]mlops.Artifact, error) { return all.Artifacts(ctx, runID, path) })
}

func (r scopedRegistry) OpenArtifact(ctx context.Context, runID, path string) (io.ReadCloser, mlops.Artifact, error) {
	if err := r.sees(ctx, runID); err != nil {
		return nil, mlops.Artifact{}, err
	}
	all, err := r.all()
	if err != nil {
		return nil, mlops.Artifact{}, err
	}
	return all.OpenArtifact(ctx, runID, path)
}

// Datasets returns those that projects read which who asks reaches.
func (r scopedRegistry) Datasets(ctx context.Context) ([]mlops.Dataset, error) {
	if !page.PrincipalOf(ctx).Limited() {
		return ask(r.all, func(all ports.Registry) ([]mlops.Dataset, error) { return all.Datasets(ctx) })
	}
	projects, err := scopedLoop{r.loop}.Projects(ctx)
	if err != nil {
		return nil, err
	}
	found, err := ask(r.all, func(all ports.Registry) ([]mlops.Dataset, error) { return all.Datasets(ctx) })
	return page.Only(ctx, found, func(_ mlops.Principal, d mlops.Dataset) bool {
		return slices.ContainsFunc(projects, func(p mlops.Project) bool { return p.Dataset == d.Name })
	}), err
}

const dataOfAll = "projects share their datasets, and this tells what came of them everywhere"

func (r scopedRegistry) DatasetSummaries(ctx context.Context) ([]mlops.DatasetSummary, error) {
	return askWhole(ctx, r.all, dataOfAll, func(all ports.Registry) ([]mlops.DatasetSummary, error) { return all.DatasetSummaries(ctx) })
}

func (r scopedRegistry) DatasetUse(ctx context.Context, digest string, deployed []mlops.Deployment) (mlops.DatasetUse, error) {
	return askWhole(ctx, r.all, dataOfAll, func(all ports.Registry) (mlops.DatasetUse, error) { return all.DatasetUse(ctx, digest, deployed) })
}

func (r scopedRegistry) Trainings(ctx context.Context, project string, max int) ([]mlops.Training, error) {
	if err := within(ctx, project); err != nil {
		return nil, err
	}
	return ask(r.all, func(all ports.Registry) ([]mlops.Training, error) { return all.Trainings(ctx, project, max) })
}

func (r scopedRegistry) Environment(ctx context.Context, project, request string) (mlops.CodeEnvironment, error) {
	if err := within(ctx, project); err != nil {
		return mlops.CodeEnvironment{}, err
	}
	return ask(r.all, func(all ports.Registry) (mlops.CodeEnvironment, error) { return all.Environment(ctx, project, request) })
}

func (r scopedRegistry) NewestTrainings(ctx context.Context, each int) ([]mlops.Training, error) {
	found, err := ask(r.all, func(all ports.Registry) ([]mlops.Training, error) { return all.NewestTrainings(ctx, each) })
	return page.Only(ctx, found, func(p mlops.Principal, t mlops.Training) bool { return p.Reaches(t.Project) }), err
}

func (r scopedRegistry) NewestVersions(ctx context.Context, models []string) ([]mlops.ModelVersion, error) {
	found, err := ask(r.all, func(all ports.Registry) ([]mlops.ModelVersion, error) { return all.NewestVersions(ctx, models) })
	return page.Only(ctx, found, func(p mlops.Principal, v mlops.ModelVersion) bool { return p.Holds(v.Model) }), err
}

// Changed never fires before the registry can be read; pages look again by then,
// because its becoming ready is a change of its unit.
func (r scopedRegistry) Changed() <-chan struct{} {
	all, err := r.all()
	if err != nil {
		return nil
	}
	return all.Changed()
}

// scopedLoop is the loop as who asks may see it.
type scopedLoop struct{ all ports.Loop }

func (l scopedLoop) Projects(ctx context.Context) ([]mlops.Project, error) {
	found, err := l.all.Projects(ctx)
	return page.Only(ctx, found, func(p mlops.Principal, v mlops.Project) bool { return p.Reaches(v.Name) }), err
}

func (l scopedLoop) Deployments(ctx context.Context) ([]mlops.Deployment, error) {
	found, err := l.all.Deployments(ctx)
	return page.Only(ctx, found, func(p mlops.Principal, d mlops.Deployment) bool { return p.Reaches(d.Project) }), err
}

// serves refuses a deployment of another project.
func (l scopedLoop) serves(ctx context.Context, deployment string) error {
	p := page.PrincipalOf(ctx)
	if !p.Limited() {
		return nil
	}
	ds, err := l.Deployments(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(ds, func(d mlops.Deployment) bool { return d.Name == deployment }) {
		return outside(p, "has no deployment "+strconv.Quote(view.Clip(deployment)))
	}
	return nil
}

// reads refuses a dataset that no project reads which who asks reaches.
func (l scopedLoop) reads(ctx context.Context, dataset string) error {
	p := page.PrincipalOf(ctx)
	if !p.Limited() {
		return nil
	}
	projects, err := l.Projects(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(projects, func(v mlops.Project) bool { return v.Dataset == dataset }) {
		return outside(p, "reads no dataset "+strconv.Quote(view.Clip(dataset)))
	}
	return nil
}

func (l scopedLoop) Revisions(ctx context.Context, deployment string, max int) ([]mlops.Revision, error) {
	if err := l.serves(ctx, deployment); err != nil {
		return nil, err
	}
	return l.all.Revisions(ctx, deployment, max)
}

func (l scopedLoop) SetGates(ctx context.Context, project string, g mlops.Gates) error {
	if err := within(ctx, project); err != nil {
		return err
	}
	return l.all.SetGates(ctx, project, g)
}

func (l scopedLoop) RevisionsOf(ctx context.Context, model string, version int) ([]mlops.Revision, error) {
	if err := holds(ctx, model); err != nil {
		return nil, err
	}
	found, err := l.all.RevisionsOf(ctx, model, version)
	if err != nil || !page.PrincipalOf(ctx).Limited() {
		return found, err
	}
	ds, err := l.Deployments(ctx)
	return slices.DeleteFunc(found, func(r mlops.Revision) bool {
		return !slices.ContainsFunc(ds, func(d mlops.Deployment) bool { return d.Name == r.Deployment })
	}), err
}

func (l scopedLoop) NextTrainings(ctx context.Context) (map[string]time.Time, error) {
	next, err := l.all.NextTrainings(ctx)
	if p := page.PrincipalOf(ctx); p.Limited() {
		maps.DeleteFunc(next, func(project string, _ time.Time) bool { return !p.Reaches(project) })
	}
	return next, err
}

func (l scopedLoop) Diagnose(ctx context.Context, d mlops.Deployment) ([]mlops.Finding, error) {
	if err := within(ctx, d.Project); err != nil {
		return nil, err
	}
	return l.all.Diagnose(ctx, d)
}

func (l scopedLoop) Predict(ctx context.Context, deployment string, body []byte) (status int, answer []byte, took time.Duration, err error) {
	if err := l.serves(ctx, deployment); err != nil {
		return 0, nil, 0, err
	}
	return l.all.Predict(ctx, deployment, body)
}

// scopedPushes takes code for the projects that who asks reaches.
type scopedPushes struct{ all func() (ports.Pushes, error) }

func (s scopedPushes) Push(ctx context.Context, req mlops.PushRequest, code io.Reader) (mlops.PushAnswer, error) {
	if err := within(ctx, req.Project); err != nil {
		return mlops.PushAnswer{}, err
	}
	return ask(s.all, func(all ports.Pushes) (mlops.PushAnswer, error) { return all.Push(ctx, req, code) })
}

func (s scopedPushes) PushState(ctx context.Context, project string, training int64) (mlops.PushState, error) {
	if err := within(ctx, project); err != nil {
		return mlops.PushState{}, err
	}
	return ask(s.all, func(all ports.Pushes) (mlops.PushState, error) { return all.PushState(ctx, project, training) })
}

func (s scopedPushes) PushLog(ctx context.Context, project string, training int64, emit func([]mlops.LogLine) error) error {
	if err := within(ctx, project); err != nil {
		return err
	}
	_, err := ask(s.all, func(all ports.Pushes) (struct{}, error) { return struct{}{}, all.PushLog(ctx, project, training, emit) })
	return err
}

// scopedSteps makes the loop do what who asks may make it do.
type scopedSteps struct {
	all  func() (ports.Steps, error)
	loop scopedLoop // knows which deployments and projects who asks reaches
}

// AddProject makes a project of one of the key's names, of data that its
// projects read already: a project's trainer may read all of its dataset.
func (s scopedSteps) AddProject(ctx context.Context, req mlops.ProjectRequest) (mlops.Project, error) {
	if err := within(ctx, cmp.Or(req.Sample, req.Name)); err != nil {
		return mlops.Project{}, err
	}
	if req.Dataset != "" {
		if err := s.loop.reads(ctx, req.Dataset); err != nil {
			return mlops.Project{}, err
		}
	}
	return ask(s.all, func(all ports.Steps) (mlops.Project, error) { return all.AddProject(ctx, req) })
}

func (s scopedSteps) EditProject(ctx context.Context, name string, edit mlops.ProjectEdit) (mlops.Project, error) {
	if err := within(ctx, name); err != nil {
		return mlops.Project{}, err
	}
	if edit.Dataset != nil {
		if err := s.loop.reads(ctx, strings.TrimSpace(*edit.Dataset)); err != nil {
			return mlops.Project{}, err
		}
	}
	return ask(s.all, func(all ports.Steps) (mlops.Project, error) { return all.EditProject(ctx, name, edit) })
}

// AddDataset makes a version of a dataset that the key's projects read, and no
// other project.
func (s scopedSteps) AddDataset(ctx context.Context, name, source string, content io.Reader) (mlops.Dataset, error) {
	if err := s.loop.reads(ctx, name); err != nil {
		return mlops.Dataset{}, err
	}
	if p := page.PrincipalOf(ctx); p.Limited() {
		all, err := s.loop.all.Projects(ctx)
		if err != nil {
			return mlops.Dataset{}, err
		}
		if slices.ContainsFunc(all, func(v mlops.Project) bool { return v.Dataset == name && !p.Reaches(v.Name) }) {
			return mlops.Dataset{}, outside(p, "the dataset "+strconv.Quote(view.Clip(name))+" is read elsewhere too: it takes a key without projects to change it")
		}
	}
	return ask(s.all, func(all ports.Steps) (mlops.Dataset, error) { return all.AddDataset(ctx, name, source, content) })
}

func (s scopedSteps) DeleteProject(ctx context.Context, name string) (mlops.Project, error) {
	if err := within(ctx, name); err != nil {
		return mlops.Project{}, err
	}
	return ask(s.all, func(all ports.Steps) (mlops.Project, error) { return all.DeleteProject(ctx, name) })
}

func (s scopedSteps) Train(ctx context.Context, project string) (mlops.Training, error) {
	if err := within(ctx, project); err != nil {
		return mlops.Training{}, err
	}
	return ask(s.all, func(all ports.Steps) (mlops.Training, error) { return all.Train(ctx, project) })
}

func (s scopedSteps) Promote(ctx context.Context, deployment string, version int, override bool, act mlops.Act) (mlops.Revision, error) {
	if err := s.loop.serves(ctx, deployment); err != nil {
		return mlops.Revision{}, err
	}
	return ask(s.all, func(all ports.Steps) (mlops.Revision, error) {
		return all.Promote(ctx, deployment, version, override, act)
	})
}

func (s scopedSteps) Rollback(ctx context.Context, deployment string, to int, act mlops.Act) (mlops.Revision, error) {
	if err := s.loop.serves(ctx, deployment); err != nil {
		return mlops.Revision{}, err
	}
	return ask(s.all, func(all ports.Steps) (mlops.Revision, error) { return all.Rollback(ctx, deployment, to, act) })
}

func (s scopedSteps) Approve(ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	if err := s.loop.serves(ctx, deployment); err != nil {
		return mlops.Revision{}, err
	}
	return ask(s.all, func(all ports.Steps) (mlops.Revision, error) { return all.Approve(ctx, deployment, number, act) })
}

func (s scopedSteps) Reject(ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	if err := s.loop.serves(ctx, deployment); err != nil {
		return mlops.Revision{}, err
	}
	return ask(s.all, func(all ports.Steps) (mlops.Revision, error) { return all.Reject(ctx, deployment, number, act) })
}

func (s scopedSteps) Hold(ctx context.Context, deployment string, pinned, paused *bool) (mlops.Deployment, error) {
	if err := s.loop.serves(ctx, deployment); err != nil {
		return mlops.Deployment{}, err
	}
	return ask(s.all, func(all ports.Steps) (mlops.Deployment, error) { return all.Hold(ctx, deployment, pinned, paused) })
}

// Deploy makes deployments of the models that the key's projects train: those of
// other models are no project's, however they are called. What has a name that
// is asked for must not follow from the answer.
func (s scopedSteps) Deploy(ctx context.Context, req mlops.DeployRequest) (mlops.Deployed, error) {
	p := page.PrincipalOf(ctx)
	if !p.Limited() {
		return ask(s.all, func(all ports.Steps) (mlops.Deployed, error) { return all.Deploy(ctx, req) })
	}
	if req.Ref != "" {
		// No model of a project's name has an @ or a / in it.
		req.Model, req.Alias, req.Version = mlops.ParseModelRef(req.Ref)
		req.Ref = ""
	}
	projects, err := s.loop.Projects(ctx)
	if err != nil {
		return mlops.Deployed{}, err
	}
	if !slices.ContainsFunc(projects, func(v mlops.Project) bool { return v.Name == req.Model }) {
		return mlops.Deployed{}, outside(p, "trains no model "+strconv.Quote(view.Clip(req.Model))+": it may deploy "+strings.Join(p.Projects, " or ")+", while the project is there")
	}
	all, err := s.loop.all.Deployments(ctx)
	if err != nil {
		return mlops.Deployed{}, err
	}
	taken := mlops.Errorf(mlops.Exists, "the name that this deployment would have is taken: give it another name")
	if slices.ContainsFunc(all, func(d mlops.Deployment) bool {
		return !p.Reaches(d.Project) && (d.Name == req.Name || req.Name == "" && d.Model == req.Model)
	}) {
		return mlops.Deployed{}, taken
	}
	out, err := ask(s.all, func(all ports.Steps) (mlops.Deployed, error) { return all.Deploy(ctx, req) })
	if req.Name == "" && mlops.CodeOf(err) == mlops.Exists {
		err = taken
	}
	return out, err
}

func (s scopedSteps) Scale(ctx context.Context, deployment string, replicas int) (mlops.Deployment, error) {
	if err := s.loop.serves(ctx, deployment); err != nil {
		return mlops.Deployment{}, err
	}
	return ask(s.all, func(all ports.Steps) (mlops.Deployment, error) { return all.Scale(ctx, deployment, replicas) })
}

func (s scopedSteps) Undeploy(ctx context.Context, deployment string) (mlops.Deployment, error) {
	if err := s.loop.serves(ctx, deployment); err != nil {
		return mlops.Deployment{}, err
	}
	return ask(s.all, func(all ports.Steps) (mlops.Deployment, error) { return all.Undeploy(ctx, deployment) })
}

// scopedCluster shows the namespace of a project, which has its name, and nothing
// else of the cluster.
type scopedCluster struct{ all func() (ports.Cluster, error) }

const clusterWide = "the cluster belongs to the whole lab"

func (k scopedCluster) Objects(ctx context.Context) ([]mlops.Object, error) {
	return askWhole(ctx, k.all, clusterWide, func(all ports.Cluster) ([]mlops.Object, error) { return all.Objects(ctx) })
}

func (k scopedCluster) Events(ctx context.Context, max int) ([]mlops.Event, error) {
	return askWhole(ctx, k.all, clusterWide, func(all ports.Cluster) ([]mlops.Event, error) { return all.Events(ctx, max) })
}

func (k scopedCluster) KubeconfigUsers(ctx context.Context) ([]mlops.KubeconfigUser, error) {
	return askWhole(ctx, k.all, clusterWide, func(all ports.Cluster) ([]mlops.KubeconfigUser, error) { return all.KubeconfigUsers(ctx) })
}

func (k scopedCluster) RevokeKubeconfig(ctx context.Context, user string) error {
	if err := whole(ctx, clusterWide); err != nil {
		return err
	}
	return tell(k.all, func(all ports.Cluster) error { return all.RevokeKubeconfig(ctx, user) })
}

func (k scopedCluster) Images(ctx context.Context) ([]mlops.Image, error) {
	return askWhole(ctx, k.all, clusterWide, func(all ports.Cluster) ([]mlops.Image, error) { return all.Images(ctx) })
}

func (k scopedCluster) Pods(ctx context.Context, namespace string) ([]mlops.Pod, error) {
	if err := within(ctx, namespace); err != nil {
		return nil, err
	}
	return ask(k.all, func(all ports.Cluster) ([]mlops.Pod, error) { return all.Pods(ctx, namespace) })
}

func (k scopedCluster) Logs(ctx context.Context, namespace, pod string, follow bool, tail int) (io.ReadCloser, error) {
	if err := within(ctx, namespace); err != nil {
		return nil, err
	}
	return ask(k.all, func(all ports.Cluster) (io.ReadCloser, error) { return all.Logs(ctx, namespace, pod, follow, tail) })
}

func (k scopedCluster) DeploymentLogs(ctx context.Context, d mlops.Deployment, pod string, follow bool, tail int, emit func([]mlops.LogLine) error) error {
	if err := within(ctx, d.Project); err != nil {
		return err
	}
	return tell(k.all, func(all ports.Cluster) error { return all.DeploymentLogs(ctx, d, pod, follow, tail, emit) })
}

// scopedGPUs are those of the whole lab: who holds them and how they are shared
// concerns every project.
type scopedGPUs struct{ all func() (ports.GPUs, error) }

const gpusWhole = "the GPUs belong to the whole lab"

func (g scopedGPUs) GPUs(ctx context.Context) (mlops.GPUs, error) {
	return askWhole(ctx, g.all, gpusWhole, func(all ports.GPUs) (mlops.GPUs, error) { return all.GPUs(ctx) })
}

func (g scopedGPUs) PlanShare(ctx context.Context, s mlops.GPUShare) (mlops.GPUPlan, error) {
	return askWhole(ctx, g.all, gpusWhole, func(all ports.GPUs) (mlops.GPUPlan, error) { return all.PlanShare(ctx, s) })
}

func (g scopedGPUs) Share(ctx context.Context, s mlops.GPUShare) (mlops.GPUs, error) {
	return askWhole(ctx, g.all, gpusWhole, func(all ports.GPUs) (mlops.GPUs, error) { return all.Share(ctx, s) })
}

func (g scopedGPUs) Recover(ctx context.Context, gpu int) (mlops.GPUs, error) {
	return askWhole(ctx, g.all, gpusWhole, func(all ports.GPUs) (mlops.GPUs, error) { return all.Recover(ctx, gpu) })
}

func (g scopedGPUs) Inject(ctx context.Context, f mlops.GPUFault) (mlops.GPUs, error) {
	return askWhole(ctx, g.all, gpusWhole, func(all ports.GPUs) (mlops.GPUs, error) { return all.Inject(ctx, f) })
}

// scopedLabs are the guided labs: their rooms lie beside the projects, so keys of
// single projects do not enter them.
type scopedLabs struct{ all func() (ports.Labs, error) }

const labsWhole = "the guided labs belong to the whole lab"

func (l scopedLabs) Catalogue(ctx context.Context, user string) ([]mlops.LabEntry, error) {
	return askWhole(ctx, l.all, labsWhole, func(all ports.Labs) ([]mlops.LabEntry, error) { return all.Catalogue(ctx, user) })
}

func (l scopedLabs) Lab(ctx context.Context, user, lab string) (mlops.LabView, error) {
	return askWhole(ctx, l.all, labsWhole, func(all ports.Labs) (mlops.LabView, error) { return all.Lab(ctx, user, lab) })
}

// Changed says when to look, and nothing of what there is to see. It is nil while
// the labs start.
func (l scopedLabs) Changed(user, lab string) <-chan struct{} {
	all, err := l.all()
	if err != nil {
		return nil
	}
	return all.Changed(user, lab)
}

func (l scopedLabs) Start(ctx context.Context, user, lab string, timed bool) error {
	return l.change(ctx, func(all ports.Labs) error { return all.Start(ctx, user, lab, timed) })
}

func (l scopedLabs) Leave(ctx context.Context, user, lab string, sure bool) error {
	return l.change(ctx, func(all ports.Labs) error { return all.Leave(ctx, user, lab, sure) })
}

func (l scopedLabs) Check(ctx context.Context, user, lab, task string) error {
	return l.change(ctx, func(all ports.Labs) error { return all.Check(ctx, user, lab, task) })
}

func (l scopedLabs) Hint(ctx context.Context, user, lab, task string) (mlops.LabHintTaken, error) {
	return askWhole(ctx, l.all, labsWhole, func(all ports.Labs) (mlops.LabHintTaken, error) { return all.Hint(ctx, user, lab, task) })
}

func (l scopedLabs) Answer(ctx context.Context, user, lab, task, question, answer string) (mlops.LabQuestion, error) {
	return askWhole(ctx, l.all, labsWhole, func(all ports.Labs) (mlops.LabQuestion, error) {
		return all.Answer(ctx, user, lab, task, question, answer)
	})
}

func (l scopedLabs) Reset(ctx context.Context, user, lab, task string) error {
	return l.change(ctx, func(all ports.Labs) error { return all.Reset(ctx, user, lab, task) })
}

func (l scopedLabs) Break(ctx context.Context, user, lab string, seed int64, timed bool) error {
	return l.change(ctx, func(all ports.Labs) error { return all.Break(ctx, user, lab, seed, timed) })
}

func (l scopedLabs) GiveUp(ctx context.Context, user, lab string) error {
	return l.change(ctx, func(all ports.Labs) error { return all.GiveUp(ctx, user, lab) })
}

func (l scopedLabs) Solve(ctx context.Context, user, lab, task string) (string, error) {
	return askWhole(ctx, l.all, labsWhole, func(all ports.Labs) (string, error) { return all.Solve(ctx, user, lab, task) })
}

func (l scopedLabs) Export(ctx context.Context, user string) ([]mlops.LabHistory, error) {
	return askWhole(ctx, l.all, labsWhole, func(all ports.Labs) ([]mlops.LabHistory, error) { return all.Export(ctx, user) })
}

func (l scopedLabs) Terminal(ctx context.Context, user, lab string, t mlops.LabTerminal) error {
	return l.change(ctx, func(all ports.Labs) error { return all.Terminal(ctx, user, lab, t) })
}

func (l scopedLabs) change(ctx context.Context, f func(all ports.Labs) error) error {
	if err := whole(ctx, labsWhole); err != nil {
		return err
	}
	return tell(l.all, f)
}
