package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// PutProject makes a project, or changes the one of that name.
func (s *Store) PutProject(ctx context.Context, p mlops.Project) (mlops.Project, error) {
	if err := mlops.ValidateName("project", p.Name); err != nil {
		return mlops.Project{}, err
	}
	if err := mlops.ValidateName("dataset", p.Dataset); err != nil {
		return mlops.Project{}, err
	}
	if p.TimeZone == "" {
		p.TimeZone = "UTC"
	}
	err := s.write(ctx, func(t *tx) error {
		return t.exec(`INSERT INTO projects (name, dataset, schedule, time_zone, node, created) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET dataset = excluded.dataset, schedule = excluded.schedule, time_zone = excluded.time_zone, node = excluded.node`,
			p.Name, p.Dataset, p.Schedule, p.TimeZone, p.Node, t.now)
	})
	if err != nil {
		return mlops.Project{}, err
	}
	return s.Project(ctx, p.Name)
}

// Project returns a project by name.
func (s *Store) Project(ctx context.Context, name string) (mlops.Project, error) {
	out, err := s.projects(ctx, "WHERE name = ?", name)
	if err != nil {
		return mlops.Project{}, err
	}
	if len(out) == 0 {
		return mlops.Project{}, notFound("there is no project %q", head(name))
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
	return s.write(ctx, func(t *tx) error {
		id, err := t.projectID(project)
		if err != nil {
			return err
		}
		return t.exec("UPDATE projects SET gates = ? WHERE id = ?", string(b), id)
	})
}

// Projects returns all projects by name.
func (s *Store) Projects(ctx context.Context) ([]mlops.Project, error) {
	return s.projects(ctx, "ORDER BY name")
}

func (s *Store) projects(ctx context.Context, where string, args ...any) (out []mlops.Project, err error) {
	err = s.rows(ctx, "SELECT id, name, dataset, schedule, time_zone, node, gates, created FROM projects "+where, func(r *sql.Rows) error {
		var p mlops.Project
		var created int64
		var gates string
		if err := r.Scan(&p.ID, &p.Name, &p.Dataset, &p.Schedule, &p.TimeZone, &p.Node, &gates, &created); err != nil {
			return err
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
