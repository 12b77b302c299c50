package access

import (
	"context"
	"slices"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// ProjectKey returns the key of a project's trainer. The key writes what
// belongs to the project in the registry, reads bucket, and does nothing else.
// ProjectKey makes the key if there is none, or if the present one has other
// rights. A key from before keys had projects is limited to its project and
// keeps its token.
func (k *Keys) ProjectKey(ctx context.Context, project string, bucket mlops.KeyBucket) (mlops.NewKey, error) {
	if err := mlops.ValidateName("project", project); err != nil {
		return mlops.NewKey{}, err
	}
	return k.ensure(ctx, mlops.Key{Name: mlops.ProjectKeyName(project), Role: mlops.RoleTrainer, Buckets: []mlops.KeyBucket{bucket}, Projects: []string{project}}, "project")
}

// DeploymentKey returns the key with which a deployment with its own volume
// brings versions. The key reads the registry, artifacts included, and does
// nothing else; if the deployment has a project, the key reads only what
// belongs to that. DeploymentKey makes the key if there is none, or if the
// present one has other rights. A key from before keys had projects is limited
// and keeps its token.
func (k *Keys) DeploymentKey(ctx context.Context, deployment, project string) (mlops.NewKey, error) {
	if err := mlops.ValidateName("deployment", deployment); err != nil {
		return mlops.NewKey{}, err
	}
	want := mlops.Key{Name: mlops.DeploymentKeyName(deployment), Role: mlops.RoleReader, Buckets: []mlops.KeyBucket{}}
	if project != "" {
		want.Projects = []string{project}
	}
	return k.ensure(ctx, want, "deployment")
}

// ensure returns a key with the wanted rights and no others.
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
		if e.key.Role == want.Role && slices.Equal(e.key.Buckets, want.Buckets) && e.key.ExpiresAt.IsZero() && (len(e.key.Projects) == 0 || slices.Equal(e.key.Projects, want.Projects)) {
			if err := k.limit(ctx, e, want.Projects); err != nil {
				return mlops.NewKey{}, err
			}
			e = k.ring.Load().byName[want.Name]
			return mlops.NewKey{Key: e.key, Token: k.token(e.key.Salt)}, nil
		}
		k.cfg.Log.Warn("the key of a "+of+" may something else than it needs: another takes its place", "name", want.Name)
		if err := k.revoke(ctx, want.Name); err != nil {
			return mlops.NewKey{}, err
		}
	}
	return k.create(ctx, want)
}

// limit limits a key to these projects; the caller holds the lock.
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

// DropProjectKey revokes a project's key, if there is one.
func (k *Keys) DropProjectKey(ctx context.Context, project string) error {
	return k.drop(ctx, mlops.ProjectKeyName(project))
}

// DropDeploymentKey revokes a deployment's key, if there is one.
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
