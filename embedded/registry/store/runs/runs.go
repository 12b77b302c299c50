// Package runs keeps runs and what they log: params, metrics with their
// history, tags, inputs and outputs.
package runs

import (
	"context"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/experiments"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Store keeps runs and what they log. Its methods may be called concurrently.
type Store struct {
	db          *db.DB
	experiments *experiments.Store
	search      *search.Runs
	cache       *runCache // of the writer
	docs        *docCache
}

// New returns the runs of a database. Call it before the first write.
func New(d *db.DB, exps *experiments.Store) *Store {
	s := &Store{db: d, experiments: exps, search: search.NewRuns(d), cache: newRunCache(), docs: newDocCache(8 << 20)}
	d.OnUndo(s.cache.reset)
	d.OnStale(func(runs []int64) { s.docs.drop(runs) })
	return s
}

// NewRun is what CreateRun needs.
type NewRun struct {
	ExperimentID string
	UserID       string
	Name         string
	StartTime    int64 // milliseconds since the epoch; now if zero
	Tags         []wire.KV
}

// CreateRun starts a run. A run without a name gets one.
func (s *Store) CreateRun(ctx context.Context, n NewRun) (*wire.Run, error) {
	tagName := ""
	if err := wire.ValidateTags(n.Tags); err != nil {
		return nil, err
	}
	for _, t := range n.Tags {
		if t.Key == wire.TagRunName {
			tagName = t.Value
		}
	}
	switch {
	case n.Name != "" && tagName != "" && n.Name != tagName:
		return nil, mlops.Errorf(mlops.Invalid, "the run's name is %q, but its tag %s says %q: send one of them, or the same in both", wire.Head(n.Name), wire.TagRunName, wire.Head(tagName))
	case n.Name == "":
		n.Name = tagName
	}
	if n.Name == "" {
		n.Name = db.RandomName()
	}
	if err := wire.ValidateLength("run name", n.Name, wire.MaxRunName); err != nil {
		return nil, err
	}
	if n.ExperimentID == "" {
		n.ExperimentID = "0"
	}
	runID := db.NewID()
	var id int64
	err := s.db.Write(ctx, func(t *db.Tx) error {
		exp, err := experiments.LookUp(t, n.ExperimentID, true)
		if err != nil {
			return err
		}
		var location string
		if _, err := t.Row("SELECT artifact_location FROM experiments WHERE id = ?", []any{exp}, &location); err != nil {
			return err
		}
		if n.StartTime == 0 {
			n.StartTime = t.Now
		}
		id, err = t.Insert("INSERT INTO runs (run_id, exp, name, user_id, status, start_time, artifact_uri) VALUES (?, ?, ?, ?, 'RUNNING', ?, ?)",
			runID, exp, n.Name, n.UserID, n.StartTime, experiments.AppendURI(location, runID, "artifacts"))
		if err != nil {
			return err
		}
		row := &runRow{id: id, exp: exp, runID: runID, lifecycle: wire.Active, latest: map[string]*latestRow{}}
		s.cache.put(row)
		for _, kv := range n.Tags {
			if err := putTag(t, row, kv); err != nil {
				return err
			}
		}
		if tagName == "" {
			return putTag(t, row, wire.KV{Key: wire.TagRunName, Value: n.Name})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.RunByID(ctx, runID)
}

// find returns the row of a run. It goes through the cache, because every
// metric needs it.
func (s *Store) find(t *db.Tx, runID string) (*runRow, error) {
	if r, ok := s.cache.runs[runID]; ok {
		return r, nil
	}
	r := &runRow{runID: runID, latest: map[string]*latestRow{}}
	found, err := t.Row("SELECT id, exp, lifecycle FROM runs WHERE run_id = ?", []any{runID}, &r.id, &r.exp, &r.lifecycle)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, mlops.Errorf(mlops.NotFound, "there is no run with id %q", wire.Head(runID))
	}
	s.cache.put(r)
	return r, nil
}

// Check fails unless there is the run, deleted or not.
func (s *Store) Check(t *db.Tx, runID string) error {
	_, err := s.find(t, runID)
	return err
}

// active is find, and refuses deleted runs. The run counts as changed.
func (s *Store) active(t *db.Tx, runID string) (*runRow, error) {
	r, err := s.find(t, runID)
	if err != nil {
		return nil, err
	}
	if r.lifecycle != wire.Active {
		return nil, mlops.Errorf(mlops.Invalid, "run %s is deleted: restore it before changing it", runID)
	}
	t.Stale(r.id)
	return r, nil
}

// RunUpdate changes the fields that are not nil.
type RunUpdate struct {
	Status  *string
	EndTime *int64
	Name    *string
}

// validStatus reports whether s is a run status of the protocol.
func validStatus(s string) bool {
	switch s {
	case "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED":
		return true
	}
	return false
}

// UpdateRun changes a run's status, end or name and returns it.
func (s *Store) UpdateRun(ctx context.Context, runID string, u RunUpdate) (wire.RunInfo, error) {
	if u.Status != nil && !validStatus(*u.Status) {
		return wire.RunInfo{}, mlops.Errorf(mlops.Invalid, "run status %q is not known: expected RUNNING, SCHEDULED, FINISHED, FAILED or KILLED", wire.Head(*u.Status))
	}
	if u.Name != nil {
		if err := wire.ValidateLength("run name", *u.Name, wire.MaxRunName); err != nil {
			return wire.RunInfo{}, err
		}
	}
	err := s.db.Write(ctx, func(t *db.Tx) error {
		r, err := s.active(t, runID)
		if err != nil {
			return err
		}
		if u.Status != nil {
			if err := t.Exec("UPDATE runs SET status = ? WHERE id = ?", *u.Status, r.id); err != nil {
				return err
			}
			t.TouchModels() // gates wait for the end of a run
		}
		if u.EndTime != nil {
			if err := t.Exec("UPDATE runs SET end_time = ? WHERE id = ?", *u.EndTime, r.id); err != nil {
				return err
			}
		}
		if u.Name != nil && *u.Name != "" {
			if err := t.Exec("UPDATE runs SET name = ? WHERE id = ?", *u.Name, r.id); err != nil {
				return err
			}
			return putTag(t, r, wire.KV{Key: wire.TagRunName, Value: *u.Name})
		}
		return nil
	})
	if err != nil {
		return wire.RunInfo{}, err
	}
	run, err := s.RunByID(ctx, runID)
	if err != nil {
		return wire.RunInfo{}, err
	}
	return run.Info, nil
}

// DeleteRun marks a run as deleted.
func (s *Store) DeleteRun(ctx context.Context, runID string) error {
	return s.setRunLifecycle(ctx, runID, wire.Active, wire.Deleted)
}

// RestoreRun takes DeleteRun back.
func (s *Store) RestoreRun(ctx context.Context, runID string) error {
	return s.setRunLifecycle(ctx, runID, wire.Deleted, wire.Active)
}

func (s *Store) setRunLifecycle(ctx context.Context, runID, from, to string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		r, err := s.find(t, runID)
		if err != nil {
			return err
		}
		if r.lifecycle != from {
			// Repeating it is no error: the client may have lost the answer.
			return nil
		}
		var deleted any
		if to == wire.Deleted {
			deleted = t.Now
		}
		t.Stale(r.id)
		r.lifecycle = to
		return t.Exec("UPDATE runs SET lifecycle = ?, deleted_time = ? WHERE id = ?", to, deleted, r.id)
	})
}

// putTag sets a tag. The tag of the run's name renames the run, too.
func putTag(t *db.Tx, r *runRow, kv wire.KV) error {
	if err := t.Exec("INSERT INTO tags (run, key, exp, value) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", r.id, kv.Key, r.exp, kv.Value); err != nil {
		return err
	}
	if kv.Key == wire.TagRunName {
		return t.Exec("UPDATE runs SET name = ? WHERE id = ? AND name <> ?", kv.Value, r.id, kv.Value)
	}
	return nil
}

// SetTag sets a tag of a run.
func (s *Store) SetTag(ctx context.Context, runID string, kv wire.KV) error {
	if err := wire.ValidateTags([]wire.KV{kv}); err != nil {
		return err
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		r, err := s.active(t, runID)
		if err != nil {
			return err
		}
		return putTag(t, r, kv)
	})
}

// DeleteTag removes a tag of a run.
func (s *Store) DeleteTag(ctx context.Context, runID, key string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		r, err := s.active(t, runID)
		if err != nil {
			return err
		}
		n, err := t.Changes("DELETE FROM tags WHERE run = ? AND key = ?", r.id, key)
		if err == nil && n == 0 {
			return mlops.Errorf(mlops.NotFound, "run %s has no tag %q", runID, wire.Head(key))
		}
		return err
	})
}

// SearchRunDocs returns a page of runs; next is "" on the last one.
func (s *Store) SearchRunDocs(ctx context.Context, q search.RunQuery) (runs []*wire.Run, next string, err error) {
	ids, next, err := s.search.Page(ctx, q)
	if err != nil {
		return nil, "", err
	}
	runs, err = s.documents(ctx, ids)
	return runs, next, err
}

// RunByID returns one run, deleted or not.
func (s *Store) RunByID(ctx context.Context, runID string) (*wire.Run, error) {
	var id int64
	found, err := s.db.Row(ctx, "SELECT id FROM runs WHERE run_id = ?", []any{runID}, &id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, mlops.Errorf(mlops.NotFound, "there is no run with id %q", wire.Head(runID))
	}
	runs, err := s.documents(ctx, []int64{id})
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		return nil, mlops.Errorf(mlops.NotFound, "there is no run with id %q", wire.Head(runID))
	}
	return runs[0], nil
}
