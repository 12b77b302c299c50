package loop

import (
	"context"
	"fmt"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Promote puts a model version into service if its gates pass. override lets
// the version pass whatever the gates find, and needs a reason.
func (l *Loop) Promote(ctx context.Context, deployment string, version int, override bool, act mlops.Act) (mlops.Revision, error) {
	if err := act.Validate(); err != nil {
		return mlops.Revision{}, err
	}
	if override && act.Reason == "" {
		return mlops.Revision{}, mlops.Errorf(mlops.Invalid, "to override gates needs a reason, which is kept with the revision: give one with --reason")
	}
	d, err := l.deployment(ctx, deployment)
	if err != nil {
		return mlops.Revision{}, err
	}
	if d.Paused {
		return mlops.Revision{}, mlops.Errorf(mlops.InvalidState, "deployment %s is paused: `benchtop resume %s` first", deployment, deployment)
	}
	return l.createRevision(ctx, d, version, mlops.CausePromote, override, act)
}

// createRevision makes the revision that a person asks for and judges it at
// once, so that the caller hears what the gates say.
func (l *Loop) createRevision(ctx context.Context, d mlops.Deployment, version int, cause mlops.Cause, override bool, act mlops.Act) (mlops.Revision, error) {
	// The override is part of this write: a pass may judge the revision before
	// there could be a second one.
	r, err := l.cfg.Store.CreateRevision(ctx, d.Name, version, cause, override, act)
	if err != nil {
		return r, err
	}
	return l.hurry(ctx, r.ID)
}

// hurry judges a revision now instead of with the next pass, and returns what
// became of it.
func (l *Loop) hurry(ctx context.Context, id int64) (mlops.Revision, error) {
	r, err := l.cfg.Store.Revision(ctx, id)
	if err != nil {
		return r, err
	}
	if d, err := l.cfg.Store.Deployment(ctx, r.Deployment); err == nil && r.State != mlops.RevisionStarting && !r.State.Terminal() {
		if err := l.judge(ctx, d, r); err != nil {
			// The row is there: the next pass goes on with it.
			l.cfg.Log.Error("loop pass failed, it will be repeated", "err", err)
		}
	}
	l.wake()
	if r, err = l.cfg.Store.Revision(ctx, id); err != nil {
		return r, err
	}
	if r.State == mlops.RevisionRejected {
		return r, mlops.Errorf(mlops.InvalidState, "version %d of %s was not put into service: %s", r.Version, r.Model, r.Message)
	}
	return r, nil
}

// Approve lets a revision that waits for an approval pass. Number 0 means the
// newest one that waits.
func (l *Loop) Approve(ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	return l.decide(ctx, deployment, number, act, l.cfg.Store.ApproveRevision)
}

// Reject ends a revision that waits for an approval. Number 0 means the newest
// one that waits.
func (l *Loop) Reject(ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	r, err := l.decide(ctx, deployment, number, act, l.cfg.Store.RejectRevision)
	if r.State == mlops.RevisionRejected {
		return r, nil
	}
	return r, err
}

func (l *Loop) decide(ctx context.Context, deployment string, number int, act mlops.Act, how func(context.Context, int64, mlops.Act) error) (mlops.Revision, error) {
	if err := act.Validate(); err != nil {
		return mlops.Revision{}, err
	}
	if _, err := l.deployment(ctx, deployment); err != nil {
		return mlops.Revision{}, err
	}
	history, err := l.cfg.Store.Revisions(ctx, deployment, maxHistory)
	if err != nil {
		return mlops.Revision{}, fmt.Errorf("read history of %s: %w", deployment, err)
	}
	for _, r := range history {
		if r.Number != number && (number != 0 || r.State != mlops.RevisionWaiting) {
			continue
		}
		if err := how(ctx, r.ID, act); err != nil {
			return r, err
		}
		return l.hurry(ctx, r.ID)
	}
	if number == 0 {
		return mlops.Revision{}, mlops.Errorf(mlops.InvalidState, "no revision of deployment %s waits for a decision", deployment)
	}
	return mlops.Revision{}, mlops.Errorf(mlops.NotFound, "deployment %s has no revision %d: see `benchtop revisions %s`", deployment, number, deployment)
}

// Hold pins or pauses a deployment, or ends that; nil changes nothing. A pinned
// deployment follows neither new versions nor its alias. In a paused one,
// revisions wait.
func (l *Loop) Hold(ctx context.Context, deployment string, pinned, paused *bool) (mlops.Deployment, error) {
	d, err := l.deployment(ctx, deployment)
	if err != nil {
		return d, err
	}
	if pinned != nil {
		if *pinned && d.Revision == nil {
			return d, mlops.Errorf(mlops.InvalidState, "deployment %s serves nothing yet that it could be pinned to", deployment)
		}
		d.Pinned = *pinned
	}
	if paused != nil {
		d.Paused = *paused
	}
	if err := l.cfg.Store.SetDeployment(ctx, deployment, d.Pinned, d.Paused); err != nil {
		return d, err
	}
	l.wake()
	return l.deployment(ctx, deployment)
}

// deployment returns a deployment that is not being deleted, nor its project.
func (l *Loop) deployment(ctx context.Context, name string) (mlops.Deployment, error) {
	d, err := l.cfg.Store.Deployment(ctx, name)
	if err != nil {
		return d, err
	}
	if d.Deleting {
		return d, mlops.Errorf(mlops.InvalidState, "deployment %s is being deleted", name)
	}
	if d.Project != "" {
		_, err = l.living(ctx, d.Project)
	}
	return d, err
}
