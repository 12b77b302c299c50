package runs_test

import (
	"sync"
	"testing"

	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

func TestConcurrentWritesShareCommits(t *testing.T) {
	s := storetest.Open(t)
	ctx := t.Context()
	const workers, each = 16, 40
	var wg sync.WaitGroup
	ids := make([]string, workers)
	for w := range workers {
		ids[w] = storetest.NewRun(t, s, "0")
	}
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := s.Runs.LogBatch(ctx, ids[w], runs.Batch{Metrics: []wire.Metric{{Key: "m", Value: wire.Float64(i), Step: int64(i), Timestamp: 1}}}); err != nil {
					t.Error(err)
				}
				// Failures in between must not undo the neighbours.
				if err := s.Runs.LogBatch(ctx, ids[w], runs.Batch{Metrics: []wire.Metric{{Key: "x", Value: 1, Timestamp: 1, ModelID: "none"}}}); err == nil {
					t.Error("a metric of a model that is not there was taken")
				}
			}
		})
	}
	wg.Wait()
	for _, run := range ids {
		ms, _, err := s.Runs.History(ctx, run, "m", 0, "")
		if err != nil || len(ms) != each {
			t.Fatalf("%d points, want %d (%v)", len(ms), each, err)
		}
		if none, _, _ := s.Runs.History(ctx, run, "x", 0, ""); len(none) != 0 {
			t.Errorf("%d points of requests that failed", len(none))
		}
	}
}
