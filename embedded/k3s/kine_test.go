package k3s

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/k3s-io/kine/pkg/drivers"
	"github.com/k3s-io/kine/pkg/server"
	"github.com/prometheus/client_golang/prometheus"
)

// openTestKine starts kine on the state in dir as K3s does: through the
// default driver. It is closed by the returned function.
func openTestKine(t *testing.T, dir string) (server.Backend, func()) {
	t.Helper()
	return openCompactingKine(t, dir, time.Hour)
}

func openCompactingKine(t *testing.T, dir string, interval time.Duration) (server.Backend, func()) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "server", "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	registerKine(dir)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	leader, backend, err := drivers.New(ctx, &wg, &drivers.Config{
		MetricsRegisterer: prometheus.NewRegistry(), CompactInterval: interval, CompactTimeout: 5 * time.Second,
		CompactMinRetain: 2, CompactBatchSize: 1000, PollBatchSize: 500,
	})
	if err == nil {
		err = backend.Start(ctx)
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	if leader {
		t.Error("one server needs no leader election")
	}
	var once sync.Once
	closeIt := func() {
		once.Do(func() {
			cancel()
			wg.Wait()
		})
	}
	t.Cleanup(closeIt)
	return backend, closeIt
}

func create(t *testing.T, b server.Backend, key, value string) int64 {
	t.Helper()
	rev, err := b.Create(t.Context(), key, []byte(value), 0)
	if err != nil {
		t.Fatalf("create %s: %v", key, err)
	}
	return rev
}

func value(t *testing.T, b server.Backend, key string) string {
	t.Helper()
	_, kv, err := b.Get(t.Context(), key, "", 0, 0, false)
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	if kv == nil {
		return "none"
	}
	return string(kv.Value)
}

func TestKineKeepsKeys(t *testing.T) {
	b, _ := openTestKine(t, t.TempDir())
	ctx := t.Context()
	if got := value(t, b, "/registry/pods/a"); got != "none" {
		t.Errorf("a key that is not there holds %q", got)
	}
	rev := create(t, b, "/registry/pods/a", "one")
	if got := value(t, b, "/registry/pods/a"); got != "one" {
		t.Errorf("it holds %q", got)
	}
	if _, err := b.Create(ctx, "/registry/pods/a", []byte("again"), 0); !errors.Is(err, server.ErrKeyExists) {
		t.Errorf("creating what exists: error %v, expected %v: Kubernetes' AlreadyExists hangs on it", err, server.ErrKeyExists)
	}
	rev2, kv, ok, err := b.Update(ctx, "/registry/pods/a", []byte("two"), rev, 0)
	if err != nil || !ok || rev2 <= rev || string(kv.Value) != "two" {
		t.Errorf("update returned %d, %+v, %t, %v", rev2, kv, ok, err)
	}
	// A writer that has not seen the last change is refused.
	if _, kv, ok, err := b.Update(ctx, "/registry/pods/a", []byte("stale"), rev, 0); err != nil || ok || string(kv.Value) != "two" {
		t.Errorf("a stale update returned %+v, %t, %v", kv, ok, err)
	}
	// The past can be read.
	if _, kv, err := b.Get(ctx, "/registry/pods/a", "", 0, rev, false); err != nil || kv == nil || string(kv.Value) != "one" {
		t.Errorf("at revision %d it holds %+v (%v)", rev, kv, err)
	}
	if _, _, ok, err := b.Delete(ctx, "/registry/pods/a", rev); err != nil || ok {
		t.Errorf("a stale delete returned %t, %v", ok, err)
	}
	if _, kv, ok, err := b.Delete(ctx, "/registry/pods/a", rev2); err != nil || !ok || string(kv.Value) != "two" {
		t.Errorf("delete returned %+v, %t, %v", kv, ok, err)
	}
	if got := value(t, b, "/registry/pods/a"); got != "none" {
		t.Errorf("a deleted key holds %q", got)
	}
	create(t, b, "/registry/pods/a", "three") // the name is free again
}

func TestKineLists(t *testing.T) {
	b, _ := openTestKine(t, t.TempDir())
	for _, key := range []string{"/registry/pods/b", "/registry/pods/a", "/registry/pods/c", "/registry/podsx/d", "/registry/nodes/n"} {
		create(t, b, key, "v")
	}
	list := func(start string, limit int64) string {
		t.Helper()
		_, kvs, err := b.List(t.Context(), "/registry/pods/", start, limit, 0, false)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, kv := range kvs {
			keys = append(keys, strings.TrimPrefix(kv.Key, "/registry/"))
		}
		return strings.Join(keys, " ")
	}
	if got := list("", 0); got != "pods/a pods/b pods/c" {
		t.Errorf("listed %s", got)
	}
	if got := list("", 2); got != "pods/a pods/b" {
		t.Errorf("the first page is %s", got)
	}
	if got := list("/registry/pods/b\x00", 2); got != "pods/c" {
		t.Errorf("the page after b is %s", got)
	}
	if _, n, err := b.Count(t.Context(), "/registry/pods/", "", 0); err != nil || n != 3 {
		t.Errorf("counted %d (%v)", n, err)
	}
}

func TestKineReopens(t *testing.T) {
	dir := t.TempDir()
	b, stop := openTestKine(t, dir)
	rev := create(t, b, "/registry/nodes/n", "value")
	if _, _, ok, err := b.Update(t.Context(), "/registry/nodes/n", []byte("newer"), rev, 0); !ok || err != nil {
		t.Fatal(ok, err)
	}
	at, err := b.CurrentRevision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop()
	b, _ = openTestKine(t, dir)
	if got := value(t, b, "/registry/nodes/n"); got != "newer" {
		t.Errorf("after a restart it holds %q", got)
	}
	if now, err := b.CurrentRevision(t.Context()); err != nil || now < at {
		t.Errorf("after a restart the revision is %d (%v), it was %d: clients would see time run back", now, err, at)
	}
	if _, err := b.Create(t.Context(), "/registry/nodes/n", nil, 0); !errors.Is(err, server.ErrKeyExists) {
		t.Errorf("creating what exists: error %v", err)
	}
}

func TestKineCompacts(t *testing.T) {
	dir := t.TempDir()
	b, _ := openCompactingKine(t, dir, 50*time.Millisecond)
	ctx := t.Context()
	rev := create(t, b, "/registry/leases/busy", "0")
	first := rev
	for i := 1; i <= 50; i++ {
		next, _, ok, err := b.Update(ctx, "/registry/leases/busy", fmt.Append(nil, i), rev, 0)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		rev = next
	}
	gone := create(t, b, "/registry/pods/gone", "x")
	if _, _, ok, err := b.Delete(ctx, "/registry/pods/gone", gone); err != nil || !ok {
		t.Fatal(ok, err)
	}
	create(t, b, "/registry/pods/keep", "kept")
	for i := range 5 {
		create(t, b, fmt.Sprintf("/registry/pods/later%d", i), "y")
	}
	// kine compacts by itself, up to a few revisions ago.
	deadline := time.Now().Add(20 * time.Second)
	for countRows(t, dir, "/registry/leases/busy") > 1 || countRows(t, dir, "/registry/pods/gone") > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d rows of the busy key and %d of a deleted one are left", countRows(t, dir, "/registry/leases/busy"), countRows(t, dir, "/registry/pods/gone"))
		}
		time.Sleep(20 * time.Millisecond)
	}
	if got := value(t, b, "/registry/leases/busy"); got != "50" {
		t.Errorf("after compaction the busy key holds %q", got)
	}
	if got := value(t, b, "/registry/pods/keep") + value(t, b, "/registry/pods/later4") + value(t, b, "/registry/pods/gone"); got != "keptynone" {
		t.Errorf("after compaction the others hold %q", got)
	}
	if _, _, err := b.Get(ctx, "/registry/leases/busy", "", 0, first, false); !errors.Is(err, server.ErrCompacted) {
		t.Errorf("reading a revision that is gone: error %v, expected %v", err, server.ErrCompacted)
	}
	if size, err := b.DbSize(ctx); err != nil || size <= 0 {
		t.Errorf("the database's size is %d (%v)", size, err)
	}
}

func TestKineWatches(t *testing.T) {
	b, _ := openTestKine(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := create(t, b, "/registry/pods/before", "x")
	w := b.Watch(ctx, "/registry/pods/", before+1)
	create(t, b, "/registry/nodes/other", "x")
	rev := create(t, b, "/registry/pods/a", "one")
	if _, _, _, err := b.Update(ctx, "/registry/pods/a", []byte("two"), rev, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := b.Delete(ctx, "/registry/pods/a", 0); err != nil {
		t.Fatal(err)
	}
	var seen []string
	deadline := time.After(time.Minute)
	for len(seen) < 3 {
		select {
		case events, ok := <-w.Events:
			if !ok {
				t.Fatalf("the watch ended after %v", seen)
			}
			for _, e := range events {
				seen = append(seen, fmt.Sprintf("%s create=%t delete=%t", e.KV.Key, e.Create, e.Delete))
			}
		case <-deadline:
			t.Fatalf("saw only %v", seen)
		}
	}
	const want = "/registry/pods/a create=true delete=false|/registry/pods/a create=false delete=false|/registry/pods/a create=false delete=true"
	if got := strings.Join(seen, "|"); got != want {
		t.Errorf("saw %s, expected %s", got, want)
	}
}

// Many components write at once; a busy database must wait, not fail.
func TestKineManyWriters(t *testing.T) {
	b, _ := openTestKine(t, t.TempDir())
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 15 {
				if _, err := b.Create(t.Context(), fmt.Sprintf("/registry/pods/%d-%d", w, i), []byte("v"), 0); err != nil {
					t.Errorf("writer %d: %v", w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if _, n, err := b.Count(t.Context(), "/registry/pods/", "", 0); err != nil || n != 120 {
		t.Errorf("counted %d keys (%v), expected 120", n, err)
	}
}

func TestKineErrors(t *testing.T) {
	if sqliteError(errors.New("other")) != nil {
		t.Error("any error passes for SQLite's")
	}
	dir := t.TempDir()
	db := filepath.Join(dir, "server", "db")
	if err := os.MkdirAll(db, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(db, "state.db"), []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	registerKine(dir)
	var wg sync.WaitGroup
	_, _, err := drivers.New(t.Context(), &wg, &drivers.Config{MetricsRegisterer: prometheus.NewRegistry()})
	expectError(t, err, filepath.Join(db, "state.db")+" is damaged: restore it from a backup, or run `benchtop reset` to start afresh")
}

func countRows(t *testing.T, dir, key string) int {
	t.Helper()
	db := openSQLite(t, dir)
	var n int
	if err := db.QueryRow("SELECT count(*) FROM kine WHERE name = ?", key).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func openSQLite(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "server", "db", "state.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
