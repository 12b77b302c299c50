// Package minio runs a MinIO server inside this process and serves S3 from
// it. It is the only package that knows MinIO: others see a supervise.Unit
// and the mlops.MultipartStore of a bucket.
package minio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// Unit is the object store. It can run once per process, and its Run must
// return before another user of the data folder starts.
type Unit struct {
	cfg Config

	mu       sync.Mutex
	addr     net.Addr // where the public proxy listens, nil when it does not
	loopback string   // where MinIO listens, "" until it serves
	admin    *admin   // nil until it serves
}

// New checks cfg and returns a unit that does nothing until it runs.
func New(cfg Config) (*Unit, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Unit{cfg: cfg}, nil
}

// Name implements supervise.Unit.
func (u *Unit) Name() string { return "minio" }

const (
	startTimeout = 60 * time.Second
	drainTimeout = time.Second
	stopTimeout  = 8 * time.Second
)

// Run implements supervise.Unit. Ready means that the configured buckets,
// users and policies exist and that S3 answers on the public address.
func (u *Unit) Run(ctx context.Context, h *supervise.Handle) error {
	h.Progress("listening on %s", u.cfg.Addr)
	// The public port comes first: a port that is taken shows at once, and
	// early clients get "try again" instead of a refused connection.
	l, err := listen(ctx, u.cfg.Addr)
	if err != nil {
		return err
	}
	proxy := newProxy(h.Log(), u.room, u.cfg)
	srv := &http.Server{Handler: proxy, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(h.Log().Handler(), slog.LevelDebug)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()

	limit := u.cfg.MemoryLimit
	if limit == 0 {
		limit = debug.SetMemoryLimit(-1)
	}
	h.Progress("starting MinIO on %s", u.cfg.Dir)
	p, err := startProcess(u.cfg.Dir, u.cfg.RootUser, u.cfg.RootPassword, newLogReader(h.Log(), h.Writer()))
	if err != nil {
		return errors.Join(err, srv.Close())
	}
	err = u.prepare(ctx, p, h)
	debug.SetMemoryLimit(limit) // MinIO took 90 % of the machine
	p.cleanEnvironment()
	if err == nil {
		installGuard(p.drive)
		proxy.open(p.loopback)
		u.setAddrs(l.Addr(), p.loopback)
		u.setAdmin(&admin{p: p, log: h.Log(), root: u.rootCredentials()})
		h.Ready()
		// Its self-tests leave hundreds of megabytes of garbage behind, which
		// the runtime would return to the machine over many minutes.
		debug.FreeOSMemory()
		h.Log().Info("object store serves S3", "addr", l.Addr().String(), "buckets", len(u.cfg.Buckets), "users", len(u.cfg.Users))
		err = u.watch(ctx, p, served)
	}
	if ctx.Err() != nil {
		err = nil // whatever happened, it was because we were asked to stop
	}
	u.setAddrs(nil, "")
	u.setAdmin(nil)
	return errors.Join(err, closeServer(srv), end(p))
}

// prepare waits for MinIO and makes what the configuration promises.
func (u *Unit) prepare(ctx context.Context, p *process, h *supervise.Handle) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout,
		fmt.Errorf("MinIO does not answer on %s after %s", p.loopback, startTimeout))
	defer cancel()
	if err := p.untilServing(ctx); err != nil {
		return err
	}
	h.Progress("provisioning buckets and users")
	return u.provision(ctx, p, h.Log())
}

// watch returns nil when ctx ends, or the reason why we cannot go on.
func (u *Unit) watch(ctx context.Context, p *process, served <-chan error) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		return fmt.Errorf("serve S3 on %s: %w", u.cfg.Addr, err)
	case <-p.fatal:
		return p.reason()
	case <-p.logs.done:
		return p.reason()
	}
}

// closeServer lets running requests end for a moment, then cuts them off.
func closeServer(srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("close the S3 server: %w", err)
	}
	if err := srv.Close(); err != nil {
		return fmt.Errorf("close the S3 server: %w", err)
	}
	return nil
}

// end stops MinIO unless it has stopped by itself.
func end(p *process) error {
	select {
	case <-p.logs.done:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return p.stop(ctx)
}

// listen opens the public port. If it cannot, it says what has the port.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(addr) // Validate has split it before
		return nil, &mlops.Error{Code: mlops.Unavailable, Err: err,
			Message: fmt.Sprintf("port %s for S3 is taken: another process listens on it; find it with `ss -ltnp 'sport = :%s'` and stop it, or give the object store another address", port, port)}
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s for S3: %w", addr, err)
	}
	return l, nil
}

func (u *Unit) setAddrs(public net.Addr, loopback string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.addr, u.loopback = public, loopback
}

// Addr returns the address that S3 is served on, "" when it is not.
func (u *Unit) Addr() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.addr == nil {
		return ""
	}
	return u.addr.String()
}

// MetricsPath is where MinIO's metrics are, below Loopback, without credentials.
const MetricsPath = "/minio/v2/metrics/cluster"

// Loopback returns the host:port on which MinIO itself listens, "" before it
// is ready and after it has stopped. It serves what the public address
// refuses, metrics among it, and is for this machine only.
func (u *Unit) Loopback() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.loopback
}

var errNotReady = mlops.Errorf(mlops.Unavailable, "the object store is not ready: try again in a moment")
