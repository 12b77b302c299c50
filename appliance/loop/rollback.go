package loop

import (
	"context"
	"fmt"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Rollback serves again what was live before. to is the number of the revision
// to go back to; 0 means the last one before the present one that was live with
// another version. A rollback asks no gate.
func (l *Loop) Rollback(ctx context.Context, deployment string, to int, act mlops.Act) (mlops.Revision, error) {
	if err := act.Validate(); err != nil {
		return mlops.Revision{}, err
	}
	d, err := l.deployment(ctx, deployment)
	if err != nil {
		return mlops.Revision{}, err
	}
	target, err := l.target(ctx, d, to)
	if err != nil {
		return mlops.Revision{}, err
	}
	return l.createRevision(ctx, d, target.Version, mlops.CauseRollback, false, act)
}

// target is the revision to go back to.
func (l *Loop) target(ctx context.Context, d mlops.Deployment, to int) (mlops.Revision, error) {
	if to < 0 {
		return mlops.Revision{}, mlops.Errorf(mlops.Invalid, "revision %d: expected the number of a revision, from 1", to)
	}
	history, err := l.cfg.Store.Revisions(ctx, d.Name, maxHistory)
	if err != nil {
		return mlops.Revision{}, fmt.Errorf("read history of %s: %w", d.Name, err)
	}
	for _, r := range history {
		served := d.Revision != nil && r.Version == d.Revision.Version
		switch {
		case to == 0 && !served && !r.LiveAt.IsZero() && (d.Revision == nil || r.Number < d.Revision.Number):
			return r, nil
		case to == r.Number && served:
			return r, mlops.Errorf(mlops.InvalidState, "revision %d is version %d, which deployment %s serves already", to, r.Version, d.Name)
		case to == r.Number && r.LiveAt.IsZero():
			return r, mlops.Errorf(mlops.InvalidState, "revision %d of deployment %s was never live: to serve its version use `benchtop promote %s %d`", to, d.Name, d.Name, r.Version)
		case to == r.Number:
			return r, nil
		}
	}
	if to == 0 {
		return mlops.Revision{}, mlops.Errorf(mlops.InvalidState, "deployment %s has served nothing else before: there is nothing to roll back to", d.Name)
	}
	return mlops.Revision{}, mlops.Errorf(mlops.NotFound, "deployment %s has no revision %d: see `benchtop revisions %s`", d.Name, to, d.Name)
}

// maxHistory bounds how far back a rollback looks.
const maxHistory = 1000
