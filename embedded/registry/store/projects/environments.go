package projects

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// PutEnvironment keeps an environment of a project. One that was asked for before
// is replaced.
func (s *Store) PutEnvironment(ctx context.Context, e mlops.CodeEnvironment) (mlops.CodeEnvironment, error) {
	for what, sha := range map[string]string{"request": e.Request, "lock": e.LockSHA256, "layer": e.LayerSHA256, "layer's request": e.LayerOf} {
		if !mlops.IsSHA256(sha) {
			return e, mlops.Errorf(mlops.Invalid, "the %s of an environment of project %s is %q: expected a digest of 64 lower-case hex digits", what, e.Project, wire.Head(sha))
		}
	}
	packages, err := json.Marshal(e.Packages)
	if err != nil {
		return e, fmt.Errorf("encode packages: %w", err)
	}
	kept, err := json.Marshal(e.Kept)
	if err != nil {
		return e, fmt.Errorf("encode packages: %w", err)
	}
	if err := s.db.Write(ctx, func(t *db.Tx) error {
		project, err := findProject(t, e.Project)
		if err != nil {
			return err
		}
		return t.Exec(`INSERT INTO environments (project, request, lock, base, layer, bytes, layer_of, packages, kept, text, created)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (project, request) DO UPDATE SET lock = excluded.lock, base = excluded.base, layer = excluded.layer, bytes = excluded.bytes,
				layer_of = excluded.layer_of, packages = excluded.packages, kept = excluded.kept, text = excluded.text, created = excluded.created`,
			project, e.Request, e.LockSHA256, e.Base, e.LayerSHA256, e.LayerBytes, e.LayerOf, string(packages), string(kept), e.Lock, t.Now)
	}); err != nil {
		return e, err
	}
	return s.Environment(ctx, e.Project, e.Request)
}

// Environment returns what a project's code got when it made a request.
func (s *Store) Environment(ctx context.Context, project, request string) (mlops.CodeEnvironment, error) {
	out, err := s.environments(ctx, "WHERE p.name = ? AND e.request = ?", project, request)
	if err != nil {
		return mlops.CodeEnvironment{}, err
	}
	if len(out) == 0 {
		return mlops.CodeEnvironment{}, mlops.Errorf(mlops.NotFound, "project %s has no environment %q", wire.Head(project), wire.Head(request))
	}
	return out[0], nil
}

// Environments returns the environments of a project, the newest first.
func (s *Store) Environments(ctx context.Context, project string) ([]mlops.CodeEnvironment, error) {
	return s.environments(ctx, "WHERE p.name = ? ORDER BY e.created DESC, e.id DESC", project)
}

func (s *Store) environments(ctx context.Context, where string, args ...any) (out []mlops.CodeEnvironment, err error) {
	err = s.db.Rows(ctx, `SELECT e.id, p.name, e.request, e.lock, e.base, e.layer, e.bytes, e.layer_of, e.packages, e.kept, e.text, e.created
		FROM environments e JOIN projects p ON p.id = e.project `+where, func(r *sql.Rows) error {
		var e mlops.CodeEnvironment
		var packages, kept string
		var created int64
		if err := r.Scan(&e.ID, &e.Project, &e.Request, &e.LockSHA256, &e.Base, &e.LayerSHA256, &e.LayerBytes, &e.LayerOf, &packages, &kept, &e.Lock, &created); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(packages), &e.Packages); err != nil {
			return fmt.Errorf("decode packages of environment %d: %w", e.ID, err)
		}
		if err := json.Unmarshal([]byte(kept), &e.Kept); err != nil {
			return fmt.Errorf("decode packages of environment %d: %w", e.ID, err)
		}
		e.CreatedAt = time.UnixMilli(created)
		out = append(out, e)
		return nil
	}, args...)
	return out, err
}

// DropEnvironment removes the row of an environment. One that is not there is no
// error.
func (s *Store) DropEnvironment(ctx context.Context, id int64) error {
	return s.db.Write(ctx, func(t *db.Tx) error { return t.Exec("DELETE FROM environments WHERE id = ?", id) })
}

// TrainIn has a training that has no outcome start again in an environment of its
// project, "" for the lab's Python as it is, and the project's later ones with it.
func (s *Store) TrainIn(ctx context.Context, training int64, request string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		var state mlops.TrainingState
		var project int64
		found, err := t.Row("SELECT state, project FROM trainings WHERE id = ?", []any{training}, (*string)(&state), &project)
		if err != nil {
			return err
		}
		if !found {
			return mlops.Errorf(mlops.NotFound, "there is no training %d", training)
		}
		if state.Terminal() {
			return mlops.Errorf(mlops.InvalidState, "training %d is %s and cannot start again", training, state)
		}
		if err := t.Exec("UPDATE trainings SET state = ?, message = '', environment = ? WHERE id = ?", string(mlops.TrainingRequested), request, training); err != nil {
			return err
		}
		return t.Exec("UPDATE projects SET code_environment = ? WHERE id = ?", request, project)
	})
}
