// Package store keeps the registry in one SQLite file: experiments, runs, what
// runs log, logged models, registered models and the loop's own rows. One
// writer groups concurrent requests into durable commits; readers never wait
// for it. DESIGN.md, one folder up, says why it is built so.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Options of Open. All fields may be zero.
type Options struct {
	// Artifacts holds what runs upload. It may also be a
	// mlops.MultipartStore. Until it is set (here or by SetArtifacts)
	// artifact calls answer mlops.Unavailable.
	Artifacts mlops.ObjectStore
	Log       *slog.Logger
	Now       func() time.Time
	// Readers is the number of connections that read at once; 4 if zero.
	Readers int
	// WebhookAllow lists networks that webhooks may reach although they are
	// this machine's or the cluster's own.
	WebhookAllow []netip.Prefix
}

// Store is the registry's database. Its methods may be called at once.
type Store struct {
	path string
	log  *slog.Logger
	now  func() time.Time
	lock *fileLock

	read  *sql.DB
	stmts sync.Map // query text → *sql.Stmt of the read pool

	writer *writer

	mu            sync.Mutex
	artifacts     mlops.ObjectStore
	deployed      Deployments
	changed       chan struct{}
	modelsChanged chan struct{}

	docs   *docCache
	hook   *deliverer
	limits searchLimits
}

// Open opens the database at path, creating it if it is missing and bringing
// its schema up to date. A copy of the file as it was is kept as
// "<path>.before-<n>" before migration n changes it. Only one process may have
// the file open at a time: the writer's caches rely on it.
func Open(ctx context.Context, path string, opt Options) (_ *Store, err error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Readers <= 0 {
		opt.Readers = 4
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open registry %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	s := &Store{path: path, log: opt.Log, now: opt.Now, artifacts: opt.Artifacts, changed: make(chan struct{}), modelsChanged: make(chan struct{}), docs: newDocCache(8 << 20), limits: usualLimits}
	s.hook = newDeliverer(s, opt.WebhookAllow) // delivers once everything else is there
	if s.lock, err = lockFile(path + ".lock"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	wdb, err := sql.Open("sqlite", dsn(path, "immediate", "synchronous(FULL)", "foreign_keys(1)", "journal_mode(WAL)", "wal_autocheckpoint(2000)", "cache_size(-4096)"))
	if err != nil {
		return nil, fmt.Errorf("open registry %s: %w", path, err)
	}
	wdb.SetMaxOpenConns(1)
	if err := migrate(ctx, wdb, path, s.log); err != nil {
		return nil, errors.Join(err, wdb.Close())
	}
	if s.writer, err = newWriter(ctx, wdb, s); err != nil {
		return nil, errors.Join(fmt.Errorf("open registry %s: %w", path, err), wdb.Close())
	}
	s.read, err = sql.Open("sqlite", dsn(path, "deferred", "query_only(1)", "cache_size(-2048)"))
	if err != nil {
		return nil, fmt.Errorf("open registry %s: %w", path, err)
	}
	s.read.SetMaxOpenConns(opt.Readers)
	s.read.SetMaxIdleConns(opt.Readers)
	if err := s.ensureDefaultExperiment(ctx); err != nil {
		return nil, err
	}
	if err := s.hook.start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// dsn names the file with its pragmas, so that every connection of a pool,
// also one opened years later, has them.
func dsn(path, txlock string, pragmas ...string) string {
	q := url.Values{"_pragma": append([]string{"busy_timeout(10000)", "temp_store(MEMORY)"}, pragmas...), "_txlock": {txlock}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// Close waits for writes under way and closes the database.
func (s *Store) Close() error {
	var errs []error
	if s.hook != nil {
		s.hook.close()
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	s.stmts.Range(func(k, v any) bool {
		v.(*sql.Stmt).Close()
		s.stmts.Delete(k)
		return true
	})
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	errs = append(errs, s.lock.release())
	return errors.Join(errs...)
}

// Path is where the database lies.
func (s *Store) Path() string { return s.path }

// SetArtifacts sets where artifacts lie, once that is known.
func (s *Store) SetArtifacts(a mlops.ObjectStore) {
	s.mu.Lock()
	s.artifacts = a
	s.mu.Unlock()
}

// ArtifactStore returns what SetArtifacts or Options gave, or Unavailable.
func (s *Store) ArtifactStore() (mlops.ObjectStore, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.artifacts == nil {
		return nil, mlops.Errorf(mlops.Unavailable, "the artifact store is not ready yet: try again in a few seconds")
	}
	return s.artifacts, nil
}

// SetDeployments says who knows what is deployed, for lineage.
func (s *Store) SetDeployments(d Deployments) {
	s.mu.Lock()
	s.deployed = d
	s.mu.Unlock()
}

// Deployed returns what SetDeployments gave, or nil.
func (s *Store) Deployed() Deployments {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deployed
}

// Changed returns a channel that is closed at the next committed write.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// ModelsChanged returns a channel that is closed at the next committed write
// to models, versions, aliases or what is served of them, and when a run ends.
func (s *Store) ModelsChanged() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.modelsChanged
}

func (s *Store) announce(models bool) {
	s.mu.Lock()
	close(s.changed)
	s.changed = make(chan struct{})
	if models {
		close(s.modelsChanged)
		s.modelsChanged = make(chan struct{})
	}
	s.mu.Unlock()
}

func (s *Store) nowMs() int64 { return s.now().UnixMilli() }

// stmt returns a prepared statement of the read pool. Only for query texts
// that are constants of this package: the map keeps them for good.
func (s *Store) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.stmts.Load(query); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := s.read.PrepareContext(context.WithoutCancel(ctx), query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	if old, loaded := s.stmts.LoadOrStore(query, st); loaded {
		st.Close()
		return old.(*sql.Stmt), nil
	}
	return st, nil
}

// rows runs a constant query and calls scan for each row.
func (s *Store) rows(ctx context.Context, query string, scan func(*sql.Rows) error, args ...any) error {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return err
	}
	rs, err := st.QueryContext(ctx, args...)
	return eachRow(rs, err, scan)
}

// rowsOnce is rows for a query text that is made up at run time.
func (s *Store) rowsOnce(ctx context.Context, query string, scan func(*sql.Rows) error, args ...any) error {
	rs, err := s.read.QueryContext(ctx, query, args...)
	return eachRow(rs, err, scan)
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

// row scans the only row of a constant query; found is false if there is none.
func (s *Store) row(ctx context.Context, query string, args []any, dest ...any) (found bool, err error) {
	err = s.rows(ctx, query, func(r *sql.Rows) error { found = true; return r.Scan(dest...) }, args...)
	return found, err
}

// marks returns "?,?,…" with n question marks.
func marks(n int) string {
	if n <= 0 {
		return ""
	}
	return strings.Repeat(",?", n)[1:]
}
