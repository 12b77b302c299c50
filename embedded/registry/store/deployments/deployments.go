// Package deployments keeps deployments and their revisions.
package deployments

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Store keeps deployments.
type Store struct{ db *db.DB }

// New returns the deployments of a database.
func New(d *db.DB) *Store { return &Store{d} }

// EnsureDeployment makes a deployment, unless there is one of that name.
func (s *Store) EnsureDeployment(ctx context.Context, d mlops.Deployment) (mlops.Deployment, error) {
	if err := mlops.ValidateName("deployment", d.Name); err != nil {
		return mlops.Deployment{}, err
	}
	err := s.db.Write(ctx, func(t *db.Tx) error {
		return t.Exec(`INSERT INTO deployments (name, project, model, follows, automatic, created) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`,
			d.Name, d.Project, d.Model, d.Follows, d.Automatic, t.Now)
	})
	if err != nil {
		return mlops.Deployment{}, err
	}
	return s.Deployment(ctx, d.Name)
}

// Deployment returns a deployment by name, with the revision that should be
// served.
func (s *Store) Deployment(ctx context.Context, name string) (mlops.Deployment, error) {
	out, err := s.deployments(ctx, "WHERE d.name = ?", name)
	if err != nil {
		return mlops.Deployment{}, err
	}
	if len(out) == 0 {
		return mlops.Deployment{}, mlops.Errorf(mlops.NotFound, "there is no deployment %q", wire.Head(name))
	}
	return out[0], nil
}

// Deployments returns all deployments by name.
func (s *Store) Deployments(ctx context.Context) ([]mlops.Deployment, error) {
	return s.deployments(ctx, "ORDER BY d.name")
}

func (s *Store) deployments(ctx context.Context, where string, args ...any) (out []mlops.Deployment, err error) {
	err = s.db.Rows(ctx, `SELECT d.id, d.name, d.project, d.model, d.follows, d.automatic, d.pinned, d.paused, d.own, d.replicas, d.deleting, d.created, d.revision FROM deployments d `+where, func(r *sql.Rows) error {
		var d mlops.Deployment
		var created, revision int64
		if err := r.Scan(&d.ID, &d.Name, &d.Project, &d.Model, &d.Follows, &d.Automatic, &d.Pinned, &d.Paused, &d.Own, &d.Replicas, &d.Deleting, &created, &revision); err != nil {
			return err
		}
		d.Namespace, d.CreatedAt = mlops.NamespaceOf(d.Project), time.UnixMilli(created)
		if revision != 0 {
			d.Revision = &mlops.Revision{ID: revision}
		}
		out = append(out, d)
		return nil
	}, args...)
	if err != nil {
		return nil, err
	}
	return out, s.addRevisions(ctx, out)
}

// addRevisions fills in the revisions with known ids, by one query.
func (s *Store) addRevisions(ctx context.Context, ds []mlops.Deployment) error {
	var ids []int64
	for _, d := range ds {
		if d.Revision != nil {
			ids = append(ids, d.Revision.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return fmt.Errorf("list revisions: %w", err)
	}
	found, err := s.revisions(ctx, "WHERE r.id IN (SELECT value FROM json_each(?))", string(list))
	if err != nil {
		return err
	}
	for i, d := range ds {
		if d.Revision == nil {
			continue
		}
		at := slices.IndexFunc(found, func(r mlops.Revision) bool { return r.ID == d.Revision.ID })
		if ds[i].Revision = nil; at >= 0 { // otherwise it was deleted between the two questions
			ds[i].Revision = &found[at]
		}
	}
	return nil
}

// SetDeployment sets whether a deployment is pinned and whether it is paused.
func (s *Store) SetDeployment(ctx context.Context, name string, pinned, paused bool) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		if _, err := findDeployment(t, name); err != nil {
			return err
		}
		return t.Exec("UPDATE deployments SET pinned = ?, paused = ? WHERE name = ?", pinned, paused, name)
	})
}

// deploymentRow is what a transaction needs of a deployment.
type deploymentRow struct {
	id, revision, newest, seen int64
	model, follows             string
	automatic, pinned          bool
	own, deleting              bool
}

func findDeployment(t *db.Tx, name string) (d deploymentRow, err error) {
	found, err := t.Row("SELECT id, revision, newest, seen, model, follows, automatic, pinned, own, deleting FROM deployments WHERE name = ?", []any{name},
		&d.id, &d.revision, &d.newest, &d.seen, &d.model, &d.follows, &d.automatic, &d.pinned, &d.own, &d.deleting)
	if err == nil && !found {
		err = mlops.Errorf(mlops.NotFound, "there is no deployment %q", wire.Head(name))
	}
	return d, err
}
