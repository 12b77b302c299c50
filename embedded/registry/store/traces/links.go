package traces

import (
	"context"
	"encoding/json"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/experiments"
)

// LinkTracesToRun says that traces belong to a run.
func (s *Store) LinkTracesToRun(ctx context.Context, traceIDs []string, runID string) error {
	if len(traceIDs) > 100 {
		return mlops.Errorf(mlops.Invalid, "at most 100 traces can be linked at once, found %d", len(traceIDs))
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		if err := s.runs.Check(t, runID); err != nil {
			return err
		}
		for _, traceID := range traceIDs {
			id, err := findTrace(t, traceID)
			if err != nil {
				return err
			}
			if err := putMetadata(t, id, metaSourceRun, runID); err != nil {
				return err
			}
		}
		return nil
	})
}

// PromptRef names a prompt's version.
type PromptRef struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// LinkPromptsToTrace adds prompts to those that a trace used.
func (s *Store) LinkPromptsToTrace(ctx context.Context, traceID string, prompts []PromptRef) error {
	return s.changeTrace(ctx, traceID, func(t *db.Tx, id int64) error {
		var old string
		if _, err := t.Row("SELECT value FROM trace_tags WHERE trace = ? AND key = ?", []any{id, tagTracePrompts}, &old); err != nil {
			return err
		}
		var list []PromptRef
		if old != "" && json.Unmarshal([]byte(old), &list) != nil {
			list = nil // set by hand to something else
		}
		for _, p := range prompts {
			known := false
			for _, l := range list {
				known = known || l == p
			}
			if !known {
				list = append(list, p)
			}
		}
		b, err := json.Marshal(list)
		if err != nil {
			return err
		}
		return putTag(t, id, tagTracePrompts, string(b))
	})
}

// DeleteTraces removes traces of an experiment: those named, or the oldest up
// to a time and a number. It returns how many.
func (s *Store) DeleteTraces(ctx context.Context, experiment string, maxTime *int64, max *int64, ids []string) (n int64, err error) {
	switch {
	case len(ids) > 0 && (maxTime != nil || max != nil):
		return 0, mlops.Errorf(mlops.Invalid, "either request_ids or max_timestamp_millis can be sent, not both")
	case len(ids) == 0 && maxTime == nil:
		return 0, mlops.Errorf(mlops.Invalid, "either request_ids or max_timestamp_millis must be sent")
	case max != nil && *max < 1:
		return 0, mlops.Errorf(mlops.Invalid, "max_traces must be positive, found %d", *max)
	}
	err = s.db.Write(ctx, func(t *db.Tx) error {
		exp, err := experiments.LookUp(t, experiment, false)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			b, err := json.Marshal(ids)
			if err != nil {
				return err
			}
			n, err = t.Changes("DELETE FROM traces WHERE exp = ? AND trace_id IN (SELECT value FROM json_each(?))", exp, string(b))
			return err
		}
		limit := int64(-1)
		if max != nil {
			limit = *max
		}
		n, err = t.Changes("DELETE FROM traces WHERE id IN (SELECT id FROM traces WHERE exp = ? AND timestamp <= ? ORDER BY timestamp, trace_id LIMIT ?)", exp, *maxTime, limit)
		return err
	})
	return n, err
}
