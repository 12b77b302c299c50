package store

import (
	"fmt"
	"testing"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// BenchmarkLogBatch writes batches of 1000 points of 10 metrics.
func BenchmarkLogBatch(b *testing.B) {
	s := open(b)
	run := newRun(b, s, "0")
	i := 0
	for b.Loop() {
		ms := make([]wire.Metric, 1000)
		for j := range ms {
			ms[j] = wire.Metric{Key: fmt.Sprintf("m%d", j%10), Value: wire.Float64(j), Timestamp: 1_700_000_000_000, Step: int64(i*100 + j/10)}
		}
		i++
		if err := s.LogBatch(b.Context(), run, Batch{Metrics: ms}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkLogMetric writes one point at a time.
func BenchmarkLogMetric(b *testing.B) {
	s := open(b)
	run := newRun(b, s, "0")
	i := 0
	for b.Loop() {
		i++
		if err := s.LogBatch(b.Context(), run, Batch{Metrics: []wire.Metric{{Key: "m", Value: 1, Step: int64(i), Timestamp: 1}}}); err != nil {
			b.Fatal(err)
		}
	}
}
