package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// tagRunName is the tag that carries a run's name, for clients older than
// the field.
const tagRunName = "mlflow.runName"

// NewRun is what CreateRun needs.
type NewRun struct {
	ExperimentID string
	UserID       string
	Name         string
	StartTime    int64 // milliseconds since the epoch; now if zero
	Tags         []wire.KV
}

// newID returns 32 random hex digits.
func newID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // does not happen: the runtime ends the program first
	}
	return hex.EncodeToString(b[:])
}

// CreateRun starts a run. A run without a name gets one.
func (s *Store) CreateRun(ctx context.Context, n NewRun) (*wire.Run, error) {
	tagName := ""
	if err := validateTags(n.Tags); err != nil {
		return nil, err
	}
	for _, t := range n.Tags {
		if t.Key == tagRunName {
			tagName = t.Value
		}
	}
	switch {
	case n.Name != "" && tagName != "" && n.Name != tagName:
		return nil, invalid("the run's name is %q, but its tag %s says %q: send one of them, or the same in both", head(n.Name), tagRunName, head(tagName))
	case n.Name == "":
		n.Name = tagName
	}
	if n.Name == "" {
		n.Name = randomName()
	}
	if err := validateLength("run name", n.Name, wire.MaxRunName); err != nil {
		return nil, err
	}
	if n.ExperimentID == "" {
		n.ExperimentID = "0"
	}
	runID := newID()
	var id int64
	err := s.write(ctx, func(t *tx) error {
		exp, err := t.lookUpExperiment(n.ExperimentID, true)
		if err != nil {
			return err
		}
		var location string
		if _, err := t.row("SELECT artifact_location FROM experiments WHERE id = ?", []any{exp}, &location); err != nil {
			return err
		}
		if n.StartTime == 0 {
			n.StartTime = t.now
		}
		id, err = t.insert("INSERT INTO runs (run_id, exp, name, user_id, status, start_time, artifact_uri) VALUES (?, ?, ?, ?, 'RUNNING', ?, ?)",
			runID, exp, n.Name, n.UserID, n.StartTime, appendURI(location, runID, "artifacts"))
		if err != nil {
			return err
		}
		row := &runRow{id: id, exp: exp, runID: runID, lifecycle: wire.Active, latest: map[string]*latestRow{}}
		t.w.cache.put(row)
		for _, kv := range n.Tags {
			if err := t.putTag(row, kv); err != nil {
				return err
			}
		}
		if tagName == "" {
			return t.putTag(row, wire.KV{Key: tagRunName, Value: n.Name})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.RunByID(ctx, runID)
}

// run returns the row of a run; found through the cache, as it is needed for
// every metric.
func (t *tx) run(runID string) (*runRow, error) {
	if r, ok := t.w.cache.runs[runID]; ok {
		return r, nil
	}
	r := &runRow{runID: runID, latest: map[string]*latestRow{}}
	found, err := t.row("SELECT id, exp, lifecycle FROM runs WHERE run_id = ?", []any{runID}, &r.id, &r.exp, &r.lifecycle)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("there is no run with id %q", head(runID))
	}
	t.w.cache.put(r)
	return r, nil
}

// activeRun is run, and refuses deleted runs. The run counts as changed.
func (t *tx) activeRun(runID string) (*runRow, error) {
	r, err := t.run(runID)
	if err != nil {
		return nil, err
	}
	if r.lifecycle != wire.Active {
		return nil, invalid("run %s is deleted: restore it before changing it", runID)
	}
	t.dirty = append(t.dirty, r.id)
	return r, nil
}

// RunUpdate changes what is not nil.
type RunUpdate struct {
	Status  *string
	EndTime *int64
	Name    *string
}

// ValidRunStatus reports whether s is a run status of the protocol.
func ValidRunStatus(s string) bool {
	switch s {
	case "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED":
		return true
	}
	return false
}

// UpdateRun changes a run's status, end or name and returns it.
func (s *Store) UpdateRun(ctx context.Context, runID string, u RunUpdate) (wire.RunInfo, error) {
	if u.Status != nil && !ValidRunStatus(*u.Status) {
		return wire.RunInfo{}, invalid("run status %q is not known: expected RUNNING, SCHEDULED, FINISHED, FAILED or KILLED", head(*u.Status))
	}
	if u.Name != nil {
		if err := validateLength("run name", *u.Name, wire.MaxRunName); err != nil {
			return wire.RunInfo{}, err
		}
	}
	err := s.write(ctx, func(t *tx) error {
		r, err := t.activeRun(runID)
		if err != nil {
			return err
		}
		if u.Status != nil {
			if err := t.exec("UPDATE runs SET status = ? WHERE id = ?", *u.Status, r.id); err != nil {
				return err
			}
			t.models = true // gates wait for the end of a run
		}
		if u.EndTime != nil {
			if err := t.exec("UPDATE runs SET end_time = ? WHERE id = ?", *u.EndTime, r.id); err != nil {
				return err
			}
		}
		if u.Name != nil && *u.Name != "" {
			if err := t.exec("UPDATE runs SET name = ? WHERE id = ?", *u.Name, r.id); err != nil {
				return err
			}
			return t.putTag(r, wire.KV{Key: tagRunName, Value: *u.Name})
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
	return s.write(ctx, func(t *tx) error {
		r, err := t.run(runID)
		if err != nil {
			return err
		}
		if r.lifecycle != from {
			// Repeating it is no error: the client may have lost the answer.
			return nil
		}
		var deleted any
		if to == wire.Deleted {
			deleted = t.now
		}
		t.dirty = append(t.dirty, r.id)
		r.lifecycle = to
		return t.exec("UPDATE runs SET lifecycle = ?, deleted_time = ? WHERE id = ?", to, deleted, r.id)
	})
}

// putTag sets a tag. The tag of the run's name renames the run, too.
func (t *tx) putTag(r *runRow, kv wire.KV) error {
	if err := t.exec("INSERT INTO tags (run, key, exp, value) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", r.id, kv.Key, r.exp, kv.Value); err != nil {
		return err
	}
	if kv.Key == tagRunName {
		return t.exec("UPDATE runs SET name = ? WHERE id = ? AND name <> ?", kv.Value, r.id, kv.Value)
	}
	return nil
}

// SetTag sets a tag of a run.
func (s *Store) SetTag(ctx context.Context, runID string, kv wire.KV) error {
	if err := validateTags([]wire.KV{kv}); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		r, err := t.activeRun(runID)
		if err != nil {
			return err
		}
		return t.putTag(r, kv)
	})
}

// DeleteTag removes a tag of a run.
func (s *Store) DeleteTag(ctx context.Context, runID, key string) error {
	return s.write(ctx, func(t *tx) error {
		r, err := t.activeRun(runID)
		if err != nil {
			return err
		}
		n, err := t.changes("DELETE FROM tags WHERE run = ? AND key = ?", r.id, key)
		if err == nil && n == 0 {
			return notFound("run %s has no tag %q", runID, head(key))
		}
		return err
	})
}

// RunByID returns one run, deleted or not.
func (s *Store) RunByID(ctx context.Context, runID string) (*wire.Run, error) {
	var id int64
	found, err := s.row(ctx, "SELECT id FROM runs WHERE run_id = ?", []any{runID}, &id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, notFound("there is no run with id %q", head(runID))
	}
	runs, err := s.documents(ctx, []int64{id})
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 {
		return nil, notFound("there is no run with id %q", head(runID))
	}
	return runs[0], nil
}

var (
	nameFirst  = []string{"amber", "brisk", "calm", "clever", "copper", "dapper", "eager", "early", "fleet", "gentle", "golden", "hardy", "keen", "lively", "lucid", "mellow", "nimble", "patient", "plucky", "polite", "quiet", "rapid", "sage", "silver", "sincere", "spry", "steady", "sunny", "thrifty", "upbeat", "vivid", "witty"}
	nameSecond = []string{"anvil", "auk", "badger", "beaver", "bench", "bison", "crane", "dolphin", "falcon", "finch", "gecko", "heron", "ibis", "jay", "kestrel", "lathe", "lynx", "marten", "newt", "osprey", "otter", "owl", "panda", "plover", "raven", "robin", "seal", "shrike", "stoat", "tern", "vise", "wren"}
)

// randomName names a run that came without a name.
func randomName() string {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s-%s-%s", nameFirst[int(b[0])%len(nameFirst)], nameSecond[int(b[1])%len(nameSecond)], strconv.Itoa(int(b[2])<<8|int(b[3])))
}
