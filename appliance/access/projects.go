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
	return k.ensure(ctx, mlops.Key{Name: mlops.ProjectKeyName(project), Role: mlops.RoleTrainer, Buckets: []mlops.KeyBucket{bucket}}, "project")
}

// DeploymentKey returns the key that a deployment of its own volume brings
// versions with: it reads the registry, artifacts with it, and nothing else.
// It makes one if there is none, or one that may something else.
func (k *Keys) DeploymentKey(ctx context.Context, deployment string) (mlops.NewKey, error) {
	if err := mlops.ValidateName("deployment", deployment); err != nil {
		return mlops.NewKey{}, err
	}
	return k.ensure(ctx, mlops.Key{Name: mlops.DeploymentKeyName(deployment), Role: mlops.RoleReader, Buckets: []mlops.KeyBucket{}}, "deployment")
}

// ensure returns a key that may what is wanted, and nothing else.
func (k *Keys) ensure(ctx context.Context, want mlops.Key, of string) (mlops.NewKey, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	k.change.Lock()
	defer k.change.Unlock()
	r := k.ring.Load()
	if r == nil {
		return mlops.NewKey{}, errStarting
	}
	want.CreatedAt = k.cfg.Now()
	if e := r.byName[want.Name]; e != nil {
		if e.key.Role == want.Role && slices.Equal(e.key.Buckets, want.Buckets) && e.key.ExpiresAt.IsZero() {
			return mlops.NewKey{Key: e.key, Token: k.token(e.key.Salt)}, nil
		}
		k.cfg.Log.Warn("the key of a "+of+" may something else than it needs: another takes its place", "name", want.Name)
		if err := k.revoke(ctx, want.Name); err != nil {
			return mlops.NewKey{}, err
		}
	}
	return k.create(ctx, want)
}

// DropProjectKey revokes a project's key; one that is not there is no error.
func (k *Keys) DropProjectKey(ctx context.Context, project string) error {
	return k.drop(ctx, mlops.ProjectKeyName(project))
}

// DropDeploymentKey revokes a deployment's key; one that is not there is no
// error.
func (k *Keys) DropDeploymentKey(ctx context.Context, deployment string) error {
	return k.drop(ctx, mlops.DeploymentKeyName(deployment))
}

func (k *Keys) drop(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	k.change.Lock()
	defer k.change.Unlock()
	if err := k.revoke(ctx, name); mlops.CodeOf(err) != mlops.NotFound {
		return err
	}
	return nil
}
