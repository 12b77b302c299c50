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
)

// This file keeps keys of single projects within them. Pages and the API ask the
// ports and know nothing of it: between them and the ports are the wrappers
// below, which look who asks in the context of the request. Without anybody in
// it, it is the server that asks for itself. The wrappers embed nothing, so a new
// method of a port does not compile before somebody has decided about it.
//
// What a list has of other projects is left out, and so is not found where a
// page looks into the list; what is asked for by name is refused, whether it
// exists or not.

type principalKey struct{}

// admit makes a visitor the one who asks in this request.
func admit(c echo.Context, v visitor) {
	c.Set(visitorKey, v)
	c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), principalKey{}, v.principal)))
}

func principalOf(ctx context.Context) mlops.Principal {
	p, _ := ctx.Value(principalKey{}).(mlops.Principal)
	return p
}

// byItself is the context for what the server asks for itself, in a request.
func byItself(ctx context.Context) context.Context {
	return context.WithValue(ctx, principalKey{}, mlops.Principal{})
}

// requireWhole refuses keys of single projects.
func requireWhole(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := whole(c.Request().Context(), "this is about the whole lab"); err != nil {
			return err
		}
		return next(c)
	}
}

// outside is the error for what a key does not reach, as a sentence.
func outside(p mlops.Principal, what string) error { return sentence(p.Outside(what)) }

// whole refuses keys of single projects, and says why.
func whole(ctx context.Context, why string) error {
	if p := principalOf(ctx); p.Limited() {
		return outside(p, why+": it takes a key without projects")
	}
	return nil
}

// within refuses a project that who asks does not reach.
func within(ctx context.Context, project string) error {
	if p := principalOf(ctx); !p.Reaches(project) {
		return outside(p, "does not reach "+strconv.Quote(clip(project)))
	}
	return nil
}

// holds refuses a model of another project.
func holds(ctx context.Context, model string) error {
	if p := principalOf(ctx); !p.Holds(model) {
		return outside(p, "has no model "+strconv.Quote(clip(model)))
	}
	return nil
}

// only returns those of a list that who asks reaches.
func only[T any](ctx context.Context, list []T, reaches func(mlops.Principal, T) bool) []T {
	p := principalOf(ctx)
	if !p.Limited() {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return !reaches(p, v) })
}

func summaryReached(p mlops.Principal, e mlops.ExperimentSummary) bool { return p.Holds(e.Name) }

// scopedRegistry is the registry as who asks may see it.
type scopedRegistry struct {
	all  Registry
	loop Loop // knows which project reads which dataset
}

func (r scopedRegistry) Experiments(ctx context.Context) ([]mlops.Experiment, error) {
	found, err := r.all.Experiments(ctx)
	return only(ctx, found, func(p mlops.Principal, e mlops.Experiment) bool { return p.Holds(e.Name) }), err
}

func (r scopedRegistry) ExperimentSummaries(ctx context.Context) ([]mlops.ExperimentSummary, error) {
	found, err := r.all.ExperimentSummaries(ctx)
	return only(ctx, found, summaryReached), err
}

// SearchRuns looks in the experiments that who asks reaches, so pages are full.
func (r scopedRegistry) SearchRuns(ctx context.Context, q mlops.RunQuery) (mlops.RunPage, error) {
	p := principalOf(ctx)
	if !p.Limited() {
		return r.all.SearchRuns(ctx, q)
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
			return mlops.RunPage{}, outside(p, "has no experiment "+clip(id))
		}
	}
	return r.all.SearchRuns(ctx, q)
}

// Run returns a run of one's own, or one that a version of one's models was made
// of: who has registered it there shows it.
func (r scopedRegistry) Run(ctx context.Context, id string) (mlops.Run, error) {
	run, err := r.all.Run(ctx, id)
	p := principalOf(ctx)
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
		err = outside(p, "has no run "+clip(id))
	}
	return mlops.Run{}, err
}

func (r scopedRegistry) seesRun(ctx context.Context, run mlops.Run) (bool, error) {
	if principalOf(ctx).Holds(run.Experiment) {
		return true, nil
	}
	versions, err := r.VersionsOfRuns(ctx, []string{run.ID})
	return len(versions) > 0, err
}

func (r scopedRegistry) RunsByID(ctx context.Context, ids []string) ([]mlops.Run, error) {
	found, err := r.all.RunsByID(ctx, ids)
	if err != nil || !principalOf(ctx).Limited() {
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
	if !principalOf(ctx).Limited() {
		return nil
	}
	_, err := r.Run(ctx, runID)
	return err
}

func (r scopedRegistry) MetricHistory(ctx context.Context, runID, key string, max int) ([]mlops.Metric, error) {
	if err := r.sees(ctx, runID); err != nil {
		return nil, err
	}
	return r.all.MetricHistory(ctx, runID, key, max)
}

func (r scopedRegistry) Models(ctx context.Context, q mlops.ModelQuery) (mlops.ModelPage, error) {
	q.Projects = principalOf(ctx).Projects
	return r.all.Models(ctx, q)
}

func (r scopedRegistry) Model(ctx context.Context, name string) (mlops.RegisteredModel, error) {
	if err := holds(ctx, name); err != nil {
		return mlops.RegisteredModel{}, err
	}
	return r.all.Model(ctx, name)
}

func (r scopedRegistry) Versions(ctx context.Context, q mlops.VersionQuery) (mlops.VersionPage, error) {
	if err := holds(ctx, q.Model); err != nil {
		return mlops.VersionPage{}, err
	}
	return r.all.Versions(ctx, q)
}

func (r scopedRegistry) VersionsOfRuns(ctx context.Context, runIDs []string) ([]mlops.ModelVersion, error) {
	found, err := r.all.VersionsOfRuns(ctx, runIDs)
	return only(ctx, found, func(p mlops.Principal, v mlops.ModelVersion) bool { return p.Holds(v.Model) }), err
}

func (r scopedRegistry) Lineage(ctx context.Context, model string, version int, deployed []mlops.Deployment) (mlops.ModelVersion, mlops.Lineage, error) {
	if err := holds(ctx, model); err != nil {
		return mlops.ModelVersion{}, mlops.Lineage{}, err
	}
	v, l, err := r.all.Lineage(ctx, model, version, deployed)
	if p := principalOf(ctx); p.Limited() {
		l = l.Within(p)
	}
	return v, l, err
}

func (r scopedRegistry) SetAlias(ctx context.Context, model, alias string, version int) error {
	if err := holds(ctx, model); err != nil {
		return err
	}
	return r.all.SetAlias(ctx, model, alias, version)
}

func (r scopedRegistry) DeleteAlias(ctx context.Context, model, alias string) error {
	if err := holds(ctx, model); err != nil {
		return err
	}
	return r.all.DeleteAlias(ctx, model, alias)
}

func (r scopedRegistry) LoggedModels(ctx context.Context, runID string) ([]mlops.LoggedModel, error) {
	if err := r.sees(ctx, runID); err != nil {
		return nil, err
	}
	return r.all.LoggedModels(ctx, runID)
}

func (r scopedRegistry) Artifacts(ctx context.Context, runID, path string) ([]mlops.Artifact, error) {
	if err := r.sees(ctx, runID); err != nil {
		return nil, err
	}
	return r.all.Artifacts(ctx, runID, path)
}

func (r scopedRegistry) OpenArtifact(ctx context.Context, runID, path string) (io.ReadCloser, mlops.Artifact, error) {
	if err := r.sees(ctx, runID); err != nil {
		return nil, mlops.Artifact{}, err
	}
	return r.all.OpenArtifact(ctx, runID, path)
}

// Datasets returns those that projects read which who asks reaches.
func (r scopedRegistry) Datasets(ctx context.Context) ([]mlops.Dataset, error) {
	if !principalOf(ctx).Limited() {
		return r.all.Datasets(ctx)
	}
	projects, err := scopedLoop{r.loop}.Projects(ctx)
	if err != nil {
		return nil, err
	}
	found, err := r.all.Datasets(ctx)
	return only(ctx, found, func(_ mlops.Principal, d mlops.Dataset) bool {
		return slices.ContainsFunc(projects, func(p mlops.Project) bool { return p.Dataset == d.Name })
	}), err
}

const dataOfAll = "projects share their datasets, and this tells what came of them everywhere"

func (r scopedRegistry) DatasetSummaries(ctx context.Context) ([]mlops.DatasetSummary, error) {
	if err := whole(ctx, dataOfAll); err != nil {
		return nil, err
	}
	return r.all.DatasetSummaries(ctx)
}

func (r scopedRegistry) DatasetUse(ctx context.Context, digest string, deployed []mlops.Deployment) (mlops.DatasetUse, error) {
	if err := whole(ctx, dataOfAll); err != nil {
		return mlops.DatasetUse{}, err
	}
	return r.all.DatasetUse(ctx, digest, deployed)
}

func (r scopedRegistry) Trainings(ctx context.Context, project string, max int) ([]mlops.Training, error) {
	if err := within(ctx, project); err != nil {
		return nil, err
	}
	return r.all.Trainings(ctx, project, max)
}

func (r scopedRegistry) NewestTrainings(ctx context.Context) ([]mlops.Training, error) {
	found, err := r.all.NewestTrainings(ctx)
	return only(ctx, found, func(p mlops.Principal, t mlops.Training) bool { return p.Reaches(t.Project) }), err
}

func (r scopedRegistry) NewestVersions(ctx context.Context, models []string) ([]mlops.ModelVersion, error) {
	found, err := r.all.NewestVersions(ctx, models)
	return only(ctx, found, func(p mlops.Principal, v mlops.ModelVersion) bool { return p.Holds(v.Model) }), err
}

func (r scopedRegistry) Changed() <-chan struct{} { return r.all.Changed() }

// scopedLoop is the loop as who asks may see it.
type scopedLoop struct{ all Loop }

func (l scopedLoop) Projects(ctx context.Context) ([]mlops.Project, error) {
	found, err := l.all.Projects(ctx)
	return only(ctx, found, func(p mlops.Principal, v mlops.Project) bool { return p.Reaches(v.Name) }), err
}

func (l scopedLoop) Deployments(ctx context.Context) ([]mlops.Deployment, error) {
	found, err := l.all.Deployments(ctx)
	return only(ctx, found, func(p mlops.Principal, d mlops.Deployment) bool { return p.Reaches(d.Project) }), err
}

// serves refuses a deployment of another project.
func (l scopedLoop) serves(ctx context.Context, deployment string) error {
	p := principalOf(ctx)
	if !p.Limited() {
		return nil
	}
	ds, err := l.Deployments(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(ds, func(d mlops.Deployment) bool { return d.Name == deployment }) {
		return outside(p, "has no deployment "+strconv.Quote(clip(deployment)))
	}
	return nil
}

// AddProject makes a project of one of the key's names, of data that its
// projects read already: a project's trainer may read all of its dataset.
func (l scopedLoop) AddProject(ctx context.Context, req mlops.ProjectRequest) (mlops.Project, error) {
	if err := within(ctx, cmp.Or(req.Sample, req.Name)); err != nil {
		return mlops.Project{}, err
	}
	if req.Dataset != "" {
		if err := l.reads(ctx, req.Dataset); err != nil {
			return mlops.Project{}, err
		}
	}
	return l.all.AddProject(ctx, req)
}

func (l scopedLoop) EditProject(ctx context.Context, name string, edit mlops.ProjectEdit) (mlops.Project, error) {
	if err := within(ctx, name); err != nil {
		return mlops.Project{}, err
	}
	if edit.Dataset != nil {
		if err := l.reads(ctx, strings.TrimSpace(*edit.Dataset)); err != nil {
			return mlops.Project{}, err
		}
	}
	return l.all.EditProject(ctx, name, edit)
}

// reads refuses a dataset that no project reads which who asks reaches.
func (l scopedLoop) reads(ctx context.Context, dataset string) error {
	p := principalOf(ctx)
	if !p.Limited() {
		return nil
	}
	projects, err := l.Projects(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(projects, func(v mlops.Project) bool { return v.Dataset == dataset }) {
		return outside(p, "reads no dataset "+strconv.Quote(clip(dataset)))
	}
	return nil
}

// AddDataset makes a version of a dataset that the key's projects read, and no
// other project.
func (l scopedLoop) AddDataset(ctx context.Context, name, source string, content io.Reader) (mlops.Dataset, error) {
	if err := l.reads(ctx, name); err != nil {
		return mlops.Dataset{}, err
	}
	if p := principalOf(ctx); p.Limited() {
		all, err := l.all.Projects(ctx)
		if err != nil {
			return mlops.Dataset{}, err
		}
		if slices.ContainsFunc(all, func(v mlops.Project) bool { return v.Dataset == name && !p.Reaches(v.Name) }) {
			return mlops.Dataset{}, outside(p, "the dataset "+strconv.Quote(clip(name))+" is read elsewhere too: it takes a key without projects to change it")
		}
	}
	return l.all.AddDataset(ctx, name, source, content)
}

func (l scopedLoop) DeleteProject(ctx context.Context, name string) (mlops.Project, error) {
	if err := within(ctx, name); err != nil {
		return mlops.Project{}, err
	}
	return l.all.DeleteProject(ctx, name)
}

func (l scopedLoop) Train(ctx context.Context, project string) (mlops.Training, error) {
	if err := within(ctx, project); err != nil {
		return mlops.Training{}, err
	}
	return l.all.Train(ctx, project)
}

func (l scopedLoop) Revisions(ctx context.Context, deployment string, max int) ([]mlops.Revision, error) {
	if err := l.serves(ctx, deployment); err != nil {
		return nil, err
	}
	return l.all.Revisions(ctx, deployment, max)
}

func (l scopedLoop) Promote(ctx context.Context, deployment string, version int, override bool, act mlops.Act) (mlops.Revision, error) {
	if err := l.serves(ctx, deployment); err != nil {
		return mlops.Revision{}, err
	}
	return l.all.Promote(ctx, deployment, version, override, act)
}

func (l scopedLoop) Rollback(ctx context.Context, deployment string, to int, act mlops.Act) (mlops.Revision, error) {
	if err := l.serves(ctx, deployment); err != nil {
		return mlops.Revision{}, err
	}
	return l.all.Rollback(ctx, deployment, to, act)
}

func (l scopedLoop) Approve(ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	if err := l.serves(ctx, deployment); err != nil {
		return mlops.Revision{}, err
	}
	return l.all.Approve(ctx, deployment, number, act)
}

func (l scopedLoop) Reject(ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	if err := l.serves(ctx, deployment); err != nil {
		return mlops.Revision{}, err
	}
	return l.all.Reject(ctx, deployment, number, act)
}

func (l scopedLoop) Hold(ctx context.Context, deployment string, pinned, paused *bool) (mlops.Deployment, error) {
	if err := l.serves(ctx, deployment); err != nil {
		return mlops.Deployment{}, err
	}
	return l.all.Hold(ctx, deployment, pinned, paused)
}

// Deploy makes deployments of the models that the key's projects train: those of
// other models are no project's, however they are called. What has a name that
// is asked for must not follow from the answer.
func (l scopedLoop) Deploy(ctx context.Context, req mlops.DeployRequest) (mlops.Deployed, error) {
	p := principalOf(ctx)
	if !p.Limited() {
		return l.all.Deploy(ctx, req)
	}
	if req.Ref != "" {
		// No model of a project's name has an @ or a / in it.
		req.Model, req.Alias, req.Version = mlops.ParseModelRef(req.Ref)
		req.Ref = ""
	}
	projects, err := l.Projects(ctx)
	if err != nil {
		return mlops.Deployed{}, err
	}
	if !slices.ContainsFunc(projects, func(v mlops.Project) bool { return v.Name == req.Model }) {
		return mlops.Deployed{}, outside(p, "trains no model "+strconv.Quote(clip(req.Model))+": it may deploy "+strings.Join(p.Projects, " or ")+", while the project is there")
	}
	all, err := l.all.Deployments(ctx)
	if err != nil {
		return mlops.Deployed{}, err
	}
	taken := mlops.Errorf(mlops.Exists, "the name that this deployment would have is taken: give it another name")
	if slices.ContainsFunc(all, func(d mlops.Deployment) bool {
		return !p.Reaches(d.Project) && (d.Name == req.Name || req.Name == "" && d.Model == req.Model)
	}) {
		return mlops.Deployed{}, taken
	}
	out, err := l.all.Deploy(ctx, req)
	if req.Name == "" && mlops.CodeOf(err) == mlops.Exists {
		err = taken
	}
	return out, err
}

func (l scopedLoop) Scale(ctx context.Context, deployment string, replicas int) (mlops.Deployment, error) {
	if err := l.serves(ctx, deployment); err != nil {
		return mlops.Deployment{}, err
	}
	return l.all.Scale(ctx, deployment, replicas)
}

func (l scopedLoop) Undeploy(ctx context.Context, deployment string) (mlops.Deployment, error) {
	if err := l.serves(ctx, deployment); err != nil {
		return mlops.Deployment{}, err
	}
	return l.all.Undeploy(ctx, deployment)
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
	if err != nil || !principalOf(ctx).Limited() {
		return found, err
	}
	ds, err := l.Deployments(ctx)
	return slices.DeleteFunc(found, func(r mlops.Revision) bool {
		return !slices.ContainsFunc(ds, func(d mlops.Deployment) bool { return d.Name == r.Deployment })
	}), err
}

func (l scopedLoop) NextTrainings(ctx context.Context) (map[string]time.Time, error) {
	next, err := l.all.NextTrainings(ctx)
	if p := principalOf(ctx); p.Limited() {
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

// scopedCluster shows the namespace of a project, which has its name, and nothing
// else of the cluster.
type scopedCluster struct{ all Cluster }

const clusterWide = "the cluster belongs to the whole lab"

func (k scopedCluster) Objects(ctx context.Context) ([]mlops.Object, error) {
	if err := whole(ctx, clusterWide); err != nil {
		return nil, err
	}
	return k.all.Objects(ctx)
}

func (k scopedCluster) Events(ctx context.Context, max int) ([]mlops.Event, error) {
	if err := whole(ctx, clusterWide); err != nil {
		return nil, err
	}
	return k.all.Events(ctx, max)
}

func (k scopedCluster) KubeconfigUsers(ctx context.Context) ([]mlops.KubeconfigUser, error) {
	if err := whole(ctx, clusterWide); err != nil {
		return nil, err
	}
	return k.all.KubeconfigUsers(ctx)
}

func (k scopedCluster) RevokeKubeconfig(ctx context.Context, user string) error {
	if err := whole(ctx, clusterWide); err != nil {
		return err
	}
	return k.all.RevokeKubeconfig(ctx, user)
}

func (k scopedCluster) Images(ctx context.Context) ([]mlops.Image, error) {
	if err := whole(ctx, clusterWide); err != nil {
		return nil, err
	}
	return k.all.Images(ctx)
}

func (k scopedCluster) Pods(ctx context.Context, namespace string) ([]mlops.Pod, error) {
	if err := within(ctx, namespace); err != nil {
		return nil, err
	}
	return k.all.Pods(ctx, namespace)
}

func (k scopedCluster) Logs(ctx context.Context, namespace, pod string, follow bool, tail int) (io.ReadCloser, error) {
	if err := within(ctx, namespace); err != nil {
		return nil, err
	}
	return k.all.Logs(ctx, namespace, pod, follow, tail)
}

func (k scopedCluster) DeploymentLogs(ctx context.Context, d mlops.Deployment, pod string, follow bool, tail int, emit func([]mlops.LogLine) error) error {
	if err := within(ctx, d.Project); err != nil {
		return err
	}
	return k.all.DeploymentLogs(ctx, d, pod, follow, tail, emit)
}
