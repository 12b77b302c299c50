package store

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"

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
	return s.write(ctx, func(t *tx) error {
		r, err := t.activeRun(runID)
		if err != nil {
			return err
		}
		for _, p := range b.Params {
			if err := t.putParam(r, p); err != nil {
				return err
			}
		}
		if err := t.putMetrics(r, b.Metrics); err != nil {
			return err
		}
		for _, kv := range b.Tags {
			if err := t.putTag(r, kv); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b Batch) validate() error {
	switch {
	case len(b.Metrics) > wire.MaxBatchMetrics:
		return invalid("a batch may have at most %d metrics, this one has %d", wire.MaxBatchMetrics, len(b.Metrics))
	case len(b.Params) > wire.MaxBatchParams:
		return invalid("a batch may have at most %d params, this one has %d", wire.MaxBatchParams, len(b.Params))
	case len(b.Tags) > wire.MaxBatchTags:
		return invalid("a batch may have at most %d tags, this one has %d", wire.MaxBatchTags, len(b.Tags))
	case len(b.Metrics)+len(b.Params)+len(b.Tags) > wire.MaxBatchEntities:
		return invalid("a batch may have at most %d metrics, params and tags in all, this one has %d", wire.MaxBatchEntities, len(b.Metrics)+len(b.Params)+len(b.Tags))
	}
	valid := make(map[string]bool) // a batch has many points of a few metrics
	for _, m := range b.Metrics {
		if !valid[m.Key] {
			if err := validateKey("metric", m.Key); err != nil {
				return err
			}
			valid[m.Key] = true
		}
		if m.Timestamp < 0 {
			return invalid("metric %q: the timestamp %d is before 1970: expected milliseconds since the epoch", m.Key, m.Timestamp)
		}
	}
	if err := validateParams(b.Params); err != nil {
		return err
	}
	seen := make(map[string]bool, len(b.Params))
	for _, p := range b.Params {
		if seen[p.Key] {
			return invalid("param %q appears twice in the batch: send each param once", p.Key)
		}
		seen[p.Key] = true
	}
	return validateTags(b.Tags)
}

// putParam writes a param once; the same value again is no error.
func (t *tx) putParam(r *runRow, p wire.KV) error {
	n, err := t.changes("INSERT INTO params (run, key, exp, value) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", r.id, p.Key, r.exp, p.Value)
	if err != nil || n == 1 {
		return err
	}
	var old string
	if _, err := t.row("SELECT value FROM params WHERE run = ? AND key = ?", []any{r.id, p.Key}, &old); err != nil {
		return err
	}
	if old != p.Value {
		return invalid("param %q of run %s was logged as %q and cannot be changed to %q: log it under another key, or start another run", p.Key, r.runID, head(old), head(p.Value))
	}
	return nil
}

// rowsPerInsert is how many points of history one statement writes: to run a
// statement costs more than to write a row, but the driver looks for each
// parameter among all of its statement.
const rowsPerInsert = 8

var (
	insertPoint  = "INSERT OR IGNORE INTO metrics (series, step, timestamp, is_nan, value) VALUES (?,?,?,?,?)"
	insertPoints = insertPoint + strings.Repeat(",(?,?,?,?,?)", rowsPerInsert-1)
)

// putMetrics appends points and keeps the latest of each key.
func (t *tx) putMetrics(r *runRow, ms []wire.Metric) error {
	points := make(map[*latestRow][]latestRow) // history lies by series: there the points of one are neighbours
	changed := make(map[string]*latestRow)
	for _, m := range ms {
		p := pointOf(m)
		l, err := t.latest(r, m.Key, p)
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
			if err := t.putModelMetric(r, m, p); err != nil {
				return err
			}
		}
	}
	if err := t.putPoints(points); err != nil {
		return err
	}
	for _, l := range changed {
		if err := t.exec("UPDATE latest_metrics SET value = ?, is_nan = ?, timestamp = ?, step = ? WHERE series = ?", l.value, l.isNaN, l.timestamp, l.step, l.series); err != nil {
			return err
		}
	}
	return nil
}

// putPoints writes history in the order in which it lies: clients mix the keys
// of a step, and each would be looked for in another place.
func (t *tx) putPoints(bySeries map[*latestRow][]latestRow) error {
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
		if err := t.exec(query, args...); err != nil {
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
func (t *tx) latest(r *runRow, key string, p latestRow) (*latestRow, error) {
	if l, ok := r.latest[key]; ok {
		return l, nil
	}
	l := &latestRow{}
	found, err := t.row("SELECT series, value, is_nan, timestamp, step FROM latest_metrics WHERE run = ? AND key = ?", []any{r.id, key}, &l.series, &l.value, &l.isNaN, &l.timestamp, &l.step)
	if err != nil {
		return nil, err
	}
	if !found {
		*l = p
		if l.series, err = t.insert("INSERT INTO latest_metrics (run, key, exp, value, is_nan, timestamp, step) VALUES (?, ?, ?, ?, ?, ?, ?)", r.id, key, r.exp, p.value, p.isNaN, p.timestamp, p.step); err != nil {
			return nil, err
		}
	}
	r.latest[key] = l
	t.w.cache.series++
	return l, nil
}

// putModelMetric keeps a metric that was logged against a model.
func (t *tx) putModelMetric(r *runRow, m wire.Metric, p latestRow) error {
	var model int64
	found, err := t.row("SELECT id FROM logged_models WHERE model_id = ? AND lifecycle = 'active'", []any{m.ModelID}, &model)
	if err != nil {
		return err
	}
	if !found {
		return notFound("metric %q: there is no logged model with id %q", m.Key, head(m.ModelID))
	}
	return t.exec("INSERT OR REPLACE INTO logged_model_metrics (model, key, run, dataset_name, dataset_digest, value, is_nan, timestamp, step) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		model, m.Key, r.id, m.DatasetName, m.DatasetDigest, p.value, p.isNaN, p.timestamp, p.step)
}
