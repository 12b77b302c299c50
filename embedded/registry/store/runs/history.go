package runs

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

const historyOrder = " ORDER BY step, timestamp, is_nan, value LIMIT ?"

// History returns points of a metric in order of step, then time. max 0 means
// all. token is where an earlier page ended; next is "" on the last page.
func (s *Store) History(ctx context.Context, runID, key string, max int, token string) (ms []wire.Metric, next string, err error) {
	series, err := s.series(ctx, runID, key)
	if mlops.CodeOf(err) == mlops.NotFound {
		return nil, "", nil // as MLflow: a run that is not there has no history
	}
	if err != nil || series == 0 {
		return nil, "", err
	}
	where, args := "series = ?", []any{series}
	if token != "" {
		c, err := db.DecodeToken[pointToken](token, key)
		if err != nil {
			return nil, "", err
		}
		where += " AND (step, timestamp, is_nan, value) > (?, ?, ?, ?)"
		args = append(args, c.Step, c.Timestamp, c.IsNaN, float64(c.Value))
	}
	limit := max + 1
	if max <= 0 {
		limit = math.MaxInt32
	}
	err = s.db.Rows(ctx, "SELECT step, timestamp, is_nan, value FROM metrics WHERE "+where+historyOrder, func(r *sql.Rows) error {
		m, err := scanPoint(r, key)
		ms = append(ms, m)
		return err
	}, append(args, limit)...)
	if err != nil {
		return nil, "", err
	}
	if max > 0 && len(ms) > max {
		ms = ms[:max]
		last := pointOf(ms[max-1])
		next = db.EncodeToken(key, pointToken{last.step, last.timestamp, last.isNaN, last.value})
	}
	return ms, next, nil
}

type pointToken struct {
	Step, Timestamp int64
	IsNaN           bool
	Value           float64
}

func scanPoint(r *sql.Rows, key string) (wire.Metric, error) {
	m := wire.Metric{Key: key}
	var isNaN bool
	if err := r.Scan(&m.Step, &m.Timestamp, &isNaN, &m.Value); err != nil {
		return m, err
	}
	if isNaN {
		m.Value = wire.Float64(math.NaN())
	}
	return m, nil
}

// series returns the number under which a metric's history is kept, 0 if the
// run has not logged it.
func (s *Store) series(ctx context.Context, runID, key string) (int64, error) {
	var id int64
	found, err := s.db.Row(ctx, "SELECT id FROM runs WHERE run_id = ?", []any{runID}, &id)
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, mlops.Errorf(mlops.NotFound, "there is no run with id %q", wire.Head(runID))
	}
	var series int64
	_, err = s.db.Row(ctx, "SELECT series FROM latest_metrics WHERE run = ? AND key = ?", []any{id, key}, &series)
	return series, err
}

// HistoryInterval returns points of a metric of several runs between two
// steps, thinned to about max points a run: evenly over the steps, and always
// the first and the last. With start > end the whole history is meant.
func (s *Store) HistoryInterval(ctx context.Context, runIDs []string, key string, start, end int64, max int) ([]wire.Metric, error) {
	var out []wire.Metric
	if start > end {
		start, end = math.MinInt64, math.MaxInt64
	}
	steps := map[int64]bool{}
	serieses := map[string]int64{}
	for _, id := range runIDs {
		series, err := s.series(ctx, id, key)
		if err != nil {
			return nil, err
		}
		serieses[id] = series
		var all []int64
		if err := s.db.Rows(ctx, "SELECT DISTINCT step FROM metrics WHERE series = ? AND step BETWEEN ? AND ? ORDER BY step", func(r *sql.Rows) error {
			var step int64
			err := r.Scan(&step)
			all = append(all, step)
			return err
		}, series, start, end); err != nil {
			return nil, err
		}
		// A step that is picked for one run is shown for all, so that curves
		// can be compared point by point.
		for _, i := range spread(len(all), max) {
			steps[all[i]] = true
		}
	}
	for _, id := range runIDs {
		n := 0
		if err := s.db.Rows(ctx, "SELECT step, timestamp, is_nan, value FROM metrics WHERE series = ? AND step BETWEEN ? AND ? ORDER BY step, timestamp, is_nan, value", func(r *sql.Rows) error {
			m, err := scanPoint(r, key)
			if err == nil && steps[m.Step] && n < wire.MaxHistory {
				m.RunID = id
				out = append(out, m)
				n++
			}
			return err
		}, serieses[id], start, end); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// spread picks at most max indexes of n, evenly, with the first and the last.
func spread(n, max int) []int {
	if n <= max {
		max = n
	}
	out := make([]int, 0, max)
	if max == 1 {
		return append(out, n-1)
	}
	for i := range max {
		out = append(out, int(int64(i)*int64(n-1)/int64(max-1)))
	}
	return out
}

// downSampled returns at most max points of a metric that look like all of
// them: the history is cut into stretches of equal length, and of each the
// lowest and the highest point are kept, besides the first and last of all.
func (s *Store) downSampled(ctx context.Context, runID, key string, max int) ([]wire.Metric, error) {
	series, err := s.series(ctx, runID, key)
	if err != nil || series == 0 {
		return nil, err
	}
	var n int
	if _, err := s.db.Row(ctx, "SELECT count(*) FROM metrics WHERE series = ?", []any{series}, &n); err != nil {
		return nil, err
	}
	var out []wire.Metric
	if max <= 0 || n <= max {
		ms, _, err := s.History(ctx, runID, key, 0, "")
		return ms, err
	}
	if max < 4 {
		max = 4
	}
	buckets := (max - 2) / 2
	var lo, hi, first, last wire.Metric
	var loAt, hiAt int
	have := false
	flush := func() {
		if !have {
			return
		}
		a, b := lo, hi
		if hiAt < loAt {
			a, b = hi, lo
		}
		out = append(out, a)
		if hiAt != loAt {
			out = append(out, b)
		}
		have = false
	}
	i, bucket := 0, 0
	err = s.db.Rows(ctx, "SELECT step, timestamp, is_nan, value FROM metrics WHERE series = ? ORDER BY step, timestamp, is_nan, value", func(r *sql.Rows) error {
		m, err := scanPoint(r, key)
		if err != nil {
			return err
		}
		switch {
		case i == 0:
			first = m
		case i == n-1:
			last = m
		case i < n-1:
			if b := (i - 1) * buckets / (n - 2); b != bucket {
				flush()
				bucket = b
			}
			if v := float64(m.Value); !have || v < float64(lo.Value) || math.IsNaN(float64(lo.Value)) {
				lo, loAt = m, i
			}
			if v := float64(m.Value); !have || v > float64(hi.Value) || math.IsNaN(float64(hi.Value)) {
				hi, hiAt = m, i
			}
			have = true
		}
		i++
		return nil
	}, series)
	if err != nil {
		return nil, fmt.Errorf("read history of %s: %w", strings.TrimSpace(key), err)
	}
	flush()
	return append(append([]wire.Metric{first}, out...), last), nil
}
