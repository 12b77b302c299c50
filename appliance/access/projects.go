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

// LabKey returns the key of a guided lab's room. The key reaches the projects,
// what belongs to the name of the room in the registry, the bucket of that name,
// and it reads the metrics. LabKey makes the key if there is none, or if the
// present one has other rights.
func (k *Keys) LabKey(ctx context.Context, room string, projects []string) (mlops.NewKey, error) {
	if err := mlops.ValidateName("room", room); err != nil {
		return mlops.NewKey{}, err
	}
	return k.ensure(ctx, mlops.Key{Name: room, Role: mlops.RoleEditor, Buckets: []mlops.KeyBucket{{Name: room, Write: true}},
		Projects: append([]string{room}, projects...), Room: room}, "guided lab")
}

// LeakSuffix follows the name of a room in that of the key that its lab leaks.
const LeakSuffix = "-ci"

// HasRoom reports whether a guided lab's room has its key.
func (k *Keys) HasRoom(room string) bool {
	r := k.ring.Load()
	return r != nil && r.isRoom(room)
}

// LeakKey makes a key for a guided lab to leak: it records what belongs to the
// room and writes its bucket. Unlike the room's own it may be revoked by anybody
// who holds it.
func (k *Keys) LeakKey(ctx context.Context, room string) (mlops.NewKey, error) {
	name := room + LeakSuffix
	if err := mlops.ValidateName("key", name); err != nil {
		return mlops.NewKey{}, err
	}
	return k.ensure(ctx, mlops.Key{Name: name, Role: mlops.RoleTrainer, Buckets: []mlops.KeyBucket{{Name: room, Write: true}}, Projects: []string{room}}, "guided lab")
}

// DropLabKey revokes the key of a room, if there is one, and those that were made
// for its bucket alone.
func (k *Keys) DropLabKey(ctx context.Context, room string) error {
	r := k.ring.Load()
	if r == nil {
		return errStarting
	}
	if !r.isRoom(room) {
		return nil // a key of that name is somebody's own
	}
	for name, e := range r.byName {
		if name != room && e.key.OnlyOfRoom(room) {
			if err := k.drop(ctx, name); err != nil {
				return err
			}
		}
	}
	return k.drop(ctx, room)
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
		if want.Room != e.key.Room {
			return mlops.NewKey{}, mlops.Errorf(mlops.Exists, "a key named %q exists already, and the %s needs that name: revoke it first, `benchtop keys revoke %s`", want.Name, of, want.Name)
		}
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
