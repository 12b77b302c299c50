package traces

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/experiments"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

const maxSpansPerRequest = 20000

// LogSpans stores OTLP spans of an experiment. Traces that are not known yet
// are made; their information comes later. runID may be empty.
func (s *Store) LogSpans(ctx context.Context, experiment, runID string, data *tracev1.TracesData) error {
	byTrace := map[string][]*tracev1.Span{}
	n := 0
	for _, rs := range data.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, sp := range ss.GetSpans() {
				if len(sp.GetTraceId()) != 16 || len(sp.GetSpanId()) != 8 {
					return mlops.Errorf(mlops.Invalid, "span %q: expected a trace id of 16 and a span id of 8 bytes", wire.Head(sp.GetName()))
				}
				id := TraceIDOf(hex.EncodeToString(sp.TraceId))
				byTrace[id] = append(byTrace[id], sp)
				n++
			}
		}
	}
	if n == 0 {
		return mlops.Errorf(mlops.Invalid, "the request has no spans")
	}
	if n > maxSpansPerRequest {
		return mlops.Errorf(mlops.Invalid, "at most %d spans can be sent at once, found %d", maxSpansPerRequest, n)
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		exp, err := experiments.LookUp(t, experiment, true)
		if err != nil {
			return err
		}
		for traceID, spans := range byTrace {
			if err := putSpans(t, exp, traceID, spans); err != nil {
				return err
			}
			if runID == "" {
				continue
			}
			if err := s.runs.Check(t, runID); err != nil {
				return err
			}
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

func putSpans(t *db.Tx, exp int64, traceID string, spans []*tracev1.Span) error {
	start, end := spans[0].StartTimeUnixNano, uint64(0)
	state, name := "IN_PROGRESS", ""
	for _, sp := range spans {
		start, end = min(start, sp.StartTimeUnixNano), max(end, sp.EndTimeUnixNano)
		if len(sp.ParentSpanId) == 0 {
			name = sp.Name
			if state = "OK"; sp.GetStatus().GetCode() == tracev1.Status_STATUS_CODE_ERROR {
				state = "ERROR"
			}
		}
	}
	var duration any
	if end > 0 {
		duration = int64(end-start) / 1e6
	}
	if err := t.Exec("INSERT INTO traces (trace_id, exp, timestamp, duration, state) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", traceID, exp, int64(start/1e6), duration, state); err != nil {
		return err
	}
	id, err := findTrace(t, traceID)
	if err != nil {
		return err
	}
	if state != "IN_PROGRESS" {
		if err := t.Exec("UPDATE traces SET state = ?, duration = coalesce(duration, ?) WHERE id = ? AND state = 'IN_PROGRESS'", state, duration, id); err != nil {
			return err
		}
	}
	if err := putLocationTag(t, id, exp, traceID); err != nil {
		return err
	}
	if err := putTag(t, id, tagSpansLocation, "TRACKING_STORE"); err != nil {
		return err
	}
	if name != "" {
		if err := t.Exec("INSERT INTO trace_tags (trace, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", id, tagTraceName, name); err != nil {
			return err
		}
	}
	for _, sp := range spans {
		raw, err := proto.Marshal(sp)
		if err != nil {
			return fmt.Errorf("store span: %w", err)
		}
		content, err := spanJSON(sp)
		if err != nil {
			return err
		}
		status := map[tracev1.Status_StatusCode]string{tracev1.Status_STATUS_CODE_OK: "OK", tracev1.Status_STATUS_CODE_ERROR: "ERROR"}[sp.GetStatus().GetCode()]
		if status == "" {
			status = "UNSET"
		}
		if err := t.Exec("INSERT OR REPLACE INTO spans (trace, span_id, name, type, status, start, content, proto) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			id, hex.EncodeToString(sp.SpanId), sp.Name, spanType(sp), status, int64(sp.StartTimeUnixNano), string(content), raw); err != nil {
			return err
		}
	}
	return nil
}

func spanType(sp *tracev1.Span) string {
	for _, a := range sp.Attributes {
		if a.Key == "mlflow.spanType" {
			if v, ok := a.Value.GetValue().(*commonv1.AnyValue_StringValue); ok {
				var plain string // clients that encode values as JSON add quotes
				if json.Unmarshal([]byte(v.StringValue), &plain) == nil {
					return plain
				}
				return v.StringValue
			}
		}
	}
	return "UNKNOWN"
}

func spanJSON(sp *tracev1.Span) ([]byte, error) {
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(sp)
	if err != nil {
		return nil, mlops.Errorf(mlops.Invalid, "span %q cannot be written as JSON: %v", wire.Head(sp.Name), err)
	}
	return b, nil
}

// spans returns the spans of a trace as OTLP in JSON, in order of their start.
func (s *Store) spans(ctx context.Context, trace int64) (out []json.RawMessage, err error) {
	err = s.db.Rows(ctx, "SELECT proto FROM spans WHERE trace = ? ORDER BY start, span_id", func(r *sql.Rows) error {
		var raw []byte
		if err := r.Scan(&raw); err != nil {
			return err
		}
		var sp tracev1.Span
		if err := proto.Unmarshal(raw, &sp); err != nil {
			return fmt.Errorf("read span: %w", err)
		}
		b, err := spanJSON(&sp)
		out = append(out, b)
		return err
	}, trace)
	return out, err
}
