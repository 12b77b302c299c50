package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantCode(t *testing.T, err error, code mlops.Code, text string) {
	t.Helper()
	if mlops.CodeOf(err) != code || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("error %v (%s), want %s with %q", err, mlops.CodeOf(err), code, text)
	}
}

func newRun(t testing.TB, s *Store, exp string) string {
	t.Helper()
	return must(s.CreateRun(context.Background(), NewRun{ExperimentID: exp}))(t).Info.RunID
}

func TestReopenKeepsEverything(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "deep", "registry.db")
	s := must(Open(ctx, path, Options{}))(t)
	run := newRun(t, s, "0")
	if err := s.LogBatch(ctx, run, Batch{Metrics: []wire.Metric{{Key: "m", Value: 1, Step: 3}, {Key: "nan", Value: wire.Float64(math.NaN())}}, Params: []wire.KV{{Key: "p", Value: "v"}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.SetTag(ctx, run, wire.KV{Key: "a", Value: "b"}); mlops.CodeOf(err) != mlops.Unavailable {
		t.Errorf("a write after Close: %v, want Unavailable", err)
	}
	s = must(Open(ctx, path, Options{}))(t)
	defer s.Close()
	got := must(s.RunByID(ctx, run))(t)
	if len(got.Data.Metrics) != 2 || got.Data.Metrics[0].Step != 3 || !math.IsNaN(float64(got.Data.Metrics[1].Value)) || got.Data.Params[0].Value != "v" {
		t.Errorf("after reopening: %+v", got.Data)
	}
	for _, pragma := range []string{"synchronous=2", "foreign_keys=1", "journal_mode=wal"} {
		name, want, _ := strings.Cut(pragma, "=")
		var value string
		if err := s.writer.conn.QueryRowContext(ctx, "PRAGMA "+name).Scan(&value); err != nil || value != want {
			t.Errorf("PRAGMA %s is %s (%v), want %s", name, value, err, want)
		}
	}
}

func TestSecondProcessIsKeptAway(t *testing.T) {
	s := open(t)
	_, err := Open(t.Context(), s.Path(), Options{})
	wantCode(t, err, mlops.InvalidState, "another process has the registry open")
}

func TestMigrationSnapshotsFirst(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "registry.db")
	db := must(sql.Open("sqlite", dsn(path, "immediate")))(t)
	ms := []migration{{1, "1", "CREATE TABLE a (x); INSERT INTO a VALUES (1)"}, {2, "2", "UPDATE a SET x = 2"}, {3, "3", "DROP TABLE absent"}}
	log := slogDiscard()
	if err := migrateTo(ctx, db, path, log, ms[:1]); err != nil {
		t.Fatal(err)
	}
	err := migrateTo(ctx, db, path, log, ms)
	if err == nil || !strings.Contains(err.Error(), "no such table: absent") {
		t.Errorf("a broken migration: %v", err)
	}
	value := func(file string) (x int) {
		d := must(sql.Open("sqlite", dsn(file, "immediate")))(t)
		defer d.Close()
		if err := d.QueryRowContext(ctx, "SELECT x FROM a").Scan(&x); err != nil {
			t.Fatal(err)
		}
		return x
	}
	if now, before2, before3 := value(path), value(path+".before-2"), value(path+".before-3"); now != 2 || before2 != 1 || before3 != 2 {
		t.Errorf("now %d, before 2: %d, before 3: %d; want 2, 1, 2", now, before2, before3)
	}
	if _, err := os.Stat(path + ".before-1"); err == nil {
		t.Error("an empty database was copied")
	}
	// Going back to a version that knows fewer migrations is refused.
	wantCode(t, migrateTo(ctx, db, path, log, ms[:1]), mlops.InvalidState, "use the newer Benchtop")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestConcurrentWritesShareCommits(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	const workers, each = 16, 40
	var wg sync.WaitGroup
	runs := make([]string, workers)
	for w := range workers {
		runs[w] = newRun(t, s, "0")
	}
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := s.LogBatch(ctx, runs[w], Batch{Metrics: []wire.Metric{{Key: "m", Value: wire.Float64(i), Step: int64(i), Timestamp: 1}}}); err != nil {
					t.Error(err)
				}
				// Failures in between must not undo the neighbours.
				if err := s.LogBatch(ctx, runs[w], Batch{Metrics: []wire.Metric{{Key: "x", Value: 1, Timestamp: 1, ModelID: "none"}}}); err == nil {
					t.Error("a metric of a model that is not there was taken")
				}
			}
		})
	}
	wg.Wait()
	for _, run := range runs {
		ms, _, err := s.History(ctx, run, "m", 0, "")
		if err != nil || len(ms) != each {
			t.Fatalf("%d points, want %d (%v)", len(ms), each, err)
		}
		if none, _, _ := s.History(ctx, run, "x", 0, ""); len(none) != 0 {
			t.Errorf("%d points of requests that failed", len(none))
		}
	}
}

func TestPanicInAWriteHitsOnlyThatWrite(t *testing.T) {
	s := open(t)
	err := s.write(t.Context(), func(*tx) error { panic("boom") })
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("error %v, want the panic", err)
	}
	newRun(t, s, "0")
}

func TestCancelledWriteIsNotDone(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.CreateExperiment(ctx, "x", "", nil); err == nil {
		t.Error("a cancelled request was executed")
	}
	_, err := s.ExperimentByName(t.Context(), "x")
	wantCode(t, err, mlops.NotFound, `"x"`)
}

func TestChangedIsClosedByACommit(t *testing.T) {
	s := open(t)
	c := s.Changed()
	select {
	case <-c:
		t.Fatal("closed before a write")
	default:
	}
	newRun(t, s, "0")
	select {
	case <-c:
	case <-time.After(5 * time.Second):
		t.Fatal("not closed after a write")
	}
	if s.Changed() == c {
		t.Error("the next wait would return at once")
	}
}

func TestDocumentsFollowWrites(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	run := newRun(t, s, "0")
	for i := range 20 {
		if err := s.SetTag(ctx, run, wire.KV{Key: "n", Value: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		got := must(s.Run(ctx, run))(t)
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
		run := newRun(t, s, "0")
		must(s.Run(t.Context(), run))(t)
	}
	if s.docs.size > s.docs.max || len(s.docs.byRun) == 0 {
		t.Errorf("cache has %d bytes in %d documents, at most %d are allowed", s.docs.size, len(s.docs.byRun), s.docs.max)
	}
}

func TestMetricHistoryKeepsExtremes(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	run := newRun(t, s, "0")
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
		if err := s.LogBatch(ctx, run, Batch{Metrics: ms}); err != nil {
			t.Fatal(err)
		}
	}
	for _, max := range []int{4, 50, 300} {
		got := must(s.MetricHistory(ctx, run, "m", max))(t)
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
	if all := must(s.MetricHistory(ctx, run, "m", 0))(t); len(all) != n {
		t.Errorf("all of it: %d points", len(all))
	}
	interval := must(s.HistoryInterval(ctx, []string{run}, "m", 1000, 1999, 10))(t)
	if len(interval) != 10 || interval[0].Step != 1000 || interval[9].Step != 1999 {
		t.Errorf("interval: %d points", len(interval))
	}
}
