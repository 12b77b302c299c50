package nameservers

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// Config is what a Unit needs to know.
type Config struct {
	Node       netip.Addr // the node's own address, where a relay listens
	ClusterDNS netip.Addr
	File       string // the resolv.conf for pods that use the machine's resolver, absolute

	root string // of the machine's files, "/" if empty; for tests
	port uint16 // of DNS, 53 if zero; for tests
}

// Unit keeps what pods are told about name servers in step with the machine.
type Unit struct {
	cfg     Config
	changed chan struct{}

	mu    sync.Mutex
	plan  Plan
	relay *relay
}

// NewUnit returns a unit that has not started.
func NewUnit(cfg Config) *Unit {
	if cfg.root == "" {
		cfg.root = "/"
	}
	if cfg.port == 0 {
		cfg.port = 53
	}
	return &Unit{cfg: cfg, changed: make(chan struct{}, 1)}
}

// Name implements supervise.Unit.
func (u *Unit) Name() string { return "dns" }

// ResolvConf returns the file for pods that use the machine's resolver. It
// exists once the unit is ready, even if the machine's own file is gone.
func (u *Unit) ResolvConf() string { return u.cfg.File }

// Nameservers returns the servers that the cluster's DNS asks; empty if there
// are none.
func (u *Unit) Nameservers() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []string
	for _, a := range u.plan.Servers {
		out = append(out, a.String())
	}
	return out
}

// Changed receives after Nameservers has changed.
func (u *Unit) Changed() <-chan struct{} { return u.changed }

// Run implements supervise.Unit.
func (u *Unit) Run(ctx context.Context, h *supervise.Handle) error {
	failed := make(chan error, 4)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	look := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Watch before reading: a change in between must not be missed.
	if err := watch(ctx, u.cfg.root, func() {
		select {
		case look <- struct{}{}:
		default:
		}
	}); err != nil {
		return err
	}
	defer u.stopRelay()
	if err := u.update(h, fail); err != nil {
		return err
	}
	h.Ready()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-look:
			if err := u.update(h, fail); err != nil {
				return err
			}
		}
	}
}

// update brings the file, the relay and the plan in step with the machine.
func (u *Unit) update(h *supervise.Handle, failed func(error)) error {
	m := read(u.cfg.root)
	p := m.plan(u.cfg.Node, u.cfg.ClusterDNS)
	if err := replace(u.cfg.File, m.resolvConf(p, u.cfg.ClusterDNS)); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.relay == nil && len(p.Relay) > 0 || !reflect.DeepEqual(p, u.plan) {
		if u.relay != nil {
			u.relay.stop()
			u.relay = nil
		}
		if len(p.Relay) > 0 {
			var to []netip.AddrPort
			for _, a := range p.Relay {
				to = append(to, netip.AddrPortFrom(a, u.cfg.port))
			}
			var err error
			if u.relay, err = startRelay(netip.AddrPortFrom(u.cfg.Node, u.cfg.port), to, failed); err != nil {
				return err
			}
		}
	}
	if !reflect.DeepEqual(p, u.plan) {
		u.plan = p
		select {
		case u.changed <- struct{}{}:
		default:
		}
	}
	h.Log().Info("names outside the lab", "from", m.File, "servers", m.Servers, "relayed", u.relay != nil, "problem", m.Problem)
	return nil
}

func (u *Unit) stopRelay() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.relay != nil {
		u.relay.stop()
		u.relay = nil
	}
}

// replace writes a file that a reader sees as a whole or not at all.
func replace(file, content string) error {
	if b, err := os.ReadFile(file); err == nil && string(b) == content {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := renameio.WriteFile(file, []byte(content), 0o644, renameio.WithTempDir(filepath.Dir(file))); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
