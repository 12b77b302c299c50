package runs

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/search/searchtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/experiments"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

func open(t testing.TB) *Store {
	t.Helper()
	d := dbtest.Open(t, db.Options{})
	exps := experiments.New(d)
	dbtest.OK(t, exps.EnsureDefault(t.Context()))
	return New(d, exps)
}

func TestDocumentsFollowWrites(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	run := dbtest.Must(s.CreateRun(ctx, NewRun{}))(t).Info.RunID
	for i := range 20 {
		if err := s.SetTag(ctx, run, wire.KV{Key: "n", Value: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		got := dbtest.Must(s.Run(ctx, run))(t)
		if got.Tag("n") != fmt.Sprint(i) {
			t.Fatalf("tag is %q after it was set to %d", got.Tag("n"), i)
		}
	}
	if s.docs.size <= 0 || len(s.docs.byRun) != 1 {
		t.Errorf("cache: %d bytes, %d documents", s.docs.size, len(s.docs.byRun))
	}
}

func TestDocumentCacheStaysSmall(t *testing.T) {
	s := open(t)
	s.docs.max = 10_000
	for range 50 {
		run := dbtest.Must(s.CreateRun(t.Context(), NewRun{}))(t).Info.RunID
		dbtest.Must(s.Run(t.Context(), run))(t)
	}
	if s.docs.size > s.docs.max || len(s.docs.byRun) == 0 {
		t.Errorf("cache has %d bytes in %d documents, at most %d are allowed", s.docs.size, len(s.docs.byRun), s.docs.max)
	}
}

// BenchmarkSearch is how long a page of 50 takes: the first and one 20 pages
// in, in an experiment of 100,000 runs, in one of a thousand beside it, and
// over all of them. Documents come from their tables, not from memory.
func BenchmarkSearch(b *testing.B) {
	s := open(b)
	exps := searchtest.Fill(b, s.db, 100_000, 20)
	for _, in := range []struct {
		name string
		exps []string
	}{{"large", exps[:1]}, {"small", exps[10:11]}, {"all", exps}} {
		for _, sh := range searchtest.Shapes {
			q := search.RunQuery{ExperimentIDs: in.exps, Filter: sh.Filter, OrderBy: sh.Order, Max: 50}
			b.Run(in.name+"/"+sh.Name, func(b *testing.B) { benchmarkPage(b, s, q) })
			deep := q
			deep.Max = 1000
			if _, next, err := s.SearchRunDocs(b.Context(), deep); err != nil {
				b.Fatal(err)
			} else if next != "" {
				q.Token = next
				b.Run(in.name+"/"+sh.Name+"/deep", func(b *testing.B) { benchmarkPage(b, s, q) })
			}
		}
	}
}

func benchmarkPage(b *testing.B, s *Store, q search.RunQuery) {
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
