package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/ui/charts"
	"github.com/benchtop-lab/benchtop/ui/health"
	"github.com/benchtop-lab/benchtop/ui/page"
)

// drainTimeout is how long requests may go on once the server was asked to
// stop. The other units wait for us, so it is short.
const drainTimeout = 1500 * time.Millisecond

// Server is the unit "web".
type Server struct {
	cfg      Config
	site     *page.Site
	echo     *echo.Echo
	static   *static
	attempts *limiter
	machine  health.Machine
	log      atomic.Pointer[slog.Logger]
	// stopping ends the event streams, which would otherwise keep a
	// graceful shutdown waiting for ever.
	stopping chan struct{}
	streams  atomic.Int64
	// terminals counts those that are open; they are waited for apart, as
	// net/http forgets connections that speak another protocol.
	terminals   atomic.Int64
	terminalsUp sync.WaitGroup
	address     atomic.Pointer[net.TCPAddr]
}

var _ supervise.Unit = (*Server)(nil)

// New checks the configuration and builds the routes. It fails with
// web.ErrNotBuilt if the browser's bundle is not in the binary.
func New(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("create web server: %w", err)
	}
	st, err := newStatic(cfg.Assets)
	if err != nil {
		return nil, fmt.Errorf("create web server: %w", err)
	}
	s := &Server{cfg: cfg, static: st, attempts: newLimiter(cfg.Now), stopping: make(chan struct{})}
	s.log.Store(slog.New(slog.NewTextHandler(io.Discard, nil)))
	loop := scopedLoop{cfg.Loop}
	s.site = &page.Site{Registry: scopedRegistry{cfg.Registry, cfg.Loop}, Loop: loop, Steps: scopedSteps{cfg.Steps, loop}, Pushes: scopedPushes{cfg.Pushes}, Cluster: scopedCluster{cfg.Cluster}, GPUs: scopedGPUs{cfg.GPUs}, Labs: scopedLabs{cfg.Labs},
		Keys: cfg.Keys, Metrics: cfg.Metrics, Units: cfg.Units, Now: cfg.Now, Log: s.logger, Render: s.render, StreamLines: s.streamLines, Terminal: s.terminal}
	s.machine = health.Machine{Site: s.site, Sampler: health.NewSampler(cfg.Machine, cfg.SampleEvery, cfg.Now), Series: charts.New(cfg.Metrics, cfg.Now, cfg.Retention)}
	s.routes()
	return s, nil
}

// Name implements supervise.Unit.
func (s *Server) Name() string { return "web" }

// Handler returns the routes without a listener.
func (s *Server) Handler() http.Handler { return s.echo }

// Address returns where the server listens, nil before it does.
func (s *Server) Address() *net.TCPAddr { return s.address.Load() }

// Run implements supervise.Unit. A server runs once.
func (s *Server) Run(ctx context.Context, h *supervise.Handle) error {
	s.log.Store(h.Log())
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return &mlops.Error{Code: mlops.InvalidState, Err: err,
			Message: fmt.Sprintf("the web UI cannot listen on %s: another program uses that port; stop it or choose another port", s.cfg.Address)}
	}
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.cfg.Address, err)
	}
	if a, ok := listener.Addr().(*net.TCPAddr); ok {
		s.address.Store(a)
	}
	server := &http.Server{
		Handler:           s.echo,
		TLSConfig:         s.cfg.TLS,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(h.Log().Handler(), slog.LevelDebug),
	}
	sampling, stopSampling := context.WithCancel(ctx)
	defer stopSampling()
	go s.machine.Sampler.Run(sampling, func(err error) { s.logger().Warn("cannot measure the machine", "err", err) })

	served := make(chan error, 1)
	go func() {
		if s.cfg.TLS != nil {
			served <- server.ServeTLS(listener, "", "")
			return
		}
		served <- server.Serve(listener)
	}()
	h.Log().Info("serving", "address", listener.Addr().String())
	h.Ready()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", s.cfg.Address, err)
	case <-ctx.Done():
	}
	close(s.stopping)
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		h.Log().Warn("closing connections that are still busy", "after", drainTimeout.String())
		if err := server.Close(); err != nil {
			return fmt.Errorf("close web server: %w", err)
		}
	}
	<-served
	ended := make(chan struct{})
	go func() {
		s.terminalsUp.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-drain.Done():
		h.Log().Warn("terminals are still open", "after", drainTimeout.String())
	}
	return nil
}

func (s *Server) logger() *slog.Logger { return s.log.Load() }
