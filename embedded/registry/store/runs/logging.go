package runs

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Batch is what LogBatch writes together.
type Batch struct {
	Metrics []wire.Metric
	Params  []wire.KV
	Tags    []wire.KV
}

// LogBatch writes metrics, params and tags of a run: all or nothing.
func (s *Store) LogBatch(ctx context.Context, runID string, b Batch) error {
	if err := b.validate(); err != nil {
		return err
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		r, err := s.active(t, runID)
		if err != nil {
			return err
		}
		for _, p := range b.Params {
			if err := putParam(t, r, p); err != nil {
				return err
			}
		}
		if err := s.putMetrics(t, r, b.Metrics); err != nil {
			return err
		}
		for _, kv := range b.Tags {
			if err := putTag(t, r, kv); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b Batch) validate() error {
	switch {
	case len(b.Metrics) > wire.MaxBatchMetrics:
		return mlops.Errorf(mlops.Invalid, "a batch may have at most %d metrics, this one has %d", wire.MaxBatchMetrics, len(b.Metrics))
	case len(b.Params) > wire.MaxBatchParams:
		return mlops.Errorf(mlops.Invalid, "a batch may have at most %d params, this one has %d", wire.MaxBatchParams, len(b.Params))
	case len(b.Tags) > wire.MaxBatchTags:
		return mlops.Errorf(mlops.Invalid, "a batch may have at most %d tags, this one has %d", wire.MaxBatchTags, len(b.Tags))
	case len(b.Metrics)+len(b.Params)+len(b.Tags) > wire.MaxBatchEntities:
		return mlops.Errorf(mlops.Invalid, "a batch may have at most %d metrics, params and tags in all, this one has %d", wire.MaxBatchEntities, len(b.Metrics)+len(b.Params)+len(b.Tags))
	}
	valid := make(map[string]bool) // a batch has many points of a few metrics
	for _, m := range b.Metrics {
		if !valid[m.Key] {
			if err := wire.ValidateKey("metric", m.Key); err != nil {
				return err
			}
			valid[m.Key] = true
		}
		if m.Timestamp < 0 {
			return mlops.Errorf(mlops.Invalid, "metric %q: the timestamp %d is before 1970: expected milliseconds since the epoch", m.Key, m.Timestamp)
		}
	}
	if err := wire.ValidateParams(b.Params); err != nil {
		return err
	}
	seen := make(map[string]bool, len(b.Params))
	for _, p := range b.Params {
		if seen[p.Key] {
			return mlops.Errorf(mlops.Invalid, "param %q appears twice in the batch: send each param once", p.Key)
		}
		seen[p.Key] = true
	}
	return wire.ValidateTags(b.Tags)
}

// putParam writes a param once. The same value may be written again.
func putParam(t *db.Tx, r *runRow, p wire.KV) error {
	n, err := t.Changes("INSERT INTO params (run, key, exp, value) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", r.id, p.Key, r.exp, p.Value)
	if err != nil || n == 1 {
		return err
	}
	var old string
	if _, err := t.Row("SELECT value FROM params WHERE run = ? AND key = ?", []any{r.id, p.Key}, &old); err != nil {
		return err
	}
	if old != p.Value {
		return mlops.Errorf(mlops.Invalid, "param %q of run %s was logged as %q and cannot be changed to %q: log it under another key, or start another run", p.Key, r.runID, wire.Head(old), wire.Head(p.Value))
	}
	return nil
}

// rowsPerInsert is how many points of history one statement writes. Running a
// statement costs more than writing a row, but the driver looks for each
// parameter among all of its statement.
const rowsPerInsert = 8

var (
	insertPoint  = "INSERT OR IGNORE INTO metrics (series, step, timestamp, is_nan, value) VALUES (?,?,?,?,?)"
	insertPoints = insertPoint + strings.Repeat(",(?,?,?,?,?)", rowsPerInsert-1)
)

// putMetrics appends points and keeps the latest of each key.
func (s *Store) putMetrics(t *db.Tx, r *runRow, ms []wire.Metric) error {
	points := make(map[*latestRow][]latestRow) // by series, as history is stored
	changed := make(map[string]*latestRow)
	for _, m := range ms {
		p := pointOf(m)
		l, err := s.latest(t, r, m.Key, p)
		if err != nil {
			return err
		}
		p.series = l.series
		if p.newer(l) {
			*l = p
			changed[m.Key] = l
		}
		points[l] = append(points[l], p)
		if m.ModelID != "" {
			if err := putModelMetric(t, r, m, p); err != nil {
				return err
			}
		}
	}
	if err := putPoints(t, points); err != nil {
		return err
	}
	for _, l := range changed {
		if err := t.Exec("UPDATE latest_metrics SET value = ?, is_nan = ?, timestamp = ?, step = ? WHERE series = ?", l.value, l.isNaN, l.timestamp, l.step, l.series); err != nil {
			return err
		}
	}
	return nil
}

// putPoints writes history in the order in which it is stored. Clients mix the
// keys of a step, and each key's place is elsewhere.
func putPoints(t *db.Tx, bySeries map[*latestRow][]latestRow) error {
	groups := slices.SortedFunc(maps.Values(bySeries), func(a, b []latestRow) int { return cmp.Compare(a[0].series, b[0].series) })
	points := slices.Concat(groups...)
	args := make([]any, 0, 5*min(len(points), rowsPerInsert))
	for len(points) > 0 {
		n, query := 1, insertPoint
		if len(points) >= rowsPerInsert {
			n, query = rowsPerInsert, insertPoints
		}
		args = args[:0]
		for _, p := range points[:n] {
			args = append(args, p.series, p.step, p.timestamp, p.isNaN, p.value)
		}
		if err := t.Exec(query, args...); err != nil {
			return err
		}
		points = points[n:]
	}
	return nil
}

// pointOf turns a metric into a row. SQLite's index cannot hold NaN, which
// becomes a flag; infinities become the largest double, as MLflow stores them.
func pointOf(m wire.Metric) latestRow {
	p := latestRow{value: float64(m.Value), timestamp: m.Timestamp, step: m.Step}
	switch {
	case math.IsNaN(p.value):
		p.value, p.isNaN = 0, true
	case math.IsInf(p.value, 1):
		p.value = math.MaxFloat64
	case math.IsInf(p.value, -1):
		p.value = -math.MaxFloat64
	}
	return p
}

// newer reports whether p comes after l: by step, then time, then value.
func (p latestRow) newer(l *latestRow) bool {
	switch {
	case p.step != l.step:
		return p.step > l.step
	case p.timestamp != l.timestamp:
		return p.timestamp > l.timestamp
	}
	return p.value > l.value
}

// latest returns the latest point of a key, inserting p if it is the first.
func (s *Store) latest(t *db.Tx, r *runRow, key string, p latestRow) (*latestRow, error) {
	if l, ok := r.latest[key]; ok {
		return l, nil
	}
	l := &latestRow{}
	found, err := t.Row("SELECT series, value, is_nan, timestamp, step FROM latest_metrics WHERE run = ? AND key = ?", []any{r.id, key}, &l.series, &l.value, &l.isNaN, &l.timestamp, &l.step)
	if err != nil {
		return nil, err
	}
	if !found {
		*l = p
		if l.series, err = t.Insert("INSERT INTO latest_metrics (run, key, exp, value, is_nan, timestamp, step) VALUES (?, ?, ?, ?, ?, ?, ?)", r.id, key, r.exp, p.value, p.isNaN, p.timestamp, p.step); err != nil {
			return nil, err
		}
	}
	r.latest[key] = l
	s.cache.series++
	return l, nil
}

// putModelMetric keeps a metric that was logged against a model.
func putModelMetric(t *db.Tx, r *runRow, m wire.Metric, p latestRow) error {
	var model int64
	found, err := t.Row("SELECT id FROM logged_models WHERE model_id = ? AND lifecycle = 'active'", []any{m.ModelID}, &model)
	if err != nil {
		return err
	}
	if !found {
		return mlops.Errorf(mlops.NotFound, "metric %q: there is no logged model with id %q", m.Key, wire.Head(m.ModelID))
	}
	return t.Exec("INSERT OR REPLACE INTO logged_model_metrics (model, key, run, dataset_name, dataset_digest, value, is_nan, timestamp, step) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		model, m.Key, r.id, m.DatasetName, m.DatasetDigest, p.value, p.isNaN, p.timestamp, p.step)
}

// tagLoggedModels is the tag in which clients before MLflow 3 keep the models
// that a run has made, as a JSON list.
const tagLoggedModels = "mlflow.log-model.history"

// RecordModel appends a model to a run's list of models.
func (s *Store) RecordModel(ctx context.Context, runID string, model json.RawMessage) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		r, err := s.active(t, runID)
		if err != nil {
			return err
		}
		var old string
		if _, err := t.Row("SELECT value FROM tags WHERE run = ? AND key = ?", []any{r.id, tagLoggedModels}, &old); err != nil {
			return err
		}
		var list []json.RawMessage
		if old != "" && json.Unmarshal([]byte(old), &list) != nil {
			list = nil // somebody has set the tag by hand; the new model counts
		}
		b, err := json.Marshal(append(list, model))
		if err != nil {
			return mlops.Errorf(mlops.Invalid, "model_json is not JSON")
		}
		return putTag(t, r, wire.KV{Key: tagLoggedModels, Value: string(b)})
	})
}
