package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// UnitConfig is what NewUnit needs.
type UnitConfig struct {
	Path string // of the database
	// Addr is where the API listens, ":5000" for example. Listener, if not
	// nil, is used instead.
	Addr     string
	Listener net.Listener
	Auth     mlops.Authenticator
	Options  Options // its Log is replaced by the unit's
	// Deployments lists the deployments, for lineage; may be nil.
	Deployments Deployments
}

// Unit runs the registry as a part of the process.
type Unit struct {
	cfg       UnitConfig
	store     atomic.Pointer[Store]
	artifacts atomic.Pointer[mlops.ObjectStore]
	addr      atomic.Pointer[net.Addr]
}

// NewUnit returns the unit "registry".
func NewUnit(cfg UnitConfig) *Unit { return &Unit{cfg: cfg} }

// Name implements supervise.Unit.
func (u *Unit) Name() string { return "registry" }

// Store returns the store once the unit is ready, nil before and after.
func (u *Unit) Store() *Store { return u.store.Load() }

// Addr returns where the API listens, nil before the unit is ready.
func (u *Unit) Addr() net.Addr {
	if a := u.addr.Load(); a != nil {
		return *a
	}
	return nil
}

// SetArtifacts says where artifacts lie. The object store may come up after
// the registry; until then artifact calls answer 503.
func (u *Unit) SetArtifacts(a mlops.ObjectStore) {
	u.artifacts.Store(&a)
	if s := u.store.Load(); s != nil {
		s.Artifacts.SetArtifacts(a)
	}
}

// Run implements supervise.Unit.
func (u *Unit) Run(ctx context.Context, h *supervise.Handle) (err error) {
	h.Progress("opening %s", u.cfg.Path)
	opt := u.cfg.Options
	opt.Log = h.Log()
	s, err := Open(ctx, u.cfg.Path, opt)
	if err != nil {
		return err
	}
	defer func() {
		u.store.Store(nil)
		if e := s.Close(); e != nil {
			err = errors.Join(err, fmt.Errorf("close registry: %w", e))
		}
	}()
	if u.cfg.Deployments != nil {
		s.Lineage.SetDeployments(u.cfg.Deployments)
	}
	u.store.Store(s)
	if a := u.artifacts.Load(); a != nil {
		s.Artifacts.SetArtifacts(*a)
	}
	l := u.cfg.Listener
	if l == nil {
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", u.cfg.Addr); err != nil {
			return fmt.Errorf("listen for MLflow clients: %w", err)
		}
	}
	addr := l.Addr()
	u.addr.Store(&addr)
	h.Log().Info("registry serves", "addr", addr.String(), "file", u.cfg.Path)
	return serve(ctx, l, NewHandler(s, u.cfg.Auth, h.Log()), h.Ready)
}

// stopGrace is how long requests under way may take to end.
const stopGrace = 2 * time.Second

// serve serves until ctx ends, then lets requests finish.
func serve(ctx context.Context, l net.Listener, handler http.Handler, ready func()) error {
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 1 << 20}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	ready()
	select {
	case err := <-failed:
		return fmt.Errorf("serve MLflow clients: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close() // requests that did not end in time are cut off; clients retry
	}
	<-failed
	return nil
}

// AloneConfig is what ServeAlone needs.
type AloneConfig struct {
	DataDir string // registry.db and artifacts/ are in it
	Addr    string // for example "127.0.0.1:5000"
	Auth    mlops.Authenticator
	Options Options
	// Ready, if not nil, is called with the address when it serves.
	Ready func(net.Addr)
}

// ServeAlone serves the registry without a cluster, with artifacts in a plain
// directory, until ctx ends. Without Auth it must listen on a loopback address.
func ServeAlone(ctx context.Context, cfg AloneConfig) (err error) {
	if cfg.Auth == nil {
		if err := loopbackOnly(cfg.Addr); err != nil {
			return err
		}
	}
	artifacts, err := NewDirStore(filepath.Join(cfg.DataDir, "artifacts"))
	if err != nil {
		return err
	}
	cfg.Options.Artifacts = artifacts
	s, err := Open(ctx, filepath.Join(cfg.DataDir, "registry.db"), cfg.Options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen for MLflow clients: %w", err)
	}
	return serve(ctx, l, NewHandler(s, cfg.Auth, cfg.Options.Log), func() {
		if cfg.Ready != nil {
			cfg.Ready(l.Addr())
		}
	})
}

func loopbackOnly(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return mlops.Errorf(mlops.Invalid, "the address %q is not usable: expected host:port, for example 127.0.0.1:5000", addr)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return mlops.Errorf(mlops.Denied, "a registry without credentials may only listen on this machine: use 127.0.0.1, or give it a password")
}
