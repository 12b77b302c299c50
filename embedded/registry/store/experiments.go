package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// artifactScheme is where artifacts go that clients send through this server.
const artifactScheme = "mlflow-artifacts:/"

// ensureDefaultExperiment makes the experiment that clients use if none is
// set: number 0, as MLflow has it.
func (s *Store) ensureDefaultExperiment(ctx context.Context) error {
	found, err := s.row(ctx, "SELECT 1 FROM experiments WHERE id = 0", nil, new(int))
	if err != nil || found {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		return t.exec("INSERT OR IGNORE INTO experiments (id, name, artifact_location, created, updated) VALUES (0, 'Default', ?, ?, ?)", artifactScheme+"0", t.now, t.now)
	})
}

// experimentID reads an experiment's id as clients send it.
func experimentID(id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, invalid("experiment id %q is not a number", head(id))
	}
	return n, nil
}

func validateExperimentName(name string) error {
	if strings.TrimSpace(name) == "" {
		return invalid("the experiment's name must not be empty")
	}
	return validateLength("experiment name", name, wire.MaxExperimentName)
}

func validateExperimentTag(t wire.KV) error {
	if err := validateKey("experiment tag", t.Key); err != nil {
		return err
	}
	return validateLength("experiment tag "+strconv.Quote(t.Key), t.Value, wire.MaxExperimentTag)
}

// CreateExperiment makes an experiment and returns its id. An empty location
// means below this server's artifacts.
func (s *Store) CreateExperiment(ctx context.Context, name, location string, tags []wire.KV) (string, error) {
	if err := validateExperimentName(name); err != nil {
		return "", err
	}
	for _, t := range tags {
		if err := validateExperimentTag(t); err != nil {
			return "", err
		}
	}
	if err := validateLocation(location); err != nil {
		return "", err
	}
	var id int64
	err := s.write(ctx, func(t *tx) (err error) {
		if err := t.experimentNameFree(name); err != nil {
			return err
		}
		id, err = t.insert("INSERT INTO experiments (name, artifact_location, created, updated) VALUES (?, ?, ?, ?)", name, location, t.now, t.now)
		if err != nil {
			return err
		}
		if location == "" {
			if err := t.exec("UPDATE experiments SET artifact_location = ? WHERE id = ?", artifactScheme+strconv.FormatInt(id, 10), id); err != nil {
				return err
			}
		}
		for _, kv := range tags {
			if err := t.exec("INSERT OR REPLACE INTO experiment_tags (exp, key, value) VALUES (?, ?, ?)", id, kv.Key, kv.Value); err != nil {
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
		return invalid("artifact location %q is not a URI: %v", head(location), err)
	}
	if u.Fragment != "" || strings.Contains(location, "#") || u.RawQuery != "" {
		return invalid("artifact location %q must have no query and no fragment", head(location))
	}
	for _, part := range strings.Split(u.Path+"/"+u.Opaque, "/") {
		if part == ".." {
			return invalid("artifact location %q must not contain '..'", head(location))
		}
	}
	return nil
}

func (t *tx) experimentNameFree(name string) error {
	var id int64
	var lifecycle string
	found, err := t.row("SELECT id, lifecycle FROM experiments WHERE name = ?", []any{name}, &id, &lifecycle)
	if err != nil || !found {
		return err
	}
	if lifecycle == wire.Deleted {
		return mlops.Errorf(mlops.Exists, "experiment %q exists, but it is deleted: restore experiment %d, delete it for good with `benchtop registry gc`, or choose another name", name, id)
	}
	return mlops.Errorf(mlops.Exists, "experiment %q already exists: its id is %d", name, id)
}

const experimentColumns = `SELECT e.id, e.name, e.artifact_location, e.lifecycle, e.updated, e.created,
	(SELECT json_group_object(key, value) FROM experiment_tags t WHERE t.exp = e.id)
	FROM experiments e `

func scanExperiment(r *sql.Rows, extra ...any) (wire.Experiment, error) {
	var e wire.Experiment
	var id int64
	var tags string
	if err := r.Scan(append([]any{&id, &e.Name, &e.ArtifactLocation, &e.LifecycleStage, &e.LastUpdateTime, &e.CreationTime, &tags}, extra...)...); err != nil {
		return e, err
	}
	e.ID = strconv.FormatInt(id, 10)
	kvs, err := kvsOf(tags)
	e.Tags = kvs
	return e, err
}

// kvsOf reads a JSON object that SQLite has aggregated; keys are in the order
// of the table they come from, which is sorted.
func kvsOf(object string) ([]wire.KV, error) {
	if object == "{}" {
		return nil, nil
	}
	dec := json.NewDecoder(strings.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("read tags: %w", err)
	}
	var kvs []wire.KV
	for dec.More() {
		k, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("read tags: %w", err)
		}
		v, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("read tags: %w", err)
		}
		ks, _ := k.(string)
		vs, _ := v.(string)
		kvs = append(kvs, wire.KV{Key: ks, Value: vs})
	}
	return kvs, nil
}

// Experiment returns one experiment, deleted or not.
func (s *Store) Experiment(ctx context.Context, id string) (wire.Experiment, error) {
	n, err := experimentID(id)
	if err != nil {
		return wire.Experiment{}, err
	}
	return s.oneExperiment(ctx, "id "+id, experimentColumns+"WHERE e.id = ?", n)
}

// ExperimentByName is Experiment for a name.
func (s *Store) ExperimentByName(ctx context.Context, name string) (wire.Experiment, error) {
	return s.oneExperiment(ctx, strconv.Quote(name), experimentColumns+"WHERE e.name = ?", name)
}

func (s *Store) oneExperiment(ctx context.Context, what, query string, arg any) (e wire.Experiment, err error) {
	found := false
	err = s.rows(ctx, query, func(r *sql.Rows) error {
		found = true
		e, err = scanExperiment(r)
		return err
	}, arg)
	if err == nil && !found {
		err = notFound("there is no experiment with %s", what)
	}
	return e, err
}

// lookUpExperiment returns an experiment's number. It must be active if active is set.
func (t *tx) lookUpExperiment(id string, active bool) (int64, error) {
	n, err := experimentID(id)
	if err != nil {
		return 0, err
	}
	var lifecycle string
	found, err := t.row("SELECT lifecycle FROM experiments WHERE id = ?", []any{n}, &lifecycle)
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, notFound("there is no experiment with id %s", id)
	}
	if active && lifecycle != wire.Active {
		return 0, invalid("experiment %s is deleted: restore it first", id)
	}
	return n, nil
}

// DeleteExperiment marks an experiment and its runs as deleted.
func (s *Store) DeleteExperiment(ctx context.Context, id string) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.lookUpExperiment(id, false)
		if err != nil {
			return err
		}
		if n, err := t.changes("UPDATE experiments SET lifecycle = 'deleted', updated = ? WHERE id = ? AND lifecycle = 'active'", t.now, n); err != nil {
			return err
		} else if n == 0 {
			return notFound("experiment %s is deleted already", id)
		}
		return t.setRunsLifecycle(n, wire.Active, wire.Deleted, t.now)
	})
}

// RestoreExperiment takes DeleteExperiment back.
func (s *Store) RestoreExperiment(ctx context.Context, id string) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.lookUpExperiment(id, false)
		if err != nil {
			return err
		}
		if n, err := t.changes("UPDATE experiments SET lifecycle = 'active', updated = ? WHERE id = ? AND lifecycle = 'deleted'", t.now, n); err != nil {
			return err
		} else if n == 0 {
			return notFound("experiment %s is not deleted", id)
		}
		return t.setRunsLifecycle(n, wire.Deleted, wire.Active, nil)
	})
}

// setRunsLifecycle moves all runs of an experiment. The cached documents of
// all of them go, and so do the writer's rows.
func (t *tx) setRunsLifecycle(exp int64, from, to string, deletedTime any) error {
	if err := t.rows("SELECT id FROM runs WHERE exp = ? AND lifecycle = ?", func(r *sql.Rows) error {
		var id int64
		if err := r.Scan(&id); err != nil {
			return err
		}
		t.dirty = append(t.dirty, id)
		return nil
	}, exp, from); err != nil {
		return err
	}
	t.w.cache.reset()
	return t.exec("UPDATE runs SET lifecycle = ?, deleted_time = ? WHERE exp = ? AND lifecycle = ?", to, deletedTime, exp, from)
}

// RenameExperiment gives an active experiment another name.
func (s *Store) RenameExperiment(ctx context.Context, id, name string) error {
	if err := validateExperimentName(name); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		n, err := t.lookUpExperiment(id, true)
		if err != nil {
			return err
		}
		var same int
		if found, err := t.row("SELECT 1 FROM experiments WHERE id = ? AND name = ?", []any{n, name}, &same); err != nil {
			return err
		} else if !found {
			if err := t.experimentNameFree(name); err != nil {
				return err
			}
		}
		return t.exec("UPDATE experiments SET name = ?, updated = ? WHERE id = ?", name, t.now, n)
	})
}

// appendURI appends path elements to an artifact location, which may have a query.
func appendURI(base string, elems ...string) string {
	root, query, has := strings.Cut(base, "?")
	out := strings.TrimRight(root, "/") + "/" + path.Join(elems...)
	if has {
		out += "?" + query
	}
	return out
}
