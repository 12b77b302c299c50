package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

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

// BenchmarkMetricHistory reads what a comparison of 100 runs reads: one
// metric of 10,000 points of each, for 200 points on the screen.
func BenchmarkMetricHistory(b *testing.B) {
	s := open(b)
	var runs []string
	for range 100 {
		run := newRun(b, s, "0")
		for batch := range 10 {
			ms := make([]wire.Metric, 1000)
			for j := range ms {
				step := int64(batch*1000 + j)
				ms[j] = wire.Metric{Key: "loss", Value: wire.Float64(1 / float64(step+1)), Timestamp: 1_700_000_000_000 + step*250, Step: step}
			}
			if err := s.LogBatch(b.Context(), run, Batch{Metrics: ms}); err != nil {
				b.Fatal(err)
			}
		}
		runs = append(runs, run)
	}
	for b.Loop() {
		for _, run := range runs {
			points, err := s.MetricHistory(b.Context(), run, "loss", 200)
			if err != nil {
				b.Fatal(err)
			}
			if len(points) < 100 || len(points) > 200 {
				b.Fatalf("got %d points, want about 200", len(points))
			}
		}
	}
}

// BenchmarkSearch is how long a page of 50 takes: the first and one 20 pages
// in, in an experiment of 100,000 runs, in one of a thousand beside it, and
// over all of them. Documents come from their tables, not from memory.
func BenchmarkSearch(b *testing.B) {
	s := open(b)
	exps := labRuns(b, s, 100_000, 20)
	for _, in := range []struct {
		name string
		exps []string
	}{{"large", exps[:1]}, {"small", exps[10:11]}, {"all", exps}} {
		for _, sh := range shapes {
			q := RunSearch{ExperimentIDs: in.exps, Filter: sh.filter, OrderBy: sh.order, Max: 50}
			b.Run(in.name+"/"+sh.name, func(b *testing.B) { benchmarkPage(b, s, q) })
			deep := q
			deep.Max = 1000
			if _, next, err := s.SearchRunDocs(b.Context(), deep); err != nil {
				b.Fatal(err)
			} else if next != "" {
				q.Token = next
				b.Run(in.name+"/"+sh.name+"/deep", func(b *testing.B) { benchmarkPage(b, s, q) })
			}
		}
	}
}

func benchmarkPage(b *testing.B, s *Store, q RunSearch) {
	var took []time.Duration
	for b.Loop() {
		s.docs = newDocCache(8 << 20)
		start := time.Now()
		if _, _, err := s.SearchRunDocs(b.Context(), q); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
}
