package loop

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Sample is a project that comes with its data.
type Sample struct {
	Name    string // of project and dataset
	Source  string // where the dataset comes from, with its licence
	Content func() ([]byte, error)
}

// firstSample is the fact that remembers which sample the first start has
// made, or that it was to make none. So a deleted project does not come back.
const firstSample = "first-sample"

// noSample is what the fact says of a lab that was begun without one.
const noSample = "none"

// begin makes the first sample at the first start of a lab.
func (l *Loop) begin(ctx context.Context) error {
	l.rows.Lock()
	defer l.rows.Unlock()
	made, err := l.cfg.Store.LoopFact(ctx, firstSample)
	if err != nil {
		return fmt.Errorf("read whether this is the first start: %w", err)
	}
	if made != "" {
		return nil
	}
	made = noSample
	if l.cfg.First != "" {
		made = l.cfg.First
		if _, err := l.cfg.Store.Project(ctx, made); mlops.CodeOf(err) == mlops.NotFound {
			if _, err := l.put(ctx, l.cfg.Defaults.Of(mlops.Project{Name: made, Dataset: made, Node: l.cfg.Node})); err != nil {
				return err
			}
		} else if err != nil {
			return fmt.Errorf("read project %s: %w", made, err)
		}
	}
	if err := l.cfg.Store.SetLoopFact(ctx, firstSample, made); err != nil {
		return fmt.Errorf("remember the first start: %w", err)
	}
	return nil
}

// follow gives every project the configuration's values for what nobody has
// edited.
func (l *Loop) follow(ctx context.Context) error {
	l.rows.Lock()
	defer l.rows.Unlock()
	projects, err := l.cfg.Store.Projects(ctx)
	if err != nil {
		return fmt.Errorf("list projects: %w", err)
	}
	for _, p := range projects {
		if want := l.cfg.Defaults.Of(p); !want.Equal(p) {
			if _, err := l.put(ctx, want); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Loop) put(ctx context.Context, p mlops.Project) (mlops.Project, error) {
	out, err := l.cfg.Store.PutProject(ctx, p)
	if err != nil {
		return out, fmt.Errorf("record project %s: %w", p.Name, err)
	}
	return out, nil
}

// Add makes a project: of a sample, or of a dataset that is stored. The row is
// all that it writes; the next pass brings dataset, namespace and first
// training.
func (l *Loop) Add(ctx context.Context, req mlops.ProjectRequest) (mlops.Project, error) {
	if err := req.Validate(); err != nil {
		return mlops.Project{}, err
	}
	name, dataset := req.Name, req.Dataset
	if req.Sample != "" {
		if _, ok := l.sample(req.Sample); !ok {
			return mlops.Project{}, mlops.Errorf(mlops.Invalid, "there is no sample %q: expected one of %s", req.Sample, strings.Join(l.Samples(), ", "))
		}
		name, dataset = req.Sample, req.Sample
	}
	l.rows.Lock()
	defer l.rows.Unlock()
	if err := l.checkDataset(ctx, dataset); err != nil {
		return mlops.Project{}, err
	}
	switch have, err := l.cfg.Store.Project(ctx, name); {
	case err == nil && have.Deleting:
		return mlops.Project{}, beingDeleted(name)
	case err == nil:
		return mlops.Project{}, mlops.Errorf(mlops.Exists, "project %s exists already: see `benchtop project show %s`", name, name)
	case mlops.CodeOf(err) != mlops.NotFound:
		return mlops.Project{}, fmt.Errorf("read project %s: %w", name, err)
	}
	if err := l.free(ctx, name); err != nil {
		return mlops.Project{}, err
	}
	p := l.cfg.Defaults.Of(mlops.Project{Name: name, Dataset: dataset, Node: l.cfg.Node})
	p, err := l.put(ctx, p)
	if err == nil {
		l.wake()
	}
	return p, err
}

// Edit changes a project.
func (l *Loop) Edit(ctx context.Context, name string, edit mlops.ProjectEdit) (mlops.Project, error) {
	l.rows.Lock()
	defer l.rows.Unlock()
	have, err := l.living(ctx, name)
	if err != nil {
		return have, err
	}
	if have.Code != nil && edit.Dataset != nil && *edit.Dataset != "" {
		return have, mlops.Errorf(mlops.InvalidState, "project %s runs code of its own, which reads what it likes: it has no dataset to change", name)
	}
	p := edit.Of(have)
	if err := l.cfg.Check(p); err != nil {
		return have, err
	}
	if p.Dataset != have.Dataset {
		if err := l.checkDataset(ctx, p.Dataset); err != nil {
			return have, err
		}
	}
	if p.Equal(have) {
		return have, nil
	}
	if p, err = l.put(ctx, p); err == nil {
		l.wake()
	}
	return p, err
}

// Delete marks a project. The passes that follow take it out of the cluster
// and end with its row.
func (l *Loop) Delete(ctx context.Context, name string) (mlops.Project, error) {
	l.rows.Lock()
	defer l.rows.Unlock()
	p, err := l.cfg.Store.Project(ctx, name)
	if err != nil || p.Deleting {
		return p, err
	}
	p.Deleting = true
	if p, err = l.put(ctx, p); err == nil {
		l.wake()
	}
	return p, err
}

// living returns a project that is not being deleted.
func (l *Loop) living(ctx context.Context, name string) (mlops.Project, error) {
	p, err := l.cfg.Store.Project(ctx, name)
	if err == nil && p.Deleting {
		err = beingDeleted(name)
	}
	return p, err
}

func beingDeleted(name string) error {
	return mlops.Errorf(mlops.InvalidState, "project %s is being deleted: try again when `benchtop project list` does not show it any more", name)
}

// Samples returns the names of the samples.
func (l *Loop) Samples() []string {
	names := make([]string, 0, len(l.cfg.Samples))
	for _, s := range l.cfg.Samples {
		names = append(names, s.Name)
	}
	return names
}

func (l *Loop) sample(name string) (Sample, bool) {
	for _, s := range l.cfg.Samples {
		if s.Name == name {
			return s, true
		}
	}
	return Sample{}, false
}

// bring makes the cluster match a project's row, unless it does already.
func (l *Loop) bring(ctx context.Context, p mlops.Project) error {
	p.Gates = mlops.Gates{} // the cluster knows nothing of gates
	newest, err := l.newestOf(ctx, p)
	if err != nil {
		return err
	}
	if l.has(p, newest) {
		return nil
	}
	image, ready, err := l.codeImage(ctx, p)
	if l.unready[p.Name] = !ready; err != nil || !ready {
		l.again = cmp.Or(l.again, later)
		return err
	}
	var dataset mlops.Dataset
	bucket := mlops.KeyBucket{Name: mlops.CodeBucket, Prefix: p.Name + "/"}
	if p.Code == nil {
		if dataset, err = l.dataset(ctx, p.Dataset); err != nil {
			return err
		}
		bucket = mlops.KeyBucket{Name: DatasetBucket, Prefix: p.Dataset + "/"}
	}
	key, err := l.cfg.Keys.ProjectKey(ctx, p.Name, bucket)
	if err != nil {
		return fmt.Errorf("make the key of project %s: %w", p.Name, err)
	}
	spec := l.cfg.Spec(p, dataset)
	spec.Secret = signIn(key)
	if image != "" {
		spec.EnvironmentImage, spec.EnvironmentRequest = image, p.CodeEnvironment
	}
	// The row comes before the servers, so that whatever serves has one.
	_, err = l.cfg.Store.EnsureDeployment(ctx, mlops.Deployment{Name: p.Name, Project: p.Name, Model: p.Name, Follows: mlops.LiveAlias, Automatic: true})
	if err != nil {
		return fmt.Errorf("record deployment %s: %w", p.Name, err)
	}
	if err := l.cfg.Cluster.ApplyProject(ctx, spec); err != nil {
		return err
	}
	// A version that came meanwhile is newer than both: the next pass sees it.
	l.applied[p.Name] = given{p, max(newest.ID, dataset.ID)}
	return nil
}

// newestOf is the newest version of a project's dataset, without an id if there
// is none. Code of its own has none.
func (l *Loop) newestOf(ctx context.Context, p mlops.Project) (mlops.Dataset, error) {
	if p.Code != nil {
		return mlops.Dataset{}, nil
	}
	newest, err := l.cfg.Store.Dataset(ctx, p.Dataset)
	if err != nil && mlops.CodeOf(err) != mlops.NotFound {
		return newest, fmt.Errorf("read dataset %s: %w", p.Dataset, err)
	}
	return newest, nil
}

// has reports whether the cluster was last given a project as it is now.
func (l *Loop) has(p mlops.Project, newest mlops.Dataset) bool {
	p.Gates = mlops.Gates{}
	have, ok := l.applied[p.Name]
	return ok && have.project.Equal(p) && have.newest == newest.ID
}

// end takes a project out of the cluster, and then its key and its rows away.
// The runs of trainings that were cut short end with it. It reports whether
// the project is gone; until then it has to be called again. The deployments
// of its model are in its namespace, and go with it.
func (l *Loop) end(ctx context.Context, p mlops.Project, jobs []mlops.Job) (gone bool, err error) {
	delete(l.applied, p.Name)
	delete(l.unready, p.Name)
	// The schedule may have made a Job that no pass has seen. It may have a run.
	for _, j := range jobs {
		if j.Project != p.Name {
			continue
		}
		if _, err := l.adopt(ctx, j); err != nil {
			return false, err
		}
	}
	if gone, err := l.cfg.Cluster.DeleteProject(ctx, p.Name); err != nil || !gone {
		return false, err
	}
	trainings, err := l.cfg.Store.Trainings(ctx, p.Name, recent)
	if err != nil {
		return false, fmt.Errorf("list trainings of %s: %w", p.Name, err)
	}
	for _, t := range trainings {
		if !t.State.Terminal() {
			if err := l.cfg.Store.EndRuns(ctx, t.Job, mlops.RunKilled); err != nil {
				return false, err
			}
		}
	}
	if err := l.dropKeysOf(ctx, p.Name); err != nil {
		return false, err
	}
	if err := l.cfg.Keys.DropProjectKey(ctx, p.Name); err != nil {
		return false, fmt.Errorf("revoke the key of project %s: %w", p.Name, err)
	}
	environments, err := l.cfg.Store.Environments(ctx, p.Name)
	if err != nil {
		return false, fmt.Errorf("list environments of %s: %w", p.Name, err)
	}
	if p.Code != nil { // a build that was cut short may have left a layer without a row
		if err := l.cfg.Environments.Drop(ctx, p.Name, environments); err != nil {
			return false, err
		}
	}
	l.rows.Lock()
	defer l.rows.Unlock()
	if err := l.cfg.Store.DeleteProject(ctx, p.Name); err != nil {
		return false, fmt.Errorf("delete project %s: %w", p.Name, err)
	}
	l.cfg.Log.Info("project deleted", "project", p.Name)
	return true, nil
}

// How soon a pass follows one that left something undone: soon for a project
// that is being deleted, later for one that failed.
const (
	soon  = time.Second
	later = 10 * time.Second
)
