package loop

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// world is what survives a crash of the process: rows, objects and cluster,
// each in memory with the rules of the real one. It can fail exactly one
// call, before or after its effect, as a crash at that place would.
type world struct {
	releases
	endedRuns map[string]mlops.RunStatus
	mu        sync.Mutex
	now       time.Time
	datasets  []mlops.Dataset
	projects  []mlops.Project
	trainings []mlops.Training
	objects   map[string][]byte
	jobs      []mlops.Job
	applied   []mlops.ProjectSpec
	deployed  []mlops.DeploymentSpec
	lingers   map[string]int // deployments: how often deleting is asked before it is gone
	changed   chan struct{}
	facts     map[string]string
	spaces    map[string]int // namespaces: how often deleting is asked before it is gone; -1 is not ours
	keys      map[string]mlops.KeyBucket
	why       map[string]string // why the pods of Jobs have ended
	rooms     environments
	limits    map[string]string // the projects that keys of deployments are limited to
	meanwhile func()            // what others do while ApplyProject is called the next time

	calls  []string // the calls so far
	fail   int      // number of the call that fails, from 1; 0 for none
	after  bool     // it fails after its effect
	broken map[string]error
}

var errCrash = errors.New("crash")

func newWorld() *world {
	return &world{releases: releases{versions: map[int]string{}, runs: map[string]mlops.Run{}, volume: map[int]bool{}, unloadable: map[int]bool{}, servers: 1, modelsC: make(chan struct{})}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), objects: map[string][]byte{}, changed: make(chan struct{}, 1), broken: map[string]error{}, facts: map[string]string{}, spaces: map[string]int{}, keys: map[string]mlops.KeyBucket{}, limits: map[string]string{}, lingers: map[string]int{}}
}

// call runs effect as the call named op, subject to the planned failures.
func (w *world) call(op string, effect func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, op)
	crash := w.fail == len(w.calls)
	if crash && !w.after {
		return errCrash
	}
	if err := w.broken[op]; err != nil {
		return err
	}
	err := effect()
	if crash {
		return errCrash
	}
	return err
}

func (w *world) PutDataset(_ context.Context, d mlops.Dataset) (mlops.Dataset, error) {
	err := w.call("PutDataset", func() error {
		d.Version = 1
		for _, have := range w.datasets {
			if have.Name == d.Name && have.SHA256 == d.SHA256 {
				d = have
				return nil
			}
			if have.Name == d.Name {
				d.Version = have.Version + 1
			}
		}
		d.ID = int64(len(w.datasets) + 1)
		w.datasets = append(w.datasets, d)
		return nil
	})
	return d, err
}

func (w *world) Dataset(_ context.Context, name string) (d mlops.Dataset, err error) {
	err = w.call("Dataset", func() error {
		for _, have := range slices.Backward(w.datasets) {
			if have.Name == name {
				d = have
				return nil
			}
		}
		return mlops.Errorf(mlops.NotFound, "there is no dataset %q", name)
	})
	return d, err
}

func (w *world) PutProject(_ context.Context, p mlops.Project) (mlops.Project, error) {
	err := w.call("PutProject", func() error { w.putProject(&p); return nil })
	return p, err
}

func (w *world) putProject(p *mlops.Project) {
	for i, have := range w.projects {
		if have.Name == p.Name {
			p.ID = have.ID
			w.projects[i] = *p
			return
		}
	}
	p.ID = int64(len(w.projects) + 1)
	w.projects = append(w.projects, *p)
}

func (w *world) Push(_ context.Context, p mlops.Project) (out mlops.Pushed, err error) {
	err = w.call("Push", func() error {
		w.putProject(&p)
		out = mlops.Pushed{Project: p, Training: w.requestTraining(p.Name, mlops.TriggerPush)}
		return nil
	})
	return out, err
}

func (w *world) StopTraining(_ context.Context, t mlops.Training) error {
	return w.call("StopTraining", func() error {
		w.jobs = slices.DeleteFunc(w.jobs, func(j mlops.Job) bool { return j.Name == t.Job })
		return nil
	})
}

func (w *world) Project(_ context.Context, name string) (p mlops.Project, err error) {
	err = w.call("Project", func() error {
		for _, have := range w.projects {
			if have.Name == name {
				p = have
				return nil
			}
		}
		return mlops.Errorf(mlops.NotFound, "there is no project %q", name)
	})
	return p, err
}

func (w *world) Projects(context.Context) (out []mlops.Project, err error) {
	err = w.call("Projects", func() error { out = slices.Clone(w.projects); return nil })
	return out, err
}

func (w *world) DeleteProject(ctx context.Context, name string) (err error) {
	return w.call("DeleteProject", func() error {
		w.projects = slices.DeleteFunc(w.projects, func(p mlops.Project) bool {
			if p.Name == name && !p.Deleting {
				err = errors.New("it is not marked")
			}
			return p.Name == name && p.Deleting
		})
		w.deployments = slices.DeleteFunc(w.deployments, func(d mlops.Deployment) bool { return d.Project == name })
		for i := range w.trainings { // their ids are never given again
			if w.trainings[i].Project == name {
				w.trainings[i].Project = "gone"
			}
		}
		return err
	})
}

func (w *world) LoopFact(_ context.Context, key string) (v string, err error) {
	err = w.call("LoopFact", func() error { v = w.facts[key]; return nil })
	return v, err
}

func (w *world) SetLoopFact(_ context.Context, key, value string) error {
	return w.call("SetLoopFact", func() error { w.facts[key] = value; return nil })
}

func (w *world) ProjectKey(_ context.Context, project string, bucket mlops.KeyBucket) (k mlops.NewKey, err error) {
	err = w.call("ProjectKey", func() error {
		w.keys[project] = bucket
		k = mlops.NewKey{Key: mlops.Key{Name: "project-" + project}, Token: "token-of-" + project}
		return nil
	})
	return k, err
}

func (w *world) DropProjectKey(_ context.Context, project string) error {
	return w.call("DropProjectKey", func() error { delete(w.keys, project); return nil })
}

func (w *world) DeploymentKey(_ context.Context, name, project string) (k mlops.NewKey, err error) {
	err = w.call("DeploymentKey", func() error {
		w.keys["deployment-"+name] = mlops.KeyBucket{}
		w.limits[name] = project
		k = mlops.NewKey{Key: mlops.Key{Name: "deployment-" + name}, Token: "token-of-" + name}
		return nil
	})
	return k, err
}

func (w *world) DropDeploymentKey(_ context.Context, name string) error {
	return w.call("DropDeploymentKey", func() error { delete(w.keys, "deployment-"+name); return nil })
}

func (w *world) CheckNamespace(_ context.Context, project string) error {
	return w.call("CheckNamespace", func() error {
		if w.spaces[project] < 0 {
			return mlops.Errorf(mlops.Exists, "the namespace %s is somebody else's", project)
		}
		return nil
	})
}

// cluster is the world's cluster; its DeleteProject is another than the
// store's.
type cluster struct{ *world }

func (c cluster) DeleteProject(_ context.Context, project string) (gone bool, err error) {
	w := c.world
	err = w.call("cluster.DeleteProject", func() error {
		w.jobs = slices.DeleteFunc(w.jobs, func(j mlops.Job) bool { return j.Project == project })
		if w.spaces[project] > 0 {
			w.spaces[project]--
			return nil
		}
		delete(w.spaces, project)
		for _, s := range w.deployed {
			if s.Deployment.Project == project {
				delete(w.lingers, s.Deployment.Name)
			}
		}
		gone = true
		return nil
	})
	return gone, err
}

func (w *world) CreateTraining(_ context.Context, project string, trigger mlops.Trigger) (t mlops.Training, err error) {
	err = w.call("CreateTraining", func() error {
		t = w.requestTraining(project, trigger)
		return nil
	})
	return t, err
}

func (w *world) requestTraining(project string, trigger mlops.Trigger) mlops.Training {
	id := int64(len(w.trainings) + 1)
	t := mlops.Training{ID: id, Project: project, Trigger: trigger, State: mlops.TrainingRequested, Job: fmt.Sprintf("%s-train-%d", project, id), CreatedAt: w.now}
	w.trainings = append(w.trainings, t)
	return t
}

func (w *world) AdoptTraining(_ context.Context, project, job string, trigger mlops.Trigger, createdAt time.Time) (t mlops.Training, err error) {
	err = w.call("AdoptTraining", func() error {
		for _, have := range w.trainings {
			if have.Project == project && have.Job == job {
				t = have
				return nil
			}
		}
		t = mlops.Training{ID: int64(len(w.trainings) + 1), Project: project, Trigger: trigger, State: mlops.TrainingRunning, Job: job, CreatedAt: createdAt}
		w.trainings = append(w.trainings, t)
		return nil
	})
	return t, err
}

func (w *world) SetTraining(_ context.Context, id int64, state mlops.TrainingState, message string, endedAt time.Time) error {
	return w.call("SetTraining", func() error {
		rank := map[mlops.TrainingState]int{mlops.TrainingRequested: 0, mlops.TrainingRunning: 1, mlops.TrainingSucceeded: 2, mlops.TrainingFailed: 2}
		t := &w.trainings[id-1]
		if t.State != state && (t.State.Terminal() || rank[state] < rank[t.State]) {
			return mlops.Errorf(mlops.InvalidState, "training %d is %s and cannot become %s", id, t.State, state)
		}
		t.State, t.Message, t.EndedAt = state, message, endedAt
		return nil
	})
}

func (w *world) SetTrainingCode(_ context.Context, id int64, code, image string) error {
	return w.call("SetTrainingCode", func() error { w.trainings[id-1].CodeSHA256, w.trainings[id-1].Image = code, image; return nil })
}

func (w *world) TrainingSaid(_ context.Context, j mlops.Job) (why string, err error) {
	err = w.call("TrainingSaid", func() error { why = w.why[j.Name]; return nil })
	return why, err
}

func (w *world) WhyTrainingWaits(_ context.Context, j mlops.Job) (why string, err error) {
	err = w.call("WhyTrainingWaits", func() error { why = w.why[j.Name]; return nil })
	return why, err
}

// EndRuns notes for which Jobs runs were ended.
func (w *world) EndRuns(_ context.Context, job string, status mlops.RunStatus) error {
	return w.call("EndRuns", func() error {
		if w.endedRuns == nil {
			w.endedRuns = map[string]mlops.RunStatus{}
		}
		w.endedRuns[job] = status
		return nil
	})
}

func (w *world) Trainings(_ context.Context, project string, max int) (out []mlops.Training, err error) {
	err = w.call("Trainings", func() error {
		for _, t := range slices.Backward(w.trainings) {
			if t.Project == project && len(out) < max {
				out = append(out, t)
			}
		}
		return nil
	})
	return out, err
}

func (w *world) Put(_ context.Context, key string, r io.Reader, size int64, _ string) (mlops.ObjectInfo, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return mlops.ObjectInfo{}, err
	}
	if int64(len(b)) != size {
		return mlops.ObjectInfo{}, fmt.Errorf("put %s: %d bytes announced, %d sent", key, size, len(b))
	}
	return mlops.ObjectInfo{Key: key, Bytes: size}, w.call("Put", func() error { w.objects[key] = b; return nil })
}

func (w *world) Stat(_ context.Context, key string) (mlops.ObjectInfo, error) {
	return mlops.ObjectInfo{Key: key}, w.call("Stat", func() error {
		if _, ok := w.objects[key]; !ok {
			return mlops.Errorf(mlops.NotFound, "there is no object %s", key)
		}
		return nil
	})
}

func (w *world) Get(_ context.Context, key string) (io.ReadCloser, mlops.ObjectInfo, error) {
	return io.NopCloser(bytes.NewReader(w.objects[key])), mlops.ObjectInfo{Key: key}, nil
}

func (w *world) List(context.Context, string, bool) ([]mlops.ObjectInfo, error) {
	return nil, errors.New("the loop lists no objects")
}

func (w *world) Delete(context.Context, string) error {
	return errors.New("the loop deletes no objects")
}

func (w *world) ApplyProject(_ context.Context, s mlops.ProjectSpec) error {
	if others := w.meanwhile; others != nil {
		w.meanwhile = nil
		others()
	}
	return w.call("ApplyProject", func() error {
		w.applied = append(w.applied, s)
		w.spaces[s.Project.Name] = 1
		return nil
	})
}

func (w *world) ApplyDeployment(_ context.Context, s mlops.DeploymentSpec) error {
	return w.call("ApplyDeployment", func() error {
		if s.Deployment.Project != "" && w.spaces[s.Deployment.Project] == 0 {
			return errors.New("there is no namespace " + s.Deployment.Project)
		}
		w.deployed = append(w.deployed, s)
		w.lingers[s.Deployment.Name] = 1
		return nil
	})
}

func (c cluster) DeleteDeployment(_ context.Context, d mlops.Deployment) (gone bool, err error) {
	w := c.world
	err = w.call("cluster.DeleteDeployment", func() error {
		if w.lingers[d.Name] > 0 {
			w.lingers[d.Name]--
			return nil
		}
		delete(w.lingers, d.Name)
		delete(w.others, d.Name)
		gone = true
		return nil
	})
	return gone, err
}

func (w *world) StartTraining(_ context.Context, t mlops.Training) error {
	return w.call("StartTraining "+t.Project, func() error {
		for _, j := range w.jobs {
			if j.Name == t.Job && j.Project == t.Project {
				return nil // made before a crash
			}
		}
		j := mlops.Job{Name: t.Job, Project: t.Project, Trigger: t.Trigger, State: mlops.TrainingRunning, CreatedAt: w.now}
		for _, s := range w.applied {
			if s.Project.Name == t.Project && s.Project.Code != nil {
				j.CodeSHA256, j.Image = s.Project.Code.SHA256, cmp.Or(s.EnvironmentImage, s.Image)
			}
		}
		w.jobs = append(w.jobs, j)
		return nil
	})
}

func (w *world) TrainingJobs(context.Context) (out []mlops.Job, err error) {
	err = w.call("TrainingJobs", func() error { out = slices.Clone(w.jobs); return nil })
	return out, err
}

func (w *world) WatchJobs(context.Context) <-chan struct{} { return w.changed }

// irisLike is a dataset of two rows.
const irisLike = "2,3,setosa,versicolor\n1.0,2.0,3.0,0\n4.0,5.0,6.0,1\n"

// start returns a loop as a process that has just started would build it.
func (w *world) start() *Loop {
	sample := func(name string) Sample {
		return Sample{Name: name, Source: "somewhere", Content: func() ([]byte, error) { return []byte(irisLike), nil }}
	}
	return New(Config{
		Store: w, Objects: w, Cluster: cluster{w}, Keys: w, Environments: w, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return w.now },
		Samples: []Sample{sample("iris"), sample("wine")}, First: "iris", Node: "node-a",
		Defaults: mlops.ProjectDefaults{Schedule: "*/30 * * * *", TimeZone: "UTC"},
		Check: func(p mlops.Project) error {
			if p.Schedule == "nonsense" {
				return mlops.Errorf(mlops.Invalid, "schedule of project %s: that is nonsense", p.Name)
			}
			return nil
		},
		Spec: func(p mlops.Project, d mlops.Dataset) mlops.ProjectSpec {
			return mlops.ProjectSpec{Project: p, Dataset: d, Image: "lab", TrainerSHA: "7e57"}
		},
		DeploymentSpec: func(d mlops.Deployment, node string) mlops.DeploymentSpec {
			return mlops.DeploymentSpec{Deployment: d, Node: node, Image: "lab"}
		},
	})
}

// boot prepares a loop and returns what is wrong with a single project too.
func boot(ctx context.Context, l *Loop) error {
	err := l.Prepare(ctx)
	for _, trouble := range l.Troubles() {
		err = errors.Join(err, trouble)
	}
	for _, trouble := range l.DeploymentTroubles() {
		err = errors.Join(err, trouble)
	}
	return err
}
