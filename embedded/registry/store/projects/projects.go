// Package projects keeps projects and their trainings, and what the loop
// remembers besides.
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

// Store keeps projects and trainings.
type Store struct{ db *db.DB }

// New returns the projects and trainings of a database.
func New(d *db.DB) *Store { return &Store{d} }

// PutProject makes or changes a project.
func (s *Store) PutProject(ctx context.Context, p mlops.Project) (mlops.Project, error) {
	write, err := putProject(p)
	if err != nil {
		return mlops.Project{}, err
	}
	if err := s.db.Write(ctx, write); err != nil {
		return mlops.Project{}, err
	}
	return s.Project(ctx, p.Name)
}

// Push makes or changes a project that has code of its own, and requests its
// training, both or neither.
func (s *Store) Push(ctx context.Context, p mlops.Project) (out mlops.Pushed, err error) {
	if p.Code == nil {
		return out, mlops.Errorf(mlops.Invalid, "project %s has no code that could be pushed", p.Name)
	}
	write, err := putProject(p)
	if err != nil {
		return out, err
	}
	var training int64
	if err := s.db.Write(ctx, func(t *db.Tx) error {
		err := write(t)
		if err == nil {
			training, err = requestTraining(t, p.Name, mlops.TriggerPush)
		}
		return err
	}); err != nil {
		return out, err
	}
	if out.Project, err = s.Project(ctx, p.Name); err != nil {
		return out, err
	}
	out.Training, err = s.Training(ctx, training)
	return out, err
}

// putProject checks a project and returns what writes it.
func putProject(p mlops.Project) (func(*db.Tx) error, error) {
	if err := mlops.ValidateName("project", p.Name); err != nil {
		return nil, err
	}
	if p.Name == mlops.ModelsNamespace {
		return nil, mlops.Errorf(mlops.Invalid, "a project cannot be named %q: that namespace holds the deployments of models without a project", p.Name)
	}
	code := []byte{}
	if p.Code == nil {
		if err := mlops.ValidateName("dataset", p.Dataset); err != nil {
			return nil, err
		}
	} else {
		if p.Dataset != "" || !mlops.IsSHA256(p.Code.SHA256) {
			return nil, mlops.Errorf(mlops.Invalid, "project %s has code of its own: expected its digest and no dataset, found %q and dataset %q", p.Name, wire.Head(p.Code.SHA256), p.Dataset)
		}
		var err error
		if code, err = json.Marshal(p.Code); err != nil {
			return nil, fmt.Errorf("encode code: %w", err)
		}
	}
	if p.TimeZone == "" {
		p.TimeZone = "UTC"
	}
	gpu, err := json.Marshal(p.GPU)
	if err != nil {
		return nil, fmt.Errorf("encode GPUs: %w", err)
	}
	resources, err := json.Marshal(p.Resources)
	if err != nil {
		return nil, fmt.Errorf("encode resources: %w", err)
	}
	environment := []byte("{}")
	if len(p.Environment) > 0 {
		if environment, err = json.Marshal(p.Environment); err != nil {
			return nil, fmt.Errorf("encode environment: %w", err)
		}
	}
	return func(t *db.Tx) error {
		return t.Exec(`INSERT INTO projects (name, dataset, code, code_environment, schedule, time_zone, params, resources, gpu, environment,
				edited_schedule, edited_time_zone, edited_params, edited_resources, edited_environment, node, deleting, created)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET dataset = excluded.dataset, code = excluded.code, code_environment = excluded.code_environment, schedule = excluded.schedule, time_zone = excluded.time_zone, params = excluded.params,
				resources = excluded.resources, gpu = excluded.gpu, environment = excluded.environment,
				edited_schedule = excluded.edited_schedule, edited_time_zone = excluded.edited_time_zone, edited_params = excluded.edited_params,
				edited_resources = excluded.edited_resources, edited_environment = excluded.edited_environment,
				node = excluded.node, deleting = excluded.deleting`,
			p.Name, p.Dataset, string(code), p.CodeEnvironment, p.Schedule, p.TimeZone, string(p.Params), string(resources), string(gpu), string(environment),
			p.Edited.Schedule, p.Edited.TimeZone, p.Edited.Params, p.Edited.Resources, p.Edited.Environment, p.Node, p.Deleting, t.Now)
	}, nil
}

// DeleteProject removes a project that is marked as deleting, and its
// trainings, if it is there. Its runs, models and datasets stay.
func (s *Store) DeleteProject(ctx context.Context, name string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		var id int64
		var deleting bool
		found, err := t.Row("SELECT id, deleting FROM projects WHERE name = ?", []any{name}, &id, &deleting)
		if err != nil || !found {
			return err
		}
		if !deleting {
			return mlops.Errorf(mlops.InvalidState, "project %s is not being deleted: its row stays", name)
		}
		if err := t.Exec("DELETE FROM trainings WHERE project = ?", id); err != nil {
			return err
		}
		if err := t.Exec("DELETE FROM deployments WHERE project = ?", name); err != nil {
			return err
		}
		return t.Exec("DELETE FROM projects WHERE id = ?", id)
	})
}

// Project returns a project by name.
func (s *Store) Project(ctx context.Context, name string) (mlops.Project, error) {
	out, err := s.projects(ctx, "WHERE name = ?", name)
	if err != nil {
		return mlops.Project{}, err
	}
	if len(out) == 0 {
		return mlops.Project{}, mlops.Errorf(mlops.NotFound, "there is no project %q", wire.Head(name))
	}
	return out[0], nil
}

// SetGates says what versions of a project's model must pass.
func (s *Store) SetGates(ctx context.Context, project string, g mlops.Gates) error {
	if err := g.Validate(); err != nil {
		return err
	}
	b, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encode gates: %w", err)
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		id, err := findProject(t, project)
		if err != nil {
			return err
		}
		t.TouchModels() // versions may have waited for this
		return t.Exec("UPDATE projects SET gates = ? WHERE id = ?", string(b), id)
	})
}

// Projects returns all projects by name.
func (s *Store) Projects(ctx context.Context) ([]mlops.Project, error) {
	return s.projects(ctx, "ORDER BY name")
}

func (s *Store) projects(ctx context.Context, where string, args ...any) (out []mlops.Project, err error) {
	err = s.db.Rows(ctx, `SELECT id, name, dataset, code, code_environment, schedule, time_zone, params, resources, gpu, environment,
			edited_schedule, edited_time_zone, edited_params, edited_resources, edited_environment, node, deleting, gates, created
		FROM projects `+where, func(r *sql.Rows) error {
		var p mlops.Project
		var created int64
		var code, resources, gpu, environment, gates string
		if err := r.Scan(&p.ID, &p.Name, &p.Dataset, &code, &p.CodeEnvironment, &p.Schedule, &p.TimeZone, (*string)(&p.Params), &resources, &gpu, &environment,
			&p.Edited.Schedule, &p.Edited.TimeZone, &p.Edited.Params, &p.Edited.Resources, &p.Edited.Environment, &p.Node, &p.Deleting, &gates, &created); err != nil {
			return err
		}
		if code != "" {
			if err := json.Unmarshal([]byte(code), &p.Code); err != nil {
				return fmt.Errorf("decode code of project %s: %w", p.Name, err)
			}
		}
		if err := json.Unmarshal([]byte(resources), &p.Resources); err != nil {
			return fmt.Errorf("decode resources of project %s: %w", p.Name, err)
		}
		if err := json.Unmarshal([]byte(gpu), &p.GPU); err != nil {
			return fmt.Errorf("decode GPUs of project %s: %w", p.Name, err)
		}
		var err error
		if p.Environment, err = mlops.ParseVariables(environment); err != nil {
			return fmt.Errorf("decode environment of project %s: %w", p.Name, err)
		}
		if err := json.Unmarshal([]byte(gates), &p.Gates); err != nil {
			return fmt.Errorf("decode gates of project %s: %w", p.Name, err)
		}
		p.CreatedAt = time.UnixMilli(created)
		out = append(out, p)
		return nil
	}, args...)
	return out, err
}

// LoopFact returns what the loop remembers under a key, "" if nothing.
func (s *Store) LoopFact(ctx context.Context, key string) (value string, err error) {
	err = s.db.Rows(ctx, "SELECT value FROM loop_facts WHERE key = ?", func(r *sql.Rows) error { return r.Scan(&value) }, key)
	return value, err
}

// SetLoopFact remembers a value under a key.
func (s *Store) SetLoopFact(ctx context.Context, key, value string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		return t.Exec("INSERT INTO loop_facts (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
	})
}
