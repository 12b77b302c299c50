package db

import (
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func open(t *testing.T) *DB {
	t.Helper()
	d, err := Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestWriterIsDurable(t *testing.T) {
	d := open(t)
	for _, pragma := range []string{"synchronous=2", "foreign_keys=1", "journal_mode=wal"} {
		name, want, _ := strings.Cut(pragma, "=")
		var value string
		if err := d.writer.conn.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&value); err != nil || value != want {
			t.Errorf("PRAGMA %s is %s (%v), want %s", name, value, err, want)
		}
	}
}

func TestMigrationSnapshotsFirst(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "registry.db")
	pool := openFile(t, path)
	ms := []migration{{1, "1", "CREATE TABLE a (x); INSERT INTO a VALUES (1)"}, {2, "2", "UPDATE a SET x = 2"}, {3, "3", "DROP TABLE absent"}}
	log := slog.New(slog.DiscardHandler)
	if err := migrateTo(ctx, pool, path, log, ms[:1]); err != nil {
		t.Fatal(err)
	}
	err := migrateTo(ctx, pool, path, log, ms)
	if err == nil || !strings.Contains(err.Error(), "no such table: absent") {
		t.Errorf("a broken migration: %v", err)
	}
	value := func(file string) (x int) {
		p := openFile(t, file)
		defer p.Close()
		if err := p.QueryRowContext(ctx, "SELECT x FROM a").Scan(&x); err != nil {
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
	err = migrateTo(ctx, pool, path, log, ms[:1])
	if mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(err.Error(), "use the newer Benchtop") {
		t.Errorf("a newer schema: %v", err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
}

func openFile(t *testing.T, path string) *sql.DB {
	t.Helper()
	pool, err := sql.Open("sqlite", dsn(path, "immediate", "foreign_keys(1)", "journal_mode(WAL)"))
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// TestOldDataDir opens a data dir from before there were keys.
func TestOldDataDir(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "registry.db")
	pool := openFile(t, path)
	ms, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	if err := migrateTo(ctx, pool, path, slog.New(slog.DiscardHandler), ms[:4]); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.ExecContext(ctx, "INSERT INTO projects (name, dataset, schedule, node, created) VALUES ('iris', 'iris', '', '', 1)"); err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := Open(ctx, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for query, want := range map[string]int{"SELECT count(*) FROM projects": 1, "SELECT count(*) FROM keys": 0} {
		var n int
		if _, err := d.Row(ctx, query, nil, &n); err != nil || n != want {
			t.Errorf("%s after the migration: %d (%v), want %d", query, n, err, want)
		}
	}
	if err := d.Write(ctx, func(t *Tx) error {
		return t.Exec("INSERT INTO keys (name, role, buckets, salt, created, expires, last_used) VALUES ('ada', 'reader', '[]', 's', ?, 0, 0)", t.Now)
	}); err != nil {
		t.Errorf("a key after the migration: %v", err)
	}
}

// TestTrainerOfAnOldDataDir opens a data dir from before trainings and
// revisions kept their code: it is in the tags of their runs.
func TestTrainerOfAnOldDataDir(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "registry.db")
	pool := openFile(t, path)
	ms, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	if err := migrateTo(ctx, pool, path, slog.New(slog.DiscardHandler), ms[:14]); err != nil {
		t.Fatal(err)
	}
	_, err = pool.ExecContext(ctx, `INSERT INTO projects (name, dataset, schedule, node, created) VALUES ('iris', 'iris', '', '', 1);
		INSERT INTO experiments (name, artifact_location, created, updated) VALUES ('iris', '', 1, 1);
		INSERT INTO runs (run_id, exp, name, user_id, status, start_time, artifact_uri) SELECT 'r1', id, '', '', 'FINISHED', 1, '' FROM experiments WHERE name = 'iris';
		INSERT INTO tags (run, key, exp, value) SELECT r.id, t.column1, r.exp, t.column2 FROM runs r, (VALUES ('benchtop.job', 'iris-train-1'), ('benchtop.code.sha256', 'c0de'), ('benchtop.image', 'lab:1')) t;
		INSERT INTO trainings (project, trigger, state, job, created) VALUES (1, 'manual', 'succeeded', 'iris-train-1', 1), (1, 'manual', 'failed', 'iris-train-2', 2);
		INSERT INTO deployments (name, project, model, follows, automatic, created) VALUES ('iris', 'iris', 'iris', 'live', 1, 1);
		INSERT INTO revisions (deployment, number, model, version, run_id, state, cause, by, reason, created) VALUES (1, 1, 'iris', 1, 'r1', 'live', 'promote', '', '', 1), (1, 2, 'iris', 2, '', 'failed', 'promote', '', '', 1)`)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := Open(ctx, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for query, want := range map[string]string{
		"SELECT group_concat(code || ' ' || image, ', ') FROM (SELECT * FROM trainings ORDER BY id)": "c0de lab:1,  ",
		"SELECT group_concat(code || ' ' || image, ', ') FROM (SELECT * FROM revisions ORDER BY id)": "c0de lab:1,  ",
		"SELECT resources || environment || edited_resources || edited_environment FROM projects":    "{}{}00",
	} {
		var got string
		if _, err := d.Row(ctx, query, nil, &got); err != nil || got != want {
			t.Errorf("%s after the migration: %q (%v), want %q", query, got, err, want)
		}
	}
}

func TestPanicInAWriteHitsOnlyThatWrite(t *testing.T) {
	d := open(t)
	err := d.Write(t.Context(), func(*Tx) error { panic("boom") })
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("error %v, want the panic", err)
	}
	setFact(t, d, "after", "1")
}

func setFact(t *testing.T, d *DB, key, value string) {
	t.Helper()
	if err := d.Write(t.Context(), func(t *Tx) error {
		return t.Exec("INSERT INTO loop_facts (key, value) VALUES (?, ?)", key, value)
	}); err != nil {
		t.Fatal(err)
	}
}

func TestChangedIsClosedByACommit(t *testing.T) {
	d := open(t)
	c := d.Changed()
	select {
	case <-c:
		t.Fatal("closed before a write")
	default:
	}
	setFact(t, d, "a", "1")
	select {
	case <-c:
	case <-time.After(5 * time.Second):
		t.Fatal("not closed after a write")
	}
	if d.Changed() == c {
		t.Error("the next wait would return at once")
	}
}

// TestMemoryOfUndoneWrites: stores forget a write that is undone, and what they
// have read when a commit makes it stale.
func TestMemoryOfUndoneWrites(t *testing.T) {
	d := open(t)
	forgotten := 0
	var stale []int64
	d.OnUndo(func() { forgotten++ })
	d.OnStale(func(runs []int64) { stale = append(stale, runs...) })
	told := false
	undone := mlops.Errorf(mlops.Invalid, "undone")
	if err := d.Write(t.Context(), func(t *Tx) error {
		t.Stale(1)
		t.After(func() { told = true })
		return undone
	}); mlops.CodeOf(err) != mlops.Invalid {
		t.Fatal(err)
	}
	if forgotten != 1 || len(stale) != 0 || told {
		t.Errorf("an undone write: forgotten %d times, stale %v, told %v", forgotten, stale, told)
	}
	if err := d.Write(t.Context(), func(t *Tx) error {
		t.Stale(2)
		t.After(func() { told = true })
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if forgotten != 1 || len(stale) != 1 || stale[0] != 2 || !told {
		t.Errorf("a write: forgotten %d times, stale %v, told %v", forgotten, stale, told)
	}
}
