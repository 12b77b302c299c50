package deployments

import (
	"context"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// CreateDeployment makes a deployment with its own volume, together with its
// first revision: of the version that its alias points at, of version, or of
// the newest one if neither is given.
func (s *Store) CreateDeployment(ctx context.Context, d mlops.Deployment, version int, act mlops.Act) (mlops.Deployment, error) {
	if err := mlops.ValidateName("deployment", d.Name); err != nil {
		return mlops.Deployment{}, err
	}
	if err := mlops.ValidateReplicas(d.Replicas); err != nil {
		return mlops.Deployment{}, err
	}
	err := s.db.Write(ctx, func(t *db.Tx) error {
		if err := deploymentNameFree(t, d.Name); err != nil {
			return err
		}
		project, err := projectOfModel(t, d.Model)
		if err != nil {
			return err
		}
		first, err := firstVersion(t, d.Model, d.Follows, version)
		if err != nil {
			return err
		}
		seen := int64(0)
		if d.Follows != "" {
			seen = first
		}
		id, err := t.Insert(`INSERT INTO deployments (name, project, model, follows, automatic, own, replicas, newest, seen, created) VALUES (?, ?, ?, ?, 0, 1, ?, ?, ?, ?)`,
			d.Name, project, d.Model, d.Follows, d.Replicas, first, seen, t.Now)
		if err != nil {
			return err
		}
		t.TouchModels()
		_, err = addRevision(t, deploymentRow{id: id, model: d.Model}, first, mlops.RevisionJudging, mlops.CauseDeploy, act)
		return err
	})
	if err != nil {
		return mlops.Deployment{}, err
	}
	return s.Deployment(ctx, d.Name)
}

// deploymentNameFree fails if the name is taken, and says by what. It looks at
// projects too: one that was just added may have no deployment yet.
func deploymentNameFree(t *db.Tx, name string) error {
	var model string
	found, err := t.Row("SELECT model FROM deployments WHERE name = ?", []any{name}, &model)
	if err == nil && !found {
		found, err = t.Row("SELECT name FROM projects WHERE name = ?", []any{name}, &model)
	}
	if err == nil && found {
		err = mlops.Errorf(mlops.Exists, "there is a deployment %s already, of model %q: choose another name", name, wire.Head(model))
	}
	return err
}

// projectOfModel is the project that trains a model, "" if none does.
func projectOfModel(t *db.Tx, model string) (name string, err error) {
	var deleting bool
	found, err := t.Row("SELECT name, deleting FROM projects WHERE name = ?", []any{model}, &name, &deleting)
	if err == nil && found && deleting {
		err = mlops.Errorf(mlops.InvalidState, "project %s is being deleted: try again when it is gone", name)
	}
	return name, err
}

// firstVersion is the version that a new deployment begins with.
func firstVersion(t *db.Tx, model, alias string, version int) (int64, error) {
	var id int64
	var prompt bool
	found, err := t.Row("SELECT id, prompt FROM registered_models WHERE name = ?", []any{model}, &id, &prompt)
	switch {
	case err != nil:
		return 0, err
	case !found:
		return 0, mlops.Errorf(mlops.NotFound, "there is no registered model %q: see the models page, or register one with an MLflow client", wire.Head(model))
	case prompt:
		return 0, mlops.Errorf(mlops.Invalid, "%q is a prompt: only models can be served", wire.Head(model))
	case version != 0:
		return int64(version), nil // addRevision finds out whether it is there
	case alias != "":
		first, err := aliased(t, model, alias)
		if err == nil && first == 0 {
			err = mlops.Errorf(mlops.NotFound, "registered model %q has no alias %q: set it with an MLflow client or on the model's page, or name a version", wire.Head(model), wire.Head(alias))
		}
		return first, err
	}
	var newest int64
	if _, err := t.Row("SELECT coalesce(max(version), 0) FROM model_versions WHERE model = ? AND status = 'READY'", []any{id}, &newest); err != nil {
		return 0, err
	}
	if newest == 0 {
		return 0, mlops.Errorf(mlops.InvalidState, "registered model %q has no version yet that is ready: register one first", wire.Head(model))
	}
	return newest, nil
}

// ResolveVersion finds the version that an alias points at, the one with a
// number, or the newest. It fails if there is none.
func (s *Store) ResolveVersion(ctx context.Context, model, alias string, version int) (int, error) {
	var found int64
	err := s.db.Write(ctx, func(t *db.Tx) (err error) {
		if found, err = firstVersion(t, model, alias, version); err != nil {
			return err
		}
		var id int64
		there, err := t.Row("SELECT v.id FROM model_versions v JOIN registered_models m ON m.id = v.model WHERE m.name = ? AND v.version = ?", []any{model, found}, &id)
		if err == nil && !there {
			err = mlops.Errorf(mlops.NotFound, "registered model %q has no version %d", wire.Head(model), found)
		}
		return err
	})
	return int(found), err
}

// SetReplicas says how many servers a deployment should have.
func (s *Store) SetReplicas(ctx context.Context, name string, replicas int) error {
	if err := mlops.ValidateReplicas(replicas); err != nil {
		return err
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		if _, err := findDeployment(t, name); err != nil {
			return err
		}
		return t.Exec("UPDATE deployments SET replicas = ? WHERE name = ?", replicas, name)
	})
}

// EndDeployment marks a deployment with its own volume as deleting.
// DeleteDeployment removes its row when the cluster has let go of it.
func (s *Store) EndDeployment(ctx context.Context, name string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		d, err := findDeployment(t, name)
		if err != nil {
			return err
		}
		if !d.own {
			return mlops.Errorf(mlops.InvalidState, "deployment %s is its project's: it goes with the project", name)
		}
		return t.Exec("UPDATE deployments SET deleting = 1 WHERE id = ?", d.id)
	})
}

// DeleteDeployment removes the row of a marked deployment, with its history, if
// there is one.
func (s *Store) DeleteDeployment(ctx context.Context, name string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		d, err := findDeployment(t, name)
		if mlops.CodeOf(err) == mlops.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if !d.deleting {
			return mlops.Errorf(mlops.InvalidState, "deployment %s is not being deleted: its row stays", name)
		}
		return t.Exec("DELETE FROM deployments WHERE id = ?", d.id)
	})
}
