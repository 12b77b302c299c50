// Package experiments keeps experiments and their tags.
package experiments

import (
	"context"
	"database/sql"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Store keeps experiments.
type Store struct{ db *db.DB }

// New returns the experiments of a database.
func New(d *db.DB) *Store { return &Store{d} }

// ArtifactScheme is where artifacts go that clients send through this server.
const ArtifactScheme = "mlflow-artifacts:/"

// EnsureDefault makes the experiment that clients use if none is
// set: number 0, as MLflow has it.
func (s *Store) EnsureDefault(ctx context.Context) error {
	found, err := s.db.Row(ctx, "SELECT 1 FROM experiments WHERE id = 0", nil, new(int))
	if err != nil || found {
		return err
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		return t.Exec("INSERT OR IGNORE INTO experiments (id, name, artifact_location, created, updated) VALUES (0, 'Default', ?, ?, ?)", ArtifactScheme+"0", t.Now, t.Now)
	})
}

func validateName(name string) error {
	if strings.TrimSpace(name) == "" {
		return mlops.Errorf(mlops.Invalid, "the experiment's name must not be empty")
	}
	return wire.ValidateLength("experiment name", name, wire.MaxExperimentName)
}

func validateTag(t wire.KV) error {
	if err := wire.ValidateKey("experiment tag", t.Key); err != nil {
		return err
	}
	return wire.ValidateLength("experiment tag "+strconv.Quote(t.Key), t.Value, wire.MaxExperimentTag)
}

// CreateExperiment makes an experiment and returns its id. An empty location
// means below this server's artifacts.
func (s *Store) CreateExperiment(ctx context.Context, name, location string, tags []wire.KV) (string, error) {
	if err := validateName(name); err != nil {
		return "", err
	}
	for _, t := range tags {
		if err := validateTag(t); err != nil {
			return "", err
		}
	}
	if err := validateLocation(location); err != nil {
		return "", err
	}
	var id int64
	err := s.db.Write(ctx, func(t *db.Tx) (err error) {
		if err := nameFree(t, name); err != nil {
			return err
		}
		id, err = t.Insert("INSERT INTO experiments (name, artifact_location, created, updated) VALUES (?, ?, ?, ?)", name, location, t.Now, t.Now)
		if err != nil {
			return err
		}
		if location == "" {
			if err := t.Exec("UPDATE experiments SET artifact_location = ? WHERE id = ?", ArtifactScheme+strconv.FormatInt(id, 10), id); err != nil {
				return err
			}
		}
		for _, kv := range tags {
			if err := t.Exec("INSERT OR REPLACE INTO experiment_tags (exp, key, value) VALUES (?, ?, ?)", id, kv.Key, kv.Value); err != nil {
				return err
			}
		}
		return nil
	})
	return strconv.FormatInt(id, 10), err
}

// validateLocation refuses addresses that would be read as something else.
func validateLocation(location string) error {
	if location == "" {
		return nil
	}
	u, err := url.Parse(location)
	if err != nil {
		return mlops.Errorf(mlops.Invalid, "artifact location %q is not a URI: %v", wire.Head(location), err)
	}
	if u.Fragment != "" || strings.Contains(location, "#") || u.RawQuery != "" {
		return mlops.Errorf(mlops.Invalid, "artifact location %q must have no query and no fragment", wire.Head(location))
	}
	for _, part := range strings.Split(u.Path+"/"+u.Opaque, "/") {
		if part == ".." {
			return mlops.Errorf(mlops.Invalid, "artifact location %q must not contain '..'", wire.Head(location))
		}
	}
	return nil
}

func nameFree(t *db.Tx, name string) error {
	var id int64
	var lifecycle string
	found, err := t.Row("SELECT id, lifecycle FROM experiments WHERE name = ?", []any{name}, &id, &lifecycle)
	if err != nil || !found {
		return err
	}
	if lifecycle == wire.Deleted {
		return mlops.Errorf(mlops.Exists, "experiment %q exists, but it is deleted: restore experiment %d, delete it for good with `benchtop registry gc`, or choose another name", name, id)
	}
	return mlops.Errorf(mlops.Exists, "experiment %q already exists: its id is %d", name, id)
}

const columns = `SELECT e.id, e.name, e.artifact_location, e.lifecycle, e.updated, e.created,
	(SELECT json_group_object(key, value) FROM experiment_tags t WHERE t.exp = e.id)
	FROM experiments e `

func scan(r *sql.Rows, extra ...any) (wire.Experiment, error) {
	var e wire.Experiment
	var id int64
	var tags string
	if err := r.Scan(append([]any{&id, &e.Name, &e.ArtifactLocation, &e.LifecycleStage, &e.LastUpdateTime, &e.CreationTime, &tags}, extra...)...); err != nil {
		return e, err
	}
	e.ID = strconv.FormatInt(id, 10)
	kvs, err := db.KVsOf(tags)
	e.Tags = kvs
	return e, err
}

// Experiment returns one experiment, deleted or not.
func (s *Store) Experiment(ctx context.Context, id string) (wire.Experiment, error) {
	n, err := wire.ExperimentNumber(id)
	if err != nil {
		return wire.Experiment{}, err
	}
	return s.one(ctx, "id "+id, columns+"WHERE e.id = ?", n)
}

// ExperimentByName is Experiment for a name.
func (s *Store) ExperimentByName(ctx context.Context, name string) (wire.Experiment, error) {
	return s.one(ctx, strconv.Quote(name), columns+"WHERE e.name = ?", name)
}

func (s *Store) one(ctx context.Context, what, query string, arg any) (e wire.Experiment, err error) {
	found := false
	err = s.db.Rows(ctx, query, func(r *sql.Rows) error {
		found = true
		e, err = scan(r)
		return err
	}, arg)
	if err == nil && !found {
		err = mlops.Errorf(mlops.NotFound, "there is no experiment with %s", what)
	}
	return e, err
}

// LookUp returns an experiment's number. It must be active if active is set.
func LookUp(t *db.Tx, id string, active bool) (int64, error) {
	n, err := wire.ExperimentNumber(id)
	if err != nil {
		return 0, err
	}
	var lifecycle string
	found, err := t.Row("SELECT lifecycle FROM experiments WHERE id = ?", []any{n}, &lifecycle)
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, mlops.Errorf(mlops.NotFound, "there is no experiment with id %s", id)
	}
	if active && lifecycle != wire.Active {
		return 0, mlops.Errorf(mlops.Invalid, "experiment %s is deleted: restore it first", id)
	}
	return n, nil
}

// DeleteExperiment marks an experiment and its runs as deleted.
func (s *Store) DeleteExperiment(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		n, err := LookUp(t, id, false)
		if err != nil {
			return err
		}
		if n, err := t.Changes("UPDATE experiments SET lifecycle = 'deleted', updated = ? WHERE id = ? AND lifecycle = 'active'", t.Now, n); err != nil {
			return err
		} else if n == 0 {
			return mlops.Errorf(mlops.NotFound, "experiment %s is deleted already", id)
		}
		return setRunsLifecycle(t, n, wire.Active, wire.Deleted, t.Now)
	})
}

// RestoreExperiment takes DeleteExperiment back.
func (s *Store) RestoreExperiment(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		n, err := LookUp(t, id, false)
		if err != nil {
			return err
		}
		if n, err := t.Changes("UPDATE experiments SET lifecycle = 'active', updated = ? WHERE id = ? AND lifecycle = 'deleted'", t.Now, n); err != nil {
			return err
		} else if n == 0 {
			return mlops.Errorf(mlops.NotFound, "experiment %s is not deleted", id)
		}
		return setRunsLifecycle(t, n, wire.Deleted, wire.Active, nil)
	})
}

// setRunsLifecycle moves all runs of an experiment. The cached documents of
// all of them go, and so do the writer's rows.
func setRunsLifecycle(t *db.Tx, exp int64, from, to string, deletedTime any) error {
	if err := t.Rows("SELECT id FROM runs WHERE exp = ? AND lifecycle = ?", func(r *sql.Rows) error {
		var id int64
		if err := r.Scan(&id); err != nil {
			return err
		}
		t.Stale(id)
		return nil
	}, exp, from); err != nil {
		return err
	}
	t.Forget()
	return t.Exec("UPDATE runs SET lifecycle = ?, deleted_time = ? WHERE exp = ? AND lifecycle = ?", to, deletedTime, exp, from)
}

// RenameExperiment gives an active experiment another name.
func (s *Store) RenameExperiment(ctx context.Context, id, name string) error {
	if err := validateName(name); err != nil {
		return err
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		n, err := LookUp(t, id, true)
		if err != nil {
			return err
		}
		var same int
		if found, err := t.Row("SELECT 1 FROM experiments WHERE id = ? AND name = ?", []any{n, name}, &same); err != nil {
			return err
		} else if !found {
			if err := nameFree(t, name); err != nil {
				return err
			}
		}
		return t.Exec("UPDATE experiments SET name = ?, updated = ? WHERE id = ?", name, t.Now, n)
	})
}

// AppendURI appends path elements to an artifact location, which may have a query.
func AppendURI(base string, elems ...string) string {
	root, query, has := strings.Cut(base, "?")
	out := strings.TrimRight(root, "/") + "/" + path.Join(elems...)
	if has {
		out += "?" + query
	}
	return out
}
