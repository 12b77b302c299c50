package db

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

type migration struct {
	n    int
	name string
	sql  string
}

func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var ms []migration
	for i, name := range names {
		b, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		num, _, _ := strings.Cut(filepath.Base(name), "_")
		n, err := strconv.Atoi(num)
		if err != nil || n != i+1 {
			return nil, fmt.Errorf("migration %s: expected number %d", name, i+1)
		}
		ms = append(ms, migration{n, name, string(b)})
	}
	return ms, nil
}

// migrate brings the schema up to date. PRAGMA user_version counts the
// migrations that have run. Before one changes a database that has content,
// the file is copied to "<path>.before-<n>".
func migrate(ctx context.Context, db *sql.DB, path string, log *slog.Logger) error {
	ms, err := migrations()
	if err != nil {
		return err
	}
	return migrateTo(ctx, db, path, log, ms)
}

func migrateTo(ctx context.Context, db *sql.DB, path string, log *slog.Logger, ms []migration) error {
	var have int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return fmt.Errorf("open registry %s: %w", path, err)
	}
	if have > len(ms) {
		return mlops.Errorf(mlops.InvalidState, "registry %s has schema %d, this version of Benchtop knows up to %d: use the newer Benchtop, or go back to %s.before-%d", path, have, len(ms), path, len(ms)+1)
	}
	for _, m := range ms[have:] {
		if have > 0 { // a new file has nothing to keep
			if err := snapshot(ctx, db, fmt.Sprintf("%s.before-%d", path, m.n)); err != nil {
				return err
			}
		}
		if err := apply(ctx, db, m); err != nil {
			return fmt.Errorf("migrate registry %s with %s: %w", path, m.name, err)
		}
		log.Info("registry migrated", "file", path, "schema", m.n)
	}
	return nil
}

// snapshot writes a copy to a temporary name first, so that a file under the
// final name is always whole.
func snapshot(ctx context.Context, db *sql.DB, to string) error {
	tmp := to + ".tmp"
	if err := os.Remove(tmp); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("snapshot registry: %w", err)
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", tmp); err != nil {
		return fmt.Errorf("snapshot registry to %s before migrating (is the disk full?): %w", tmp, err)
	}
	f, err := os.OpenFile(tmp, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("snapshot registry: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("snapshot registry: %w", err)
	}
	if err := os.Rename(tmp, to); err != nil {
		return fmt.Errorf("snapshot registry: %w", err)
	}
	return nil
}

func apply(ctx context.Context, db *sql.DB, m migration) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect after Commit
	if _, err := tx.ExecContext(ctx, m.sql); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", m.n)); err != nil {
		return err
	}
	return tx.Commit()
}
