package loop

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Environments keeps what environments are made of, and makes images of them.
type Environments interface {
	// Base is the image that environments are put on now.
	Base() string
	// Spec says how the environment is built that a training's code asked for.
	Spec(ctx context.Context, p mlops.Project, t mlops.Training, request string, knownLocks []string) (mlops.EnvironmentBuild, error)
	// Report is what a build that has ended says of it. The code of the error is
	// NotFound if there is none.
	Report(ctx context.Context, project, request string) (mlops.EnvironmentReport, error)
	// Image is the image of an environment on Base. If it is not on the machine,
	// ready is false and it is being made; what hindered that is the error of the next
	// call, which tries again.
	Image(ctx context.Context, e mlops.CodeEnvironment) (image string, ready bool, err error)
	// Drop removes all that is kept of a project's environments, and their images.
	// To have none is no error.
	Drop(ctx context.Context, project string, all []mlops.CodeEnvironment) error
	// Made signals after an image was made, or could not be.
	Made() <-chan struct{}
}

// needsEnvironment looks whether a training's Job has ended because its code needs
// an environment, and goes on with that: it has the environment built unless there
// is one, and then starts the training again in it. It reports whether the Job's end
// is dealt with.
func (l *Loop) needsEnvironment(ctx context.Context, t mlops.Training, j mlops.Job) (bool, error) {
	request, why, ok, err := l.cfg.Cluster.EnvironmentAsked(ctx, j)
	if err != nil || !ok {
		return false, err
	}
	if t.Environment == request { // the row came first
		return true, l.discard(ctx, t)
	}
	p, err := l.cfg.Store.Project(ctx, t.Project)
	if err != nil {
		return false, fmt.Errorf("read project %s: %w", t.Project, err)
	}
	if p.Code == nil || j.CodeSHA256 != p.Code.SHA256 {
		return true, l.failTraining(ctx, t, "newer code was pushed before its environment was built: "+why)
	}
	e, err := l.cfg.Store.Environment(ctx, t.Project, request)
	if mlops.CodeOf(err) == mlops.NotFound || err == nil && e.Base != l.cfg.Environments.Base() {
		var built bool
		if e, built, err = l.build(ctx, p, t, request, why); err != nil || !built {
			return true, err
		}
	} else if err != nil {
		return false, fmt.Errorf("read environment of %s: %w", t.Project, err)
	}
	l.rows.Lock() // a push writes the project's row too
	defer l.rows.Unlock()
	if err := l.cfg.Store.TrainIn(ctx, t.ID, request); err != nil {
		return true, fmt.Errorf("start training %s in its environment: %w", t.Job, err)
	}
	l.cfg.Log.Info("training starts again in an environment", "project", t.Project, "job", t.Job, "environment", e.LockSHA256, "why", why)
	l.wake()
	return true, l.discard(ctx, t)
}

// discard removes the Jobs of a training that starts again. While the one that has
// asked is there, this is repeated, so it goes last.
func (l *Loop) discard(ctx context.Context, t mlops.Training) error {
	if err := l.cfg.Cluster.DropEnvironmentBuild(ctx, t.Project, t.ID); err != nil {
		return err
	}
	return l.cfg.Cluster.StopTraining(ctx, t)
}

// build has an environment built, and keeps its row when it is. Until then the
// training waits, and says so.
func (l *Loop) build(ctx context.Context, p mlops.Project, t mlops.Training, request, why string) (e mlops.CodeEnvironment, built bool, err error) {
	all, err := l.cfg.Store.Environments(ctx, p.Name)
	if err != nil {
		return e, false, fmt.Errorf("list environments of %s: %w", p.Name, err)
	}
	base := l.cfg.Environments.Base()
	all = slices.DeleteFunc(all, func(e mlops.CodeEnvironment) bool { return e.Base != base })
	var known []string
	for _, e := range all {
		known = append(known, e.LockSHA256)
	}
	spec, err := l.cfg.Environments.Spec(ctx, p, t, request, known)
	if err != nil {
		return e, false, err
	}
	job, err := l.cfg.Cluster.BuildEnvironment(ctx, spec)
	if err != nil {
		return e, false, err
	}
	switch job.State {
	case mlops.TrainingFailed:
		return e, false, l.failTraining(ctx, t, job.Message)
	case mlops.TrainingSucceeded:
	default:
		l.again = cmp.Or(l.again, later)
		message := "its environment is being built, because it needs " + why
		if job.Message != "" {
			message = fmt.Sprintf("its environment could not be built yet: %s. %s", job.Message, triedAgain)
		}
		if message == t.Message {
			return e, false, nil
		}
		if err := l.cfg.Store.SetTraining(ctx, t.ID, mlops.TrainingRunning, message, time.Time{}); err != nil {
			return e, false, fmt.Errorf("record that job %s waits for its environment: %w", t.Job, err)
		}
		return e, false, nil
	}
	report, err := l.cfg.Environments.Report(ctx, p.Name, request)
	if code := mlops.CodeOf(err); code == mlops.NotFound || code == mlops.Invalid {
		return e, false, l.failTraining(ctx, t, "its environment was built, and can't be used: "+mlops.MessageOf(err))
	}
	if err != nil {
		return e, false, err
	}
	e = mlops.CodeEnvironment{Project: p.Name, Request: request, LockSHA256: report.LockSHA256, Base: base, LayerOf: request, Packages: report.Packages, Kept: report.Kept, Lock: report.Lock}
	if report.Known {
		i := slices.IndexFunc(all, func(e mlops.CodeEnvironment) bool { return e.LockSHA256 == report.LockSHA256 })
		if i < 0 {
			return e, false, l.failTraining(ctx, t, "its environment was not built, because there ought to be one of the same lock, and there is none: train again")
		}
		same := all[i]
		e.LayerSHA256, e.LayerBytes, e.LayerOf, e.Packages, e.Kept = same.LayerSHA256, same.LayerBytes, same.LayerOf, same.Packages, same.Kept
	} else {
		e.LayerSHA256, e.LayerBytes = report.Layer.SHA256, report.Layer.Bytes
	}
	if e, err = l.cfg.Store.PutEnvironment(ctx, e); err != nil {
		return e, false, fmt.Errorf("record environment of %s: %w", p.Name, err)
	}
	l.cfg.Log.Info("environment built", "project", p.Name, "lock", e.LockSHA256, "packages", len(e.Packages), "bytes", e.LayerBytes)
	return e, true, nil
}

// codeImage is the image that a project's code runs in, "" for the lab's. An
// environment that was made for the lab's Python of another release is asked for
// anew.
func (l *Loop) codeImage(ctx context.Context, p mlops.Project) (image string, ready bool, err error) {
	if p.Code == nil || p.CodeEnvironment == "" {
		return "", true, nil
	}
	e, err := l.cfg.Store.Environment(ctx, p.Name, p.CodeEnvironment)
	if mlops.CodeOf(err) == mlops.NotFound || err == nil && e.Base != l.cfg.Environments.Base() {
		return "", true, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read environment of %s: %w", p.Name, err)
	}
	image, ready, err = l.cfg.Environments.Image(ctx, e)
	if code := mlops.CodeOf(err); code == mlops.NotFound || code == mlops.Invalid { // somebody has deleted its layer, or changed it
		l.cfg.Log.Warn("environment is lost, its code asks for it anew", "project", p.Name, "err", err)
		return "", true, l.cfg.Store.DropEnvironment(ctx, e.ID)
	}
	return image, ready, err
}

// modelImage is the image that serves and measures what a run has logged, "" for
// the lab's. It is that of the training, on the lab's Python of today.
func (l *Loop) modelImage(ctx context.Context, runID string) (image string, ready bool, err error) {
	if runID == "" {
		return "", true, nil
	}
	run, err := l.cfg.Store.Run(ctx, runID)
	if mlops.CodeOf(err) == mlops.NotFound {
		return "", true, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read run %s: %w", runID, err)
	}
	request := run.Tag(mlops.TagEnvironment)
	if request == "" {
		return "", true, nil
	}
	e, err := l.cfg.Store.Environment(ctx, run.Tag(mlops.TagProject), request)
	if mlops.CodeOf(err) == mlops.NotFound {
		return "", true, nil // its project is gone: the servers say what they lack
	}
	if err != nil {
		return "", false, fmt.Errorf("read environment of run %s: %w", runID, err)
	}
	return l.cfg.Environments.Image(ctx, e)
}
