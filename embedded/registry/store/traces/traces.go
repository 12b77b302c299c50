// Package traces keeps traces with their spans and assessments.
package traces

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/experiments"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Store keeps traces.
type Store struct {
	db   *db.DB
	runs *runs.Store
}

// New returns the traces of a database, which may belong to runs.
func New(d *db.DB, r *runs.Store) *Store { return &Store{d, r} }

// The tags and metadata of traces that mean something to the server.
const (
	tagTraceLocation = "mlflow.artifactLocation"
	tagSpansLocation = "mlflow.trace.spansLocation"
	tagTraceName     = "mlflow.traceName"
	tagTracePrompts  = "mlflow.linkedPrompts"
	metaSourceRun    = "mlflow.sourceRun"
)

var traceStates = []string{"STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"}

// StartTrace records a trace, or completes one whose spans came first.
func (s *Store) StartTrace(ctx context.Context, in wire.TraceInfo) (wire.TraceInfo, error) {
	switch {
	case in.TraceID == "" || len(in.TraceID) > 250:
		return in, mlops.Errorf(mlops.Invalid, "trace_id must have 1 to 250 characters")
	case in.Location.MlflowExperiment.ExperimentID == "":
		return in, mlops.Errorf(mlops.Invalid, "the trace's location must be an experiment: trace_location.mlflow_experiment.experiment_id is missing")
	}
	at, err := time.Parse(time.RFC3339Nano, in.RequestTime)
	if err != nil {
		return in, mlops.Errorf(mlops.Invalid, "request_time %q is not a time: expected RFC 3339, such as 2026-01-02T03:04:05.678Z", wire.Head(in.RequestTime))
	}
	var duration any
	if in.ExecutionDuration != "" {
		d, err := time.ParseDuration(in.ExecutionDuration)
		if err != nil {
			return in, mlops.Errorf(mlops.Invalid, "execution_duration %q is not a duration: expected seconds, such as 0.218s", wire.Head(in.ExecutionDuration))
		}
		duration = d.Milliseconds()
	}
	state := in.State.Name(0, traceStates...)
	if state == "" {
		state = traceStates[0]
	}
	err = s.db.Write(ctx, func(t *db.Tx) error {
		exp, err := experiments.LookUp(t, in.Location.MlflowExperiment.ExperimentID, true)
		if err != nil {
			return err
		}
		if err := t.Exec(`INSERT INTO traces (trace_id, exp, timestamp, duration, state, client_request_id, request_preview, response_preview) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (trace_id) DO UPDATE SET timestamp = excluded.timestamp, duration = excluded.duration, state = excluded.state, client_request_id = excluded.client_request_id,
			request_preview = excluded.request_preview, response_preview = excluded.response_preview`,
			in.TraceID, exp, at.UnixMilli(), duration, state, db.OrNull(in.ClientRequestID), db.OrNull(in.RequestPreview), db.OrNull(in.ResponsePreview)); err != nil {
			return err
		}
		id, err := findTrace(t, in.TraceID)
		if err != nil {
			return err
		}
		if err := putLocationTag(t, id, exp, in.TraceID); err != nil {
			return err
		}
		for k, v := range in.Tags {
			if err := putTag(t, id, k, v); err != nil {
				return err
			}
		}
		for k, v := range in.Metadata {
			if err := putMetadata(t, id, k, v); err != nil {
				return err
			}
		}
		for _, a := range in.Assessments {
			if _, err := putAssessment(t, id, in.TraceID, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return in, err
	}
	return s.TraceInfo(ctx, in.TraceID)
}

func findTrace(t *db.Tx, traceID string) (id int64, err error) {
	found, err := t.Row("SELECT id FROM traces WHERE trace_id = ?", []any{traceID}, &id)
	if err == nil && !found {
		err = mlops.Errorf(mlops.NotFound, "there is no trace with id %q", wire.Head(traceID))
	}
	return id, err
}

func putLocationTag(t *db.Tx, id, exp int64, traceID string) error {
	var location string
	if _, err := t.Row("SELECT artifact_location FROM experiments WHERE id = ?", []any{exp}, &location); err != nil {
		return err
	}
	return t.Exec("INSERT INTO trace_tags (trace, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", id, tagTraceLocation, experiments.AppendURI(location, "traces", traceID, "artifacts"))
}

func putTag(t *db.Tx, id int64, k, v string) error {
	if k == "" || len(k) > wire.MaxKey {
		return mlops.Errorf(mlops.Invalid, "the key of a trace's tag must have 1 to %d characters, found %q", wire.MaxKey, wire.Head(k))
	}
	if err := wire.ValidateLength("trace tag "+strconv.Quote(k), v, wire.MaxValue); err != nil {
		return err
	}
	return t.Exec("INSERT INTO trace_tags (trace, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", id, k, v)
}

func putMetadata(t *db.Tx, id int64, k, v string) error {
	return t.Exec("INSERT INTO trace_metadata (trace, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", id, k, v)
}

const columns = `SELECT t.id, t.trace_id, t.exp, t.timestamp, t.duration, t.state, coalesce(t.client_request_id, ''), coalesce(t.request_preview, ''), coalesce(t.response_preview, ''),
	(SELECT json_group_object(key, value) FROM trace_tags x WHERE x.trace = t.id),
	(SELECT json_group_object(key, value) FROM trace_metadata x WHERE x.trace = t.id),
	(SELECT json_group_array(json(doc)) FROM assessments x WHERE x.trace = t.id)
	FROM traces t `

type traceRow struct {
	id   int64
	info wire.TraceInfo
}

func scan(r *sql.Rows, extra ...any) (traceRow, error) {
	var row traceRow
	var exp, at int64
	var duration sql.NullInt64
	var tags, metadata, assessments string
	i := &row.info
	if err := r.Scan(append([]any{&row.id, &i.TraceID, &exp, &at, &duration, (*string)(&i.State), &i.ClientRequestID, &i.RequestPreview, &i.ResponsePreview, &tags, &metadata, &assessments}, extra...)...); err != nil {
		return row, err
	}
	i.Location.Type = "MLFLOW_EXPERIMENT"
	i.Location.MlflowExperiment.ExperimentID = strconv.FormatInt(exp, 10)
	i.RequestTime = time.UnixMilli(at).UTC().Format("2006-01-02T15:04:05.000Z")
	if duration.Valid {
		i.ExecutionDuration = fmt.Sprintf("%d.%03ds", duration.Int64/1000, duration.Int64%1000)
	}
	if err := json.Unmarshal([]byte(tags), &i.Tags); err != nil {
		return row, fmt.Errorf("read trace: %w", err)
	}
	if err := json.Unmarshal([]byte(metadata), &i.Metadata); err != nil {
		return row, fmt.Errorf("read trace: %w", err)
	}
	if err := json.Unmarshal([]byte(assessments), &i.Assessments); err != nil {
		return row, fmt.Errorf("read trace: %w", err)
	}
	return row, nil
}

func (s *Store) trace(ctx context.Context, traceID string) (row traceRow, err error) {
	found := false
	err = s.db.Rows(ctx, columns+"WHERE t.trace_id = ?", func(r *sql.Rows) error {
		found = true
		row, err = scan(r)
		return err
	}, traceID)
	if err == nil && !found {
		err = mlops.Errorf(mlops.NotFound, "there is no trace with id %q", wire.Head(traceID))
	}
	return row, err
}

// TraceInfo returns a trace without its spans.
func (s *Store) TraceInfo(ctx context.Context, traceID string) (wire.TraceInfo, error) {
	row, err := s.trace(ctx, traceID)
	return row.info, err
}

// Trace returns a trace with its spans.
func (s *Store) Trace(ctx context.Context, traceID string) (wire.Trace, error) {
	row, err := s.trace(ctx, traceID)
	if err != nil {
		return wire.Trace{}, err
	}
	spans, err := s.spans(ctx, row.id)
	return wire.Trace{Info: row.info, Spans: spans}, err
}

func (s *Store) changeTrace(ctx context.Context, traceID string, fn func(t *db.Tx, id int64) error) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		id, err := findTrace(t, traceID)
		if err != nil {
			return err
		}
		return fn(t, id)
	})
}

// SetTraceTag sets a tag of a trace.
func (s *Store) SetTraceTag(ctx context.Context, traceID string, kv wire.KV) error {
	return s.changeTrace(ctx, traceID, func(t *db.Tx, id int64) error { return putTag(t, id, kv.Key, kv.Value) })
}

// DeleteTraceTag removes a tag of a trace.
func (s *Store) DeleteTraceTag(ctx context.Context, traceID, key string) error {
	return s.changeTrace(ctx, traceID, func(t *db.Tx, id int64) error {
		n, err := t.Changes("DELETE FROM trace_tags WHERE trace = ? AND key = ?", id, key)
		if err == nil && n == 0 {
			return mlops.Errorf(mlops.NotFound, "trace %s has no tag %q", traceID, wire.Head(key))
		}
		return err
	})
}

// TraceIDOf turns the bytes of an OTLP trace id into an MLflow trace id.
func TraceIDOf(hex string) string { return "tr-" + strings.ToLower(hex) }
