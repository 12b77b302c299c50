package runs_test

import (
	"fmt"
	"testing"

	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// BenchmarkLogBatch writes batches of 1000 points of 10 metrics.
func BenchmarkLogBatch(b *testing.B) {
	s := storetest.Open(b)
	run := storetest.NewRun(b, s, "0")
	i := 0
	for b.Loop() {
		ms := make([]wire.Metric, 1000)
		for j := range ms {
			ms[j] = wire.Metric{Key: fmt.Sprintf("m%d", j%10), Value: wire.Float64(j), Timestamp: 1_700_000_000_000, Step: int64(i*100 + j/10)}
		}
		i++
		if err := s.Runs.LogBatch(b.Context(), run, runs.Batch{Metrics: ms}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkLogMetric writes one point at a time.
func BenchmarkLogMetric(b *testing.B) {
	s := storetest.Open(b)
	run := storetest.NewRun(b, s, "0")
	i := 0
	for b.Loop() {
		i++
		if err := s.Runs.LogBatch(b.Context(), run, runs.Batch{Metrics: []wire.Metric{{Key: "m", Value: 1, Step: int64(i), Timestamp: 1}}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMetricHistory reads what a comparison of 100 runs reads: one
// metric of 10,000 points of each, for 200 points on the screen.
func BenchmarkMetricHistory(b *testing.B) {
	s := storetest.Open(b)
	var ids []string
	for range 100 {
		run := storetest.NewRun(b, s, "0")
		for batch := range 10 {
			ms := make([]wire.Metric, 1000)
			for j := range ms {
				step := int64(batch*1000 + j)
				ms[j] = wire.Metric{Key: "loss", Value: wire.Float64(1 / float64(step+1)), Timestamp: 1_700_000_000_000 + step*250, Step: step}
			}
			if err := s.Runs.LogBatch(b.Context(), run, runs.Batch{Metrics: ms}); err != nil {
				b.Fatal(err)
			}
		}
		ids = append(ids, run)
	}
	for b.Loop() {
		for _, run := range ids {
			points, err := s.Runs.MetricHistory(b.Context(), run, "loss", 200)
			if err != nil {
				b.Fatal(err)
			}
			if len(points) < 100 || len(points) > 200 {
				b.Fatalf("got %d points, want about 200", len(points))
			}
		}
	}
}
