// Package db is the registry's SQLite file: one writer that groups concurrent
// requests into durable commits, readers that never wait for it, migrations,
// page tokens, and the outbox, which is written together with the changes that
// it reports. It knows no nouns; the stores over it do.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Options of Open. All fields may be zero.
type Options struct {
	Log *slog.Logger
	Now func() time.Time
	// Readers is the number of connections that read at once; 4 if zero.
	Readers int
	// MaxUndelivered bounds the rows that wait in the outbox for one webhook: a
	// receiver that is gone for good must not fill the disk. 10,000 if zero.
	MaxUndelivered int
}

// DB is the registry's database. Its methods may be called concurrently.
type DB struct {
	path string
	log  *slog.Logger
	now  func() time.Time
	lock *fileLock

	read  *sql.DB
	stmts sync.Map // query text → *sql.Stmt of the read pool

	writer *writer
	outbox outbox

	mu            sync.Mutex
	changed       chan struct{}
	modelsChanged chan struct{}
}

// Open opens the database at path, creating it if it is missing and bringing
// its schema up to date. Before migration n changes the file, a copy is kept as
// "<path>.before-<n>". Only one process may have the file open at a time: the
// stores rely on it, because they remember what they wrote.
func Open(ctx context.Context, path string, opt Options) (_ *DB, err error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Readers <= 0 {
		opt.Readers = 4
	}
	if opt.MaxUndelivered <= 0 {
		opt.MaxUndelivered = 10_000
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open registry %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	d := &DB{path: path, log: opt.Log, now: opt.Now, outbox: outbox{max: opt.MaxUndelivered}, changed: make(chan struct{}), modelsChanged: make(chan struct{})}
	if d.lock, err = lockFile(path + ".lock"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	wdb, err := sql.Open("sqlite", dsn(path, "immediate", "synchronous(FULL)", "foreign_keys(1)", "journal_mode(WAL)", "wal_autocheckpoint(2000)", "cache_size(-4096)"))
	if err != nil {
		return nil, fmt.Errorf("open registry %s: %w", path, err)
	}
	wdb.SetMaxOpenConns(1)
	if err := migrate(ctx, wdb, path, d.log); err != nil {
		return nil, errors.Join(err, wdb.Close())
	}
	if d.writer, err = newWriter(ctx, wdb, d); err != nil {
		return nil, errors.Join(fmt.Errorf("open registry %s: %w", path, err), wdb.Close())
	}
	d.read, err = sql.Open("sqlite", dsn(path, "deferred", "query_only(1)", "cache_size(-2048)"))
	if err != nil {
		return nil, fmt.Errorf("open registry %s: %w", path, err)
	}
	d.read.SetMaxOpenConns(opt.Readers)
	d.read.SetMaxIdleConns(opt.Readers)
	return d, nil
}

// dsn names the file with its pragmas, so that every connection of a pool,
// also one opened years later, has them.
func dsn(path, txlock string, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{"busy_timeout(10000)", "temp_store(MEMORY)"}, pragmas...), "_txlock": {txlock}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// Close waits for writes under way and closes the database.
func (d *DB) Close() error {
	var errs []error
	if d.writer != nil {
		errs = append(errs, d.writer.close())
	}
	d.stmts.Range(func(k, v any) bool {
		v.(*sql.Stmt).Close()
		d.stmts.Delete(k)
		return true
	})
	if d.read != nil {
		errs = append(errs, d.read.Close())
	}
	errs = append(errs, d.lock.release())
	return errors.Join(errs...)
}

// Path is where the database lies.
func (d *DB) Path() string { return d.path }

// Log is where the stores log errors that no caller sees.
func (d *DB) Log() *slog.Logger { return d.log }

// Now is the time that rows are stamped with.
func (d *DB) Now() time.Time { return d.now() }

// NowMs is Now in milliseconds since the epoch.
func (d *DB) NowMs() int64 { return d.now().UnixMilli() }

// Changed returns a channel that is closed at the next committed write.
func (d *DB) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// ModelsChanged returns a channel that is closed at the next committed write
// to models, versions, aliases or what is served of them, and when a run ends.
func (d *DB) ModelsChanged() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.modelsChanged
}

func (d *DB) announce(models bool) {
	d.mu.Lock()
	close(d.changed)
	d.changed = make(chan struct{})
	if models {
		close(d.modelsChanged)
		d.modelsChanged = make(chan struct{})
	}
	d.mu.Unlock()
}

// stmt returns a prepared statement of the read pool.
func (d *DB) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := d.stmts.Load(query); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := d.read.PrepareContext(context.WithoutCancel(ctx), query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	if old, loaded := d.stmts.LoadOrStore(query, st); loaded {
		st.Close()
		return old.(*sql.Stmt), nil
	}
	return st, nil
}

// Rows runs a query and calls scan for each row. The query must be a constant
// of the program, because its statement is kept for good.
func (d *DB) Rows(ctx context.Context, query string, scan func(*sql.Rows) error, args ...any) error {
	st, err := d.stmt(ctx, query)
	if err != nil {
		return err
	}
	rs, err := st.QueryContext(ctx, args...)
	return eachRow(rs, err, scan)
}

// RowsOnce is Rows for a query that is put together at run time.
func (d *DB) RowsOnce(ctx context.Context, query string, scan func(*sql.Rows) error, args ...any) error {
	rs, err := d.read.QueryContext(ctx, query, args...)
	return eachRow(rs, err, scan)
}

// Row scans the only row of a constant query; found is false if there is none.
func (d *DB) Row(ctx context.Context, query string, args []any, dest ...any) (found bool, err error) {
	err = d.Rows(ctx, query, func(r *sql.Rows) error { found = true; return r.Scan(dest...) }, args...)
	return found, err
}

// View calls fn with a function like RowsOnce. All its reads are in one read
// transaction and see the same moment.
func (d *DB) View(ctx context.Context, fn func(rows func(query string, scan func(*sql.Rows) error) error) error) error {
	tx, err := d.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() // it has changed nothing
	return fn(func(query string, scan func(*sql.Rows) error) error {
		rs, err := tx.QueryContext(ctx, query)
		return eachRow(rs, err, scan)
	})
}

func eachRow(rs *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer rs.Close()
	for rs.Next() {
		if err := scan(rs); err != nil {
			return err
		}
	}
	if err := rs.Err(); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	return nil
}
