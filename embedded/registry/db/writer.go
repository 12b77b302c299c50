package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// maxGroup bounds how many requests share one commit, so that the first of
// them does not wait for a stream that never pauses.
const maxGroup = 128

// writer owns the only connection that writes. Requests that arrive while a
// commit is being synced to disk are executed together in the next one: a
// single client pays one sync a request, many clients share it. Each request
// of a group runs in a savepoint of its own, so that the failure of one undoes
// only that one; nobody is answered before the commit is on disk.
type writer struct {
	pool  *sql.DB
	conn  *sql.Conn
	db    *DB
	stmts map[string]*sql.Stmt
	undo  []func()             // empty what stores remember of their writes
	stale []func(rows []int64) // drop what was read before the commit

	mu     sync.Mutex
	queue  []*writeReq
	busy   bool          // somebody is committing and will look at the queue again
	closed bool          // nothing is queued any more
	idle   chan struct{} // closed when the last commit of a closed writer has ended
}

type writeReq struct {
	ctx  context.Context
	fn   func(*Tx) error
	err  error
	done chan struct{}
}

// Tx is what a write function works with. It is only valid inside of it.
type Tx struct {
	Now int64 // milliseconds since the epoch; the same for all of a commit

	w      *writer
	stale  []int64
	after  []func()
	models bool
}

// Stale says that what a store has read of a row is out of date after the
// commit.
func (t *Tx) Stale(row int64) { t.stale = append(t.stale, row) }

// After calls fn once the commit is on disk, before the request is answered.
func (t *Tx) After(fn func()) { t.after = append(t.after, fn) }

// TouchModels makes the commit wake those who wait for ModelsChanged.
func (t *Tx) TouchModels() { t.models = true }

// Forget empties what stores remember of their writes. Code that changes their
// rows by SQL must call it.
func (t *Tx) Forget() { t.w.forget() }

// OnUndo adds a function that empties a store's memory of its writes: one of
// them may be undone. Call it before the first write.
func (d *DB) OnUndo(forget func()) { d.writer.undo = append(d.writer.undo, forget) }

// OnStale adds a function that drops rows from a store's memory when a commit
// makes them stale. Call it before the first write.
func (d *DB) OnStale(drop func(rows []int64)) { d.writer.stale = append(d.writer.stale, drop) }

func newWriter(ctx context.Context, pool *sql.DB, d *DB) (*writer, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &writer{pool: pool, conn: conn, db: d, stmts: map[string]*sql.Stmt{}, idle: make(chan struct{})}, nil
}

// Write runs fn in a transaction and returns after it is durable. If fn fails,
// nothing of what it did remains.
func (d *DB) Write(ctx context.Context, fn func(*Tx) error) error {
	w := d.writer
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &writeReq{ctx: ctx, fn: fn, done: make(chan struct{})}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return mlops.Errorf(mlops.Unavailable, "the registry is shutting down")
	}
	w.queue = append(w.queue, r)
	lead := !w.busy
	w.busy = true
	w.mu.Unlock()
	if lead && w.next() {
		go w.rest()
	}
	// From here on the writer decides the outcome. If Write returned early, the
	// caller would not know whether the write is there.
	<-r.done
	return r.err
}

// next commits what is queued and reports whether more has come meanwhile. A
// caller that finds the writer idle runs the batch in its own goroutine: to
// wake another one and to be woken by it costs a single client as much as the
// write.
func (w *writer) next() (more bool) {
	w.mu.Lock()
	group := w.queue
	if len(group) > maxGroup {
		group = group[:maxGroup:maxGroup]
	}
	if w.queue = w.queue[len(group):]; len(w.queue) == 0 {
		w.queue = nil
	}
	w.mu.Unlock()
	w.commit(group)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy = len(w.queue) > 0; !w.busy && w.closed {
		close(w.idle)
	}
	return w.busy
}

// rest goes on after a caller has committed its group.
func (w *writer) rest() {
	for w.next() {
	}
}

func (w *writer) close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	busy := w.busy
	w.mu.Unlock()
	if busy {
		<-w.idle
	}
	for _, st := range w.stmts {
		st.Close()
	}
	return errors.Join(w.conn.Close(), w.pool.Close())
}

// forget empties what the writer remembers: it may come from a write that is
// undone.
func (w *writer) forget() {
	for _, f := range w.undo {
		f()
	}
	w.db.outbox.listeners = nil
}

// commit executes a group of requests and answers each.
func (w *writer) commit(group []*writeReq) {
	t := &Tx{w: w, Now: w.db.NowMs()}
	err := w.run(t, group)
	if err != nil {
		w.forget()
		err = ioError(err)
		for _, r := range group {
			if r.err == nil {
				r.err = err
			}
		}
		w.db.log.Error("registry commit failed", "requests", len(group), "error", err)
	} else {
		for _, drop := range w.stale {
			drop(t.stale)
		}
		for _, f := range t.after {
			f()
		}
	}
	for _, r := range group {
		close(r.done)
	}
	if err == nil {
		w.db.announce(t.models)
	}
}

func (w *writer) run(t *Tx, group []*writeReq) (err error) {
	if err := t.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// The transaction may already be gone, after a full disk for example.
			_ = t.Exec("ROLLBACK")
		}
	}()
	for _, r := range group {
		if r.err = r.ctx.Err(); r.err != nil {
			continue
		}
		if len(group) == 1 {
			// A single request needs the transaction only.
			if r.err = call(r.fn, t); r.err != nil {
				t.stale, t.after, t.models = nil, nil, false
				w.forget()
				return t.Exec("ROLLBACK")
			}
			break
		}
		if err := t.Exec("SAVEPOINT request"); err != nil {
			return err
		}
		stale, after, models := len(t.stale), len(t.after), t.models
		if r.err = call(r.fn, t); r.err != nil {
			t.stale, t.after, t.models = t.stale[:stale], t.after[:after], models
			w.forget()
			if err := t.Exec("ROLLBACK TO request"); err != nil {
				return err
			}
		}
		if err := t.Exec("RELEASE request"); err != nil {
			return err
		}
	}
	return t.Exec("COMMIT")
}

// call turns a panic in one request into that request's error: the writer must
// not die of it, and the other requests have nothing to do with it.
func call(fn func(*Tx) error, t *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("write: panic: %v", p)
		}
	}()
	return fn(t)
}

// ioError says what a user can do about a database that cannot be written.
func ioError(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL {
		return &mlops.Error{Code: mlops.Unavailable, Message: "the disk that holds the registry is full: free some space and try again", Err: err}
	}
	return fmt.Errorf("commit: %w", err)
}

func (t *Tx) prepared(query string) (*sql.Stmt, error) {
	if st, ok := t.w.stmts[query]; ok {
		return st, nil
	}
	st, err := t.w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	t.w.stmts[query] = st
	return st, nil
}

// Exec runs a constant statement.
func (t *Tx) Exec(query string, args ...any) error {
	_, err := t.execResult(query, args...)
	return err
}

func (t *Tx) execResult(query string, args ...any) (sql.Result, error) {
	st, err := t.prepared(query)
	if err != nil {
		return nil, err
	}
	r, err := st.Exec(args...)
	if err != nil {
		return nil, fmt.Errorf("execute %q: %w", query, err)
	}
	return r, nil
}

// Insert runs an INSERT and returns the new rowid.
func (t *Tx) Insert(query string, args ...any) (int64, error) {
	r, err := t.execResult(query, args...)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

// Changes runs a statement and returns how many rows it changed.
func (t *Tx) Changes(query string, args ...any) (int64, error) {
	r, err := t.execResult(query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Row scans the only row of a constant query.
func (t *Tx) Row(query string, args []any, dest ...any) (found bool, err error) {
	err = t.Rows(query, func(r *sql.Rows) error { found = true; return r.Scan(dest...) }, args...)
	return found, err
}

// Rows runs a constant query and calls scan for each row.
func (t *Tx) Rows(query string, scan func(*sql.Rows) error, args ...any) error {
	st, err := t.prepared(query)
	if err != nil {
		return err
	}
	rs, err := st.Query(args...)
	return eachRow(rs, err, scan)
}
