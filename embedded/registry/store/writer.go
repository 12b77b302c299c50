package store

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
	db    *sql.DB
	conn  *sql.Conn
	store *Store
	stmts map[string]*sql.Stmt
	cache *runCache
	// listeners are the active webhooks by event; nil if not known. Only the
	// writer's goroutine touches it, as the cache.
	listeners map[string][]int64

	mu     sync.Mutex
	queue  []*writeReq
	busy   bool          // somebody is committing and will look at the queue again
	closed bool          // nothing is queued any more
	idle   chan struct{} // closed when the last commit of a closed writer has ended
}

type writeReq struct {
	ctx  context.Context
	fn   func(*tx) error
	err  error
	done chan struct{}
}

// tx is what a write function works with. It is only valid inside of it.
type tx struct {
	w     *writer
	now   int64
	dirty []int64  // runs whose cached documents are stale after the commit
	after []func() // to be called once the commit is on disk

	models bool // something changed that ModelsChanged tells of
}

func newWriter(ctx context.Context, db *sql.DB, s *Store) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &writer{db: db, conn: conn, store: s, stmts: map[string]*sql.Stmt{}, cache: newRunCache(), idle: make(chan struct{})}, nil
}

// write runs fn in a transaction and returns after it is durable. If fn fails,
// nothing of what it did remains.
func (s *Store) write(ctx context.Context, fn func(*tx) error) error {
	w := s.writer
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
	// From here on the outcome is the writer's: returning early would leave
	// the caller not knowing whether the write is there.
	<-r.done
	return r.err
}

// next commits what is queued and reports whether more has come meanwhile.
// Who finds the writer idle does it in the own goroutine: to wake another one
// and to be woken by it costs a single client as much as the writing itself.
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

// rest goes on where a request has committed its group.
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
	return errors.Join(w.conn.Close(), w.db.Close())
}

// forget empties what the writer remembers, which may be of a write that is
// undone.
func (w *writer) forget() {
	w.cache.reset()
	w.listeners = nil
}

// commit executes a group of requests and answers each.
func (w *writer) commit(group []*writeReq) {
	t := &tx{w: w, now: w.store.nowMs()}
	err := w.run(t, group)
	if err != nil {
		w.forget()
		err = ioError(err)
		for _, r := range group {
			if r.err == nil {
				r.err = err
			}
		}
		w.store.log.Error("registry commit failed", "requests", len(group), "error", err)
	} else {
		w.store.docs.drop(t.dirty)
		for _, f := range t.after {
			f()
		}
	}
	for _, r := range group {
		close(r.done)
	}
	if err == nil {
		w.store.announce(t.models)
	}
}

func (w *writer) run(t *tx, group []*writeReq) (err error) {
	if err := t.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// The transaction may already be gone, after a full disk for example.
			_ = t.exec("ROLLBACK")
		}
	}()
	for _, r := range group {
		if r.err = r.ctx.Err(); r.err != nil {
			continue
		}
		if len(group) == 1 {
			// The transaction is all that a request alone needs.
			if r.err = call(r.fn, t); r.err != nil {
				t.dirty, t.after, t.models = nil, nil, false
				w.forget()
				return t.exec("ROLLBACK")
			}
			break
		}
		if err := t.exec("SAVEPOINT request"); err != nil {
			return err
		}
		dirty, after, models := len(t.dirty), len(t.after), t.models
		if r.err = call(r.fn, t); r.err != nil {
			t.dirty, t.after, t.models = t.dirty[:dirty], t.after[:after], models
			w.forget()
			if err := t.exec("ROLLBACK TO request"); err != nil {
				return err
			}
		}
		if err := t.exec("RELEASE request"); err != nil {
			return err
		}
	}
	return t.exec("COMMIT")
}

// call turns a panic in one request into that request's error: the writer
// must not die of it, the other requests have nothing to do with it.
func call(fn func(*tx) error, t *tx) (err error) {
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

func (t *tx) prepared(query string) (*sql.Stmt, error) {
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

// exec runs a constant statement.
func (t *tx) exec(query string, args ...any) error {
	_, err := t.execResult(query, args...)
	return err
}

func (t *tx) execResult(query string, args ...any) (sql.Result, error) {
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

// insert runs an INSERT and returns the new rowid.
func (t *tx) insert(query string, args ...any) (int64, error) {
	r, err := t.execResult(query, args...)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

// changes runs a statement and returns how many rows it changed.
func (t *tx) changes(query string, args ...any) (int64, error) {
	r, err := t.execResult(query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row scans the only row of a constant query.
func (t *tx) row(query string, args []any, dest ...any) (found bool, err error) {
	err = t.rows(query, func(r *sql.Rows) error { found = true; return r.Scan(dest...) }, args...)
	return found, err
}

func (t *tx) rows(query string, scan func(*sql.Rows) error, args ...any) error {
	st, err := t.prepared(query)
	if err != nil {
		return err
	}
	rs, err := st.Query(args...)
	return eachRow(rs, err, scan)
}
