// Package packages is the lab's index of Python packages: it serves PyPI's simple
// repository API, asks the index that this machine uses, and keeps what was asked
// for. See DESIGN.md.
package packages

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Bucket is where the index is kept.
const Bucket = "packages"

// Store is what the index is kept in. Its methods behave as those of
// mlops.ObjectStore; NotFound says that a key is not there.
type Store interface {
	Put(ctx context.Context, key string, r io.Reader, size int64, contentType string) (mlops.ObjectInfo, error)
	Get(ctx context.Context, key string) (io.ReadCloser, mlops.ObjectInfo, error)
	Stat(ctx context.Context, key string) (mlops.ObjectInfo, error)
	List(ctx context.Context, prefix string, recursive bool) ([]mlops.ObjectInfo, error)
	Delete(ctx context.Context, key string) error
}

// Config is what New needs.
type Config struct {
	Store   Store
	Source  Source // the index upstream; without URL there is none
	Scratch string // folder for files that are on their way, absolute
	Log     *slog.Logger

	now func() time.Time // for tests
}

// Index is the lab's index of packages.
type Index struct {
	cfg      Config
	upstream *upstream

	ctx   context.Context // of what goes on when who asked has left
	end   context.CancelCauseFunc
	asked singleflight.Group // pages, by project

	mu      sync.Mutex
	closed  bool
	flights map[string]*flight // by key of the file
	flying  sync.WaitGroup
	writing sync.Mutex // one record is written, or removed, at a time
}

// New returns an index that asks nobody until it is asked.
func New(cfg Config) (*Index, error) {
	if cfg.now == nil {
		cfg.now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	u, err := newUpstream(cfg.Source, cfg.now)
	if err != nil {
		return nil, err
	}
	x := &Index{cfg: cfg, upstream: u, flights: map[string]*flight{}}
	x.ctx, x.end = context.WithCancelCause(context.Background())
	return x, nil
}

// Close gives up what is on its way, and waits until nothing is.
func (x *Index) Close() {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	x.end(errStops)
	x.flying.Wait()
	x.upstream.close()
}

var errStops = mlops.Errorf(mlops.Unavailable, "the lab's package index stops: try again")
