package store

import (
	"testing"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// TestHistoryEndsWithItsRun makes sure that what a purged run has logged is
// not left for a later one that gets the same number.
func TestHistoryEndsWithItsRun(t *testing.T) {
	s := open(t)
	for _, purge := range []string{"DELETE FROM runs WHERE exp = ?", "DELETE FROM experiments WHERE id = ?"} {
		exp := must(s.CreateExperiment(t.Context(), purge, "", nil))(t)
		for _, run := range []string{newRun(t, s, exp), newRun(t, s, "0")} {
			for step := range 3 {
				if err := s.LogBatch(t.Context(), run, Batch{Metrics: []wire.Metric{{Key: "m", Value: 1, Step: int64(step)}}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		count := func() (n int) {
			if _, err := s.row(t.Context(), "SELECT count(*) FROM metrics", nil, &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := count()
		if err := s.write(t.Context(), func(t *tx) error { return t.exec(purge, exp) }); err != nil {
			t.Fatal(err)
		}
		if gone := before - count(); gone != 3 {
			t.Errorf("%s: %d points are gone, want the 3 of the run", purge, gone)
		}
	}
}
