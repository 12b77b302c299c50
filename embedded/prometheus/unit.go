// Package prometheus runs Prometheus' storage, scrapers, rules and query
// engine inside this process and serves its HTTP API. It is the only package
// that knows Prometheus' server; others see a supervise.Unit, an
// http.Handler and queries that answer with nouns.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// Unit is the metrics store. It may run again after it has stopped.
type Unit struct {
	cfg Config

	mu      sync.Mutex
	targets map[string]Target
	kube    *kubeAccess
	changed chan struct{} // has an element when targets or kube have changed

	server atomic.Pointer[server] // nil when not running
}

// New checks cfg and returns a unit that does nothing until it runs.
func New(cfg Config) (*Unit, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	u := &Unit{cfg: cfg.withDefaults(), targets: map[string]Target{}, changed: make(chan struct{}, 1)}
	for _, t := range cfg.Targets {
		u.targets[t.Job] = t
	}
	return u, nil
}

// Name implements supervise.Unit.
func (u *Unit) Name() string { return "prometheus" }

// Run implements supervise.Unit. Ready means that queries are answered and
// that the targets known so far are being scraped.
func (u *Unit) Run(ctx context.Context, h *supervise.Handle) error {
	h.Progress("opening the samples in %s", u.cfg.Dir)
	if err := os.MkdirAll(u.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("make Prometheus' folder: %w", err)
	}
	log := slog.New(newSplitHandler(h.Log().Handler(), h.Writer()))
	s, err := newServer(u.cfg, log)
	if err != nil {
		return err
	}
	failed := s.start() // before anything can fail: what does not run cannot be stopped
	if err := u.apply(s); err != nil {
		return errors.Join(err, s.close())
	}
	u.server.Store(s)
	h.Ready()
	h.Log().Info("metrics are collected", "series", s.db.Head().NumSeries(), "interval", u.cfg.ScrapeInterval)
	defer u.server.Store(nil)
	for {
		select {
		case <-ctx.Done():
			u.server.Store(nil)
			return s.close()
		case err := <-failed:
			return errors.Join(err, s.close())
		case <-u.changed:
			if err := u.apply(s); err != nil {
				h.Log().Error("new scrape targets are not used", "err", err)
			}
		}
	}
}

// apply hands the present targets to s.
func (u *Unit) apply(s *server) error {
	u.mu.Lock()
	targets := make(map[string]Target, len(u.targets))
	for k, v := range u.targets {
		targets[k] = v
	}
	kube := u.kube
	u.mu.Unlock()
	return s.apply(targets, kube)
}

// SetTarget adds a target, or replaces the one of the same job. It takes
// effect within seconds, also if the unit runs later.
func (u *Unit) SetTarget(t Target) error {
	if err := t.Validate(); err != nil {
		return err
	}
	u.mu.Lock()
	u.targets[t.Job] = t
	u.mu.Unlock()
	u.notify()
	return nil
}

// UseKubeconfig starts scraping the cluster that the kubeconfig at path
// reaches: K3s itself, its kubelets, Traefik and annotated pods. Call it when
// the file exists, and again when its certificates have changed.
func (u *Unit) UseKubeconfig(path string) error {
	k, err := readKubeconfig(path)
	if err != nil {
		return err
	}
	u.mu.Lock()
	u.kube = k
	u.mu.Unlock()
	u.notify()
	return nil
}

func (u *Unit) notify() {
	select {
	case u.changed <- struct{}{}:
	default: // somebody else has said so already
	}
}

// Handler returns Prometheus' HTTP API. It works with and without the prefix
// /prometheus, checks no credentials and answers 503 while the unit does not
// run.
func (u *Unit) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := u.server.Load(); s != nil {
			s.handler.ServeHTTP(w, r)
			return
		}
		respondError(w, http.StatusServiceUnavailable, "unavailable", errNotReady.Message)
	})
}

var errNotReady = mlops.Errorf(mlops.Unavailable, "metrics are not ready: try again in a moment")
