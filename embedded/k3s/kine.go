package k3s

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/k3s-io/kine/pkg/drivers"
	"github.com/k3s-io/kine/pkg/drivers/generic"
	"github.com/k3s-io/kine/pkg/logstructured"
	"github.com/k3s-io/kine/pkg/logstructured/sqllog"
	"github.com/k3s-io/kine/pkg/server"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// kine's own SQLite driver needs cgo. This one speaks to modernc.org/sqlite
// and keeps kine's table, so the file can be read by any K3s.
// Table and indexes as in github.com/k3s-io/kine, pkg/drivers/sqlite.
var kineSchema = []string{
	`CREATE TABLE IF NOT EXISTS kine (
		id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER, created INTEGER, deleted INTEGER,
		create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB)`,
	`CREATE INDEX IF NOT EXISTS kine_name_index ON kine (name)`,
	`CREATE INDEX IF NOT EXISTS kine_name_id_index ON kine (name, id)`,
	`CREATE INDEX IF NOT EXISTS kine_id_deleted_index ON kine (id, deleted)`,
	`CREATE INDEX IF NOT EXISTS kine_prev_revision_index ON kine (prev_revision)`,
	`CREATE UNIQUE INDEX IF NOT EXISTS kine_name_prev_revision_uindex ON kine (name, prev_revision)`,
	`CREATE INDEX IF NOT EXISTS kine_id_compact_rev_key_with_prev_revision_index ON kine (id, name, prev_revision)
		WHERE name != 'compact_rev_key' AND prev_revision != 0`,
	`PRAGMA wal_checkpoint(TRUNCATE)`,
}

// A row is superfluous once a newer row of the same key points back at it
// through prev_revision, or when it records a deletion; both only up to the
// revision being compacted (the only parameter, given twice).
const kineCompact = `
DELETE FROM kine WHERE id IN (
	SELECT prev_revision FROM kine WHERE name != 'compact_rev_key' AND prev_revision != 0 AND id <= ?
	UNION
	SELECT id FROM kine WHERE deleted != 0 AND id <= ?)`

// registerKine makes K3s keep its state in <dir>/server/db/state.db. It must
// run before the K3s server starts and after kine's own drivers registered.
func registerKine(dir string) {
	const busy = 30000 // ms
	file := filepath.Join(dir, "server", "db", "state.db")
	dsn := "file:" + file +
		"?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(" + strconv.Itoa(busy) + ")"
	drivers.Register("sqlite", func(ctx context.Context, wg *sync.WaitGroup, cfg *drivers.Config) (bool, server.Backend, error) {
		if err := checkKine(ctx, file, dsn); err != nil {
			return false, nil, err
		}
		backend, err := openKine(ctx, wg, dsn, cfg)
		return false, backend, err
	})
	drivers.SetDefault("sqlite")
}

// checkKine tells a damaged file at once; kine would try for five minutes.
func checkKine(ctx context.Context, file, dsn string) error {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return fmt.Errorf("open kine database: %w", err)
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "PRAGMA schema_version")
	if e := sqliteError(err); e != nil && (e.Code() == sqlite3.SQLITE_NOTADB || e.Code() == sqlite3.SQLITE_CORRUPT) {
		return fmt.Errorf("the cluster's state %s is damaged: restore it from a backup, or run `benchtop reset` to start afresh: %w", file, err)
	}
	return nil // whatever else is wrong may pass
}

func openKine(ctx context.Context, wg *sync.WaitGroup, dsn string, cfg *drivers.Config) (server.Backend, error) {
	d, err := generic.Open(ctx, wg, "sqlite", dsn, cfg.ConnectionPoolConfig, "?", false, cfg.MetricsRegisterer)
	if err != nil {
		return nil, fmt.Errorf("open kine database: %w", err)
	}
	d.LastInsertID = true
	d.GetSizeSQL = `SELECT (page_count - freelist_count) * page_size FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()`
	d.CompactSQL = kineCompact
	d.PostCompactSQL = `PRAGMA wal_checkpoint(FULL)`
	d.TranslateErr = func(err error) error {
		if e := sqliteError(err); e != nil && e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE {
			return server.ErrKeyExists
		}
		return err
	}
	d.ErrCode = func(err error) string {
		if err == nil {
			return ""
		}
		if e := sqliteError(err); e != nil {
			return strconv.Itoa(e.Code())
		}
		return err.Error()
	}
	for _, stmt := range kineSchema {
		if _, err := d.DB.ExecContext(ctx, stmt); err != nil {
			return nil, fmt.Errorf("set up kine database: %w", err)
		}
	}
	// kine's Migrate (from tables of 2019, which we never had) is left out: it
	// leaves a query open, and so a reader on the oldest state. Checkpoints
	// would wait for it, and every write for them: 30 s at each compaction.
	return logstructured.New(sqllog.New(d, cfg.CompactInterval, cfg.CompactIntervalJitter, cfg.CompactTimeout,
		cfg.CompactMinRetain, cfg.CompactBatchSize, cfg.PollBatchSize)), nil
}

func sqliteError(err error) *sqlite.Error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
