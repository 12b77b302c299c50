package loop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Config is what a Loop is made of.
type Config struct {
	Store   Store
	Objects mlops.ObjectStore // bucket DatasetBucket
	Cluster Cluster
	Keys    Keys
	// Environments are what code runs in that the lab's Python does not suffice for.
	Environments Environments
	Samples      []Sample
	// First is the sample that the first start makes, "" for none.
	First    string
	Defaults mlops.ProjectDefaults
	Node     string // where the volumes of new projects lie
	// Check refuses what a project must not be changed to.
	Check func(mlops.Project) error
	// Spec completes the spec of a project: image and code.
	Spec func(mlops.Project, mlops.Dataset) mlops.ProjectSpec
	// DeploymentSpec completes the spec of a deployment whose volume lies on
	// node: image, code, addresses.
	DeploymentSpec func(d mlops.Deployment, node string) mlops.DeploymentSpec
	Log            *slog.Logger
	Now            func() time.Time
}

// Loop keeps the cluster in step with the rows.
type Loop struct {
	cfg  Config
	kick chan struct{} // a row changed: look at once
	look chan struct{} // servers come or go: look soon whether they serve what they ought to

	// starting says when this process first saw each revision that starts.
	// Only the pass touches it.
	starting map[int64]begun
	deciding sync.Mutex // one goroutine at a time judges revisions
	rows     sync.Mutex // one change of projects at a time

	// Only the goroutine that makes passes touches these: what the cluster was
	// last given of each project and deployment, and how soon the next pass is
	// due.
	applied map[string]given
	served  map[string]served
	again   time.Duration // 0 if nothing is left to do
	// unready are the projects whose environment is being brought to the machine.
	unready map[string]bool

	mu       sync.Mutex
	troubles map[string]error // by project, of the last pass
	ailing   map[string]error // by deployment, of the last pass
}

// begun is a revision that starts: since when, and when its servers are to be
// told to look again.
type begun struct {
	at    time.Time
	nudge time.Duration // after at
}

// given is what the cluster has of a project: its row, and the id of the
// newest version of its dataset.
type given struct {
	project mlops.Project
	newest  int64
}

// served is what the cluster has of a deployment: its row, and the GPUs and the
// image of its servers.
type served struct {
	mlops.Deployment
	gpu      mlops.GPURequests
	revision int64 // whose image it is
	image    string
}

// New returns a loop that does not run yet.
func New(cfg Config) *Loop {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Loop{cfg: cfg, kick: make(chan struct{}, 1), look: make(chan struct{}, 1), applied: map[string]given{}, served: map[string]served{}, unready: map[string]bool{}, starting: map[int64]begun{}}
}

// Prepare brings every project's rows and objects up to date. A project that
// fails is logged and tried again later; it does not hold up the start.
func (l *Loop) Prepare(ctx context.Context) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	if err := l.follow(ctx); err != nil {
		return err
	}
	failed, err := l.pass(ctx)
	if err == nil && failed != nil {
		l.cfg.Log.Error("not every project is up to date, it will be tried again", "err", failed)
	}
	return err
}

// DeploymentTroubles returns which deployment could not be brought into the
// cluster or out of it, and why.
func (l *Loop) DeploymentTroubles() map[string]error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.ailing)
}

// Troubles returns what is wrong with which project.
func (l *Loop) Troubles() map[string]error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.troubles)
}

func (l *Loop) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Run reconciles until ctx ends: at every change of a Job or of a model's
// versions and aliases, after every request, soon when something is left to
// do, and once a minute in case a signal was lost.
func (l *Loop) Run(ctx context.Context) {
	changed := l.cfg.Cluster.WatchJobs(ctx)
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	var again <-chan time.Time
	if l.again > 0 {
		again = time.After(l.again)
	}
	var starting <-chan time.Time = time.After(lookAgain) // Prepare may have left a revision that starts
	models := l.cfg.Store.ModelsChanged()
	check := time.NewTimer(checkSoon)
	defer check.Stop()
	pause := checkSoon
	for {
		projects := true
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-l.kick:
		case <-l.cfg.Environments.Made():
		case <-again:
		case <-tick.C:
		case <-models:
			projects = false
		case <-starting:
			projects = false
		case <-check.C:
			// A start, or the loss of a volume, is followed closely at first.
			if l.heal(ctx) {
				pause = checkSoon
				check.Reset(checkSeldom)
			} else {
				check.Reset(pause)
				pause = min(2*pause, checkSeldom)
			}
			continue
		case <-l.look:
			pause = checkSoon
			check.Reset(checkSoon)
			continue
		}
		// Before it is looked: what changes meanwhile is looked at again.
		models = l.cfg.Store.ModelsChanged()
		var err error
		if projects {
			err = l.Reconcile(ctx)
			again = nil
			if l.again > 0 {
				again = time.After(l.again)
			}
		}
		soon, rerr := l.release(ctx)
		starting = nil
		if soon > 0 {
			starting = time.After(soon)
		}
		if err = errors.Join(err, rerr); err != nil && ctx.Err() == nil {
			l.cfg.Log.Error("loop pass failed, it will be repeated", "err", err)
		}
	}
}

// Reconcile makes one pass: projects into the cluster or out of it, Jobs for
// requested trainings, rows for Jobs that the schedule made, and the Jobs'
// outcome into the rows; then deployments. A project or deployment that fails
// does not hold up the others.
func (l *Loop) Reconcile(ctx context.Context) error {
	failed, err := l.pass(ctx)
	return errors.Join(err, failed)
}

// pass returns the failures of single projects and deployments in failed, and what stopped the
// whole pass in err.
func (l *Loop) pass(ctx context.Context) (failed, err error) {
	l.again = 0
	projects, err := l.cfg.Store.Projects(ctx)
	if err != nil {
		return nil, fmt.Errorf("list projects: %w", err)
	}
	jobs, err := l.cfg.Cluster.TrainingJobs(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	troubles := map[string]error{}
	for _, p := range projects {
		var err error
		if p.Deleting {
			var gone bool
			if gone, err = l.end(ctx, p, jobs); !gone {
				l.again = soon
			}
		} else if err = l.bring(ctx, p); err == nil {
			err = l.train(ctx, p.Name, jobs)
		}
		if err != nil {
			errs = append(errs, err)
			troubles[p.Name] = err
			l.again = cmp.Or(l.again, later)
		}
	}
	ailing, err := l.deploymentsPass(ctx)
	for _, err := range ailing {
		errs = append(errs, err)
	}
	l.mu.Lock()
	l.troubles, l.ailing = troubles, ailing
	l.mu.Unlock()
	return errors.Join(errs...), err
}
