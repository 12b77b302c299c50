package access

import (
	"context"
	"slices"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// ProjectKey returns the key that a project's trainer comes with: it writes
// to the registry and reads bucket, and nothing else. It makes one if there is
// none, or one that may something else.
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
	want := mlops.Key{Name: mlops.ProjectKeyName(project), Role: mlops.RoleTrainer, Buckets: []mlops.KeyBucket{bucket}, CreatedAt: k.cfg.Now()}
	if e := r.byName[want.Name]; e != nil {
		if e.key.Role == want.Role && slices.Equal(e.key.Buckets, want.Buckets) && e.key.ExpiresAt.IsZero() {
			return mlops.NewKey{Key: e.key, Token: k.token(e.key.Salt)}, nil
		}
		k.cfg.Log.Warn("the key of a project may something else than its trainer needs: another takes its place", "name", want.Name)
		if err := k.revoke(ctx, want.Name); err != nil {
			return mlops.NewKey{}, err
		}
	}
	return k.create(ctx, want)
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
