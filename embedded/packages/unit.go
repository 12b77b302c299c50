package packages

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// Unit serves the index as a part of the process. It does nothing until it is asked.
type Unit struct {
	index *Index
	addr  string
}

// NewUnit returns the unit "packages". addr is where it listens, for example
// 10.44.0.1:3141; the machine need not have that address yet.
func NewUnit(index *Index, addr string) *Unit { return &Unit{index, addr} }

// Name implements supervise.Unit.
func (u *Unit) Name() string { return "packages" }

// Index returns what is served.
func (u *Unit) Index() *Index { return u.index }

// stopGrace is how long requests under way may take to end.
const stopGrace = time.Second

// Run implements supervise.Unit.
func (u *Unit) Run(ctx context.Context, h *supervise.Handle) error {
	listen := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		// The bridge with this address comes with the cluster.
		if cerr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1) }); cerr != nil {
			return cerr
		}
		return err
	}}
	l, err := listen.Listen(ctx, "tcp4", u.addr)
	if err != nil {
		return fmt.Errorf("listen for installers of packages: %w", err)
	}
	h.Log().Info("package index serves", "addr", l.Addr().String(), "upstream", u.index.Upstream())
	srv := &http.Server{Handler: u.index.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 64 << 10}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	h.Ready()
	select {
	case err := <-failed:
		return fmt.Errorf("serve installers of packages: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	err = srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close() // what did not end in time is cut off; installers try again
	}
	u.index.Close()
	<-failed
	return err
}
