package runs_test

import (
	"math"
	"testing"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// TestHistoryEndsWithItsRun makes sure that a later run with the same number
// does not get a purged run's history.
func TestHistoryEndsWithItsRun(t *testing.T) {
	s := storetest.Open(t)
	for _, purge := range []string{"DELETE FROM runs WHERE exp = ?", "DELETE FROM experiments WHERE id = ?"} {
		exp := dbtest.Must(s.Experiments.CreateExperiment(t.Context(), purge, "", nil))(t)
		for _, run := range []string{storetest.NewRun(t, s, exp), storetest.NewRun(t, s, "0")} {
			for step := range 3 {
				if err := s.Runs.LogBatch(t.Context(), run, runs.Batch{Metrics: []wire.Metric{{Key: "m", Value: 1, Step: int64(step)}}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		count := func() (n int) {
			if _, err := s.DB.Row(t.Context(), "SELECT count(*) FROM metrics", nil, &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := count()
		if err := s.DB.Write(t.Context(), func(t *db.Tx) error { return t.Exec(purge, exp) }); err != nil {
			t.Fatal(err)
		}
		if gone := before - count(); gone != 3 {
			t.Errorf("%s: %d points are gone, want the 3 of the run", purge, gone)
		}
	}
}

func TestMetricHistoryKeepsExtremes(t *testing.T) {
	s := storetest.Open(t)
	ctx := t.Context()
	run := storetest.NewRun(t, s, "0")
	const n = 5000
	for from := 0; from < n; from += 1000 {
		ms := make([]wire.Metric, 1000)
		for i := range ms {
			step := from + i
			v := math.Sin(float64(step) / 50)
			if step == 1234 {
				v = 100
			}
			if step == 4321 {
				v = -100
			}
			ms[i] = wire.Metric{Key: "m", Value: wire.Float64(v), Step: int64(step), Timestamp: int64(step)}
		}
		if err := s.Runs.LogBatch(ctx, run, runs.Batch{Metrics: ms}); err != nil {
			t.Fatal(err)
		}
	}
	for _, max := range []int{4, 50, 300} {
		got := dbtest.Must(s.Runs.MetricHistory(ctx, run, "m", max))(t)
		lo, hi := math.Inf(1), math.Inf(-1)
		for i, m := range got {
			lo, hi = math.Min(lo, m.Value), math.Max(hi, m.Value)
			if i > 0 && m.Step <= got[i-1].Step {
				t.Fatalf("max %d: step %d comes after %d", max, m.Step, got[i-1].Step)
			}
		}
		if len(got) > max || len(got) < max/3 || lo != -100 || hi != 100 || got[0].Step != 0 || got[len(got)-1].Step != n-1 {
			t.Errorf("max %d: %d points from %d to %d between %g and %g", max, len(got), got[0].Step, got[len(got)-1].Step, lo, hi)
		}
	}
	if all := dbtest.Must(s.Runs.MetricHistory(ctx, run, "m", 0))(t); len(all) != n {
		t.Errorf("all of it: %d points", len(all))
	}
	interval := dbtest.Must(s.Runs.HistoryInterval(ctx, []string{run}, "m", 1000, 1999, 10))(t)
	if len(interval) != 10 || interval[0].Step != 1000 || interval[9].Step != 1999 {
		t.Errorf("interval: %d points", len(interval))
	}
}
