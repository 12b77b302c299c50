package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Default is the project that every appliance starts with.
type Default struct {
	Name     string
	Schedule string
	TimeZone string
	Node     string
	Source   string // where the dataset comes from, with its licence
	Content  []byte // the dataset
}

// Config is what a Loop is made of.
type Config struct {
	Store   Store
	Objects mlops.ObjectStore // bucket DatasetBucket
	Cluster Cluster
	Default Default
	// Spec completes the spec of a project: image, code, secrets, ingress.
	Spec func(mlops.Project, mlops.Dataset) mlops.ProjectSpec
	Log  *slog.Logger
	Now  func() time.Time
}

// Loop keeps the cluster in step with the rows.
type Loop struct {
	cfg  Config
	kick chan struct{} // a row changed: look at once

	// starting is since when this process has followed each revision that
	// starts. Only the pass touches it.
	starting map[int64]time.Time
	deciding sync.Mutex // a revision is judged by one at a time
}

// New returns a loop that does not run yet.
func New(cfg Config) *Loop {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Loop{cfg: cfg, kick: make(chan struct{}, 1), starting: map[int64]time.Time{}}
}

// Prepare brings the default project's rows and objects up to date.
func (l *Loop) Prepare(ctx context.Context) error {
	def := l.cfg.Default
	dataset, err := StoreDataset(ctx, l.cfg.Store, l.cfg.Objects, def.Name, def.Source, def.Content)
	if err != nil {
		return err
	}
	p := mlops.Project{Name: def.Name, Dataset: dataset.Name, Schedule: def.Schedule, TimeZone: def.TimeZone, Node: def.Node}
	// The node holds the volume: it stays what it was.
	if have, err := l.cfg.Store.Project(ctx, def.Name); err == nil {
		p.Node = have.Node
	} else if mlops.CodeOf(err) != mlops.NotFound {
		return fmt.Errorf("read project %s: %w", def.Name, err)
	}
	if p, err = l.cfg.Store.PutProject(ctx, p); err != nil {
		return fmt.Errorf("record project %s: %w", def.Name, err)
	}
	// Before the servers: a new one finds what to serve.
	d, err := l.cfg.Store.EnsureDeployment(ctx, mlops.Deployment{Name: p.Name, Project: p.Name, Model: p.Name, Follows: mlops.LiveAlias, Automatic: true})
	if err != nil {
		return fmt.Errorf("record deployment %s: %w", p.Name, err)
	}
	if err := l.cfg.Cluster.ApplyProject(ctx, l.cfg.Spec(p, dataset)); err != nil {
		return err
	}
	if err := l.restore(ctx, d.Name); err != nil {
		return err
	}
	trainings, err := l.cfg.Store.Trainings(ctx, p.Name, 1)
	if err != nil {
		return fmt.Errorf("list trainings of %s: %w", p.Name, err)
	}
	if len(trainings) == 0 {
		if _, err := l.cfg.Store.CreateTraining(ctx, p.Name, mlops.TriggerFirstBoot); err != nil {
			return fmt.Errorf("request first training of %s: %w", p.Name, err)
		}
	}
	if err := l.Reconcile(ctx); err != nil {
		return err
	}
	_, err = l.release(ctx)
	return err
}

// Train requests a training. The row is written first: whatever happens then,
// the Job will be made.
func (l *Loop) Train(ctx context.Context, project string) (mlops.Training, error) {
	if _, err := l.cfg.Store.Project(ctx, project); err != nil {
		return mlops.Training{}, err
	}
	t, err := l.cfg.Store.CreateTraining(ctx, project, mlops.TriggerManual)
	if err != nil {
		return t, fmt.Errorf("request training of %s: %w", project, err)
	}
	l.again()
	return t, nil
}

// lookAgain is how soon a revision that starts is looked at again.
const lookAgain = 200 * time.Millisecond

// Run reconciles until ctx ends: at every change of a Job or of a model's
// versions and aliases, after every request, and once a minute in case a
// signal was lost.
func (l *Loop) Run(ctx context.Context) {
	changed := l.cfg.Cluster.WatchJobs(ctx)
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	soon := time.NewTimer(lookAgain) // Prepare may have left a revision that starts
	defer soon.Stop()
	for {
		models := l.cfg.Store.ModelsChanged()
		trainings := true
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-l.kick:
		case <-tick.C:
		case <-models:
			trainings = false
		case <-soon.C:
			trainings = false
		}
		var err error
		if trainings {
			err = l.Reconcile(ctx)
		}
		busy, rerr := l.release(ctx)
		if err = errors.Join(err, rerr); err != nil && ctx.Err() == nil {
			l.cfg.Log.Error("loop pass failed, it will be repeated", "err", err)
		}
		if busy {
			soon.Reset(lookAgain)
		}
	}
}

// recent is how many trainings of a project a pass looks at. Older ones have
// ended, or their Jobs are long gone.
const recent = 200

// Reconcile makes one pass: Jobs for requested trainings, rows for Jobs that
// the schedule made, and the Jobs' outcome into the rows. A project that
// fails does not hold up the others.
func (l *Loop) Reconcile(ctx context.Context) error {
	projects, err := l.cfg.Store.Projects(ctx)
	if err != nil {
		return fmt.Errorf("list projects: %w", err)
	}
	jobs, err := l.cfg.Cluster.TrainingJobs(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range projects {
		if err := l.reconcileProject(ctx, p.Name, jobs); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (l *Loop) reconcileProject(ctx context.Context, project string, jobs []mlops.Job) error {
	trainings, err := l.cfg.Store.Trainings(ctx, project, recent)
	if err != nil {
		return fmt.Errorf("list trainings of %s: %w", project, err)
	}
	rows := make(map[string]mlops.Training, len(trainings))
	for _, t := range trainings {
		rows[t.Job] = t
	}
	found := make(map[string]bool, len(jobs))
	for _, j := range jobs {
		if j.Project != project {
			continue
		}
		found[j.Name] = true
		t, ok := rows[j.Name]
		if !ok {
			if t, err = l.cfg.Store.AdoptTraining(ctx, project, j.Name, j.Trigger, j.CreatedAt); err != nil {
				return fmt.Errorf("record job %s of %s: %w", j.Name, project, err)
			}
		}
		if t.State != j.State && !t.State.Terminal() {
			// Before the row says that it has ended, or a crash in between
			// would leave the run as running for ever.
			if j.State.Terminal() {
				if err := l.cfg.Store.EndRuns(ctx, j.Name, mlops.RunKilled); err != nil {
					return err
				}
			}
			if err := l.cfg.Store.SetTraining(ctx, t.ID, j.State, j.Message, j.EndedAt); err != nil {
				return fmt.Errorf("record outcome of job %s of %s: %w", j.Name, project, err)
			}
			l.cfg.Log.Info("training", "project", project, "job", j.Name, "trigger", j.Trigger, "state", j.State, "message", j.Message)
		}
	}
	for _, t := range trainings {
		switch {
		case found[t.Job]:
		case t.State == mlops.TrainingRequested:
			if err := l.cfg.Cluster.StartTraining(ctx, t); err != nil {
				return err
			}
			if err := l.cfg.Store.SetTraining(ctx, t.ID, mlops.TrainingRunning, "", time.Time{}); err != nil {
				return fmt.Errorf("record start of job %s of %s: %w", t.Job, project, err)
			}
		case t.State == mlops.TrainingRunning && l.cfg.Now().Sub(t.CreatedAt) > time.Minute:
			// Its Job is gone without an outcome: somebody deleted it.
			if err := l.cfg.Store.EndRuns(ctx, t.Job, mlops.RunKilled); err != nil {
				return err
			}
			if err := l.cfg.Store.SetTraining(ctx, t.ID, mlops.TrainingFailed, "its Job was deleted before it ended", l.cfg.Now()); err != nil {
				return fmt.Errorf("record loss of job %s of %s: %w", t.Job, project, err)
			}
		}
	}
	return nil
}
