package traces

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Assessments are judgements of people and programs about traces. The
// protocol's message is kept as it came; only the searched fields stand in
// columns.

func timeText(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// putAssessment stores one and returns it with what the server adds.
func putAssessment(t *db.Tx, trace int64, traceID string, raw json.RawMessage) (json.RawMessage, error) {
	var a map[string]any
	if err := json.Unmarshal(raw, &a); err != nil || a == nil {
		return nil, mlops.Errorf(mlops.Invalid, "an assessment must be a JSON object")
	}
	if id, _ := a["assessment_id"].(string); id == "" {
		a["assessment_id"] = "a-" + db.NewID()
	}
	a["trace_id"] = traceID
	for _, k := range []string{"create_time", "last_update_time"} {
		if v, _ := a[k].(string); v == "" {
			a[k] = timeText(t.Now)
		}
	}
	if _, ok := a["valid"].(bool); !ok {
		a["valid"] = true
	}
	if old, _ := a["overrides"].(string); old != "" {
		n, err := t.Changes("UPDATE assessments SET valid = 0, doc = json_set(doc, '$.valid', json('false')) WHERE trace = ? AND assessment_id = ?", trace, old)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, mlops.Errorf(mlops.NotFound, "trace %s has no assessment %q to override", traceID, wire.Head(old))
		}
	}
	return writeAssessment(t, trace, a)
}

func writeAssessment(t *db.Tx, trace int64, a map[string]any) (json.RawMessage, error) {
	name, _ := a["assessment_name"].(string)
	if name == "" {
		return nil, mlops.Errorf(mlops.Invalid, "missing value for required parameter 'assessment_name'")
	}
	kind, value := "issue", any(nil)
	for _, k := range []string{"feedback", "expectation"} {
		if m, ok := a[k].(map[string]any); ok {
			kind, value = k, m["value"]
			if sv, ok := m["serialized_value"].(map[string]any); ok {
				value = sv["value"]
			}
		}
	}
	if kind == "issue" && a["issue"] == nil {
		return nil, mlops.Errorf(mlops.Invalid, "an assessment must have a feedback, an expectation or an issue")
	}
	doc, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	var text any
	if value != nil {
		b, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		text = string(b)
	}
	return doc, t.Exec("INSERT OR REPLACE INTO assessments (trace, assessment_id, kind, name, value, valid, doc) VALUES (?, ?, ?, ?, ?, ?, ?)",
		trace, a["assessment_id"], kind, name, text, a["valid"], string(doc))
}

// CreateAssessment adds an assessment to a trace.
func (s *Store) CreateAssessment(ctx context.Context, traceID string, raw json.RawMessage) (out json.RawMessage, err error) {
	err = s.changeTrace(ctx, traceID, func(t *db.Tx, id int64) error {
		var a map[string]any
		if err := json.Unmarshal(raw, &a); err == nil {
			delete(a, "assessment_id") // the server gives it
			raw, _ = json.Marshal(a)
		}
		out, err = putAssessment(t, id, traceID, raw)
		return err
	})
	return out, err
}

// Assessment returns one assessment.
func (s *Store) Assessment(ctx context.Context, traceID, assessmentID string) (out json.RawMessage, err error) {
	err = s.db.Rows(ctx, "SELECT a.doc FROM assessments a JOIN traces t ON t.id = a.trace WHERE t.trace_id = ? AND a.assessment_id = ?", func(r *sql.Rows) error {
		var doc string
		err := r.Scan(&doc)
		out = json.RawMessage(doc)
		return err
	}, traceID, assessmentID)
	if err == nil && out == nil {
		err = mlops.Errorf(mlops.NotFound, "trace %q has no assessment %q", wire.Head(traceID), wire.Head(assessmentID))
	}
	return out, err
}

// UpdateAssessment changes the fields that the mask names.
func (s *Store) UpdateAssessment(ctx context.Context, traceID, assessmentID string, change json.RawMessage, mask []string) (out json.RawMessage, err error) {
	var c map[string]any
	if err := json.Unmarshal(change, &c); err != nil || c == nil {
		return nil, mlops.Errorf(mlops.Invalid, "an assessment must be a JSON object")
	}
	fields := []string{"assessment_name", "feedback", "expectation", "rationale", "metadata", "valid"}
	err = s.changeTrace(ctx, traceID, func(t *db.Tx, id int64) error {
		var doc string
		found, err := t.Row("SELECT doc FROM assessments WHERE trace = ? AND assessment_id = ?", []any{id, assessmentID}, &doc)
		if err != nil {
			return err
		}
		if !found {
			return mlops.Errorf(mlops.NotFound, "trace %q has no assessment %q", wire.Head(traceID), wire.Head(assessmentID))
		}
		var a map[string]any
		if err := json.Unmarshal([]byte(doc), &a); err != nil {
			return err
		}
		for _, f := range mask {
			f = snake(f)
			if !slices.Contains(fields, f) {
				return mlops.Errorf(mlops.Invalid, "update_mask: %q cannot be changed: expected some of %s", wire.Head(f), strings.Join(fields, ", "))
			}
			if (f == "feedback" || f == "expectation") && a[f] == nil {
				return mlops.Errorf(mlops.Invalid, "the assessment is no %s and cannot become one", f)
			}
			a[f] = c[f]
		}
		a["last_update_time"] = timeText(t.Now)
		out, err = writeAssessment(t, id, a)
		return err
	})
	return out, err
}

// snake turns the camel case of a JSON field mask into field names.
func snake(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// DeleteAssessment removes an assessment, if there is one. What it has
// overridden is valid again.
func (s *Store) DeleteAssessment(ctx context.Context, traceID, assessmentID string) error {
	return s.changeTrace(ctx, traceID, func(t *db.Tx, id int64) error {
		if err := t.Exec(`UPDATE assessments SET valid = 1, doc = json_set(doc, '$.valid', json('true')) WHERE trace = ?1 AND assessment_id =
			(SELECT json_extract(doc, '$.overrides') FROM assessments WHERE trace = ?1 AND assessment_id = ?2)`, id, assessmentID); err != nil {
			return err
		}
		return t.Exec("DELETE FROM assessments WHERE trace = ? AND assessment_id = ?", id, assessmentID)
	})
}
