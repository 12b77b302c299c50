package access

import (
	"context"
	"slices"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// ProjectKey returns the key that a project's trainer comes with: it writes
// what belongs to the project in the registry and reads bucket, and nothing
// else. It makes one if there is none, or one that may something else. One from
// before keys had projects is limited to its own, and keeps its token.
func (k *Keys) ProjectKey(ctx context.Context, project string, bucket mlops.KeyBucket) (mlops.NewKey, error) {
	if err := mlops.ValidateName("project", project); err != nil {
		return mlops.NewKey{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	k.change.Lock()
	defer k.change.Unlock()
	r := k.ring.Load()
	if r == nil {
		return mlops.NewKey{}, errStarting
	}
	want := mlops.Key{Name: mlops.ProjectKeyName(project), Role: mlops.RoleTrainer, Buckets: []mlops.KeyBucket{bucket}, Projects: []string{project}, CreatedAt: k.cfg.Now()}
	if e := r.byName[want.Name]; e != nil {
		if e.key.Role == want.Role && slices.Equal(e.key.Buckets, want.Buckets) && e.key.ExpiresAt.IsZero() && (len(e.key.Projects) == 0 || slices.Equal(e.key.Projects, want.Projects)) {
			if err := k.limit(ctx, e, want.Projects); err != nil {
				return mlops.NewKey{}, err
			}
			e = k.ring.Load().byName[want.Name]
			return mlops.NewKey{Key: e.key, Token: k.token(e.key.Salt)}, nil
		}
		k.cfg.Log.Warn("the key of a project may something else than its trainer needs: another takes its place", "name", want.Name)
		if err := k.revoke(ctx, want.Name); err != nil {
			return mlops.NewKey{}, err
		}
	}
	return k.create(ctx, want)
}

// limit makes a key one of these projects; the caller holds the lock.
func (k *Keys) limit(ctx context.Context, e *entry, projects []string) error {
	if slices.Equal(e.key.Projects, projects) {
		return nil
	}
	rows := k.cfg.Rows()
	if rows == nil {
		return errStarting
	}
	if err := rows.LimitKey(ctx, e.key.ID, projects); err != nil {
		return err
	}
	limited := *e
	limited.key.Projects = projects
	k.ring.Store(k.ring.Load().with(&limited))
	k.cfg.Log.Info("access key limited", "name", e.key.Name, "projects", projects)
	return nil
}

// DropProjectKey revokes a project's key; one that is not there is no error.
func (k *Keys) DropProjectKey(ctx context.Context, project string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	k.change.Lock()
	defer k.change.Unlock()
	if err := k.revoke(ctx, mlops.ProjectKeyName(project)); mlops.CodeOf(err) != mlops.NotFound {
		return err
	}
	return nil
}
