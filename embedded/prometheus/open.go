package prometheus

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/oklog/ulid/v2"
	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// database is the samples on disk. Its lock is ours, not tsdb's, because what
// happens before tsdb opens has to be under it, and because tsdb keeps its
// own when it fails.
type database struct {
	*tsdb.DB
	stats *tsdb.DBStats
	lock  *tsdbutil.DirLocker
}

// openDB opens the database, which repairs a damaged log by itself. Blocks that
// cannot be read would keep it from opening for ever: openDB puts them aside,
// because new samples are worth more than old ones.
func openDB(cfg Config, log *slog.Logger, registry client.Registerer) (_ *database, err error) {
	lock, err := tsdbutil.NewDirLocker(cfg.Dir, "tsdb", log, nil)
	if err != nil {
		return nil, fmt.Errorf("name the lock in %s: %w", cfg.Dir, err)
	}
	if err := lock.Lock(); err != nil {
		return nil, &mlops.Error{Code: mlops.Unavailable, Err: err,
			Message: fmt.Sprintf("the folder of samples %s is in use by another process: stop it, or use another folder", cfg.Dir)}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Release())
		}
	}()
	if err := putBrokenBlocksAside(cfg.Dir, log); err != nil {
		return nil, err
	}
	stats := tsdb.NewDBStats()
	db, err := tsdb.Open(cfg.Dir, log, registry, dbOptions(cfg), stats)
	if err != nil {
		return nil, fmt.Errorf("open the samples in %s: %w", cfg.Dir, err)
	}
	return &database{DB: db, stats: stats, lock: lock}, nil
}

// Close writes what is left and releases the folder.
func (d *database) Close() error {
	return errors.Join(d.DB.Close(), d.lock.Release())
}

// brokenDir holds blocks that could not be read. The database ignores it.
const brokenDir = "broken"

// putBrokenBlocksAside moves the blocks that cannot be opened.
func putBrokenBlocksAside(dir string, log *slog.Logger) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list blocks: %w", err)
	}
	for _, e := range entries {
		if _, err := ulid.ParseStrict(e.Name()); err != nil || !e.IsDir() {
			continue
		}
		block := filepath.Join(dir, e.Name())
		b, openErr := tsdb.OpenBlock(log, block, nil, nil)
		if openErr == nil {
			if err := b.Close(); err != nil {
				return fmt.Errorf("close block %s: %w", e.Name(), err)
			}
			continue
		}
		aside := filepath.Join(dir, brokenDir, e.Name())
		if err := os.MkdirAll(filepath.Dir(aside), 0o700); err != nil {
			return fmt.Errorf("make a folder for broken blocks: %w", err)
		}
		if err := os.Rename(block, aside); err != nil {
			return fmt.Errorf("put broken block %s aside: %w", e.Name(), err)
		}
		log.Error("a block of samples cannot be read and was put aside; its two hours or more are missing from queries", "block", e.Name(), "at", aside, "err", openErr)
	}
	return nil
}

// dbOptions sizes the database for thousands of series, not millions.
func dbOptions(cfg Config) *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.NoLockfile = true // see database
	o.RetentionDuration = cfg.RetentionTime.Milliseconds()
	o.MaxBytes = cfg.RetentionBytes
	o.WALSegmentSize = 8 << 20
	o.WALCompression = compression.Snappy
	o.StripeSize = 1 << 9
	o.HeadChunksWriteBufferSize = 256 << 10
	return o
}
