package packages

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

func TestUnit(t *testing.T) {
	l := newLab(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	u := NewUnit(l.Index, addr)
	g := supervise.New(io.Discard, slog.LevelInfo)
	g.Announce(u, supervise.Options{StopTimeout: 5 * time.Second})
	if err := g.Start(t.Context(), "packages"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + addr + "/simple/")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("it answers %v (%v)", resp, err)
	}
	_ = resp.Body.Close()
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("it listens after its end")
	}
}

// The bridge that has the address comes later, with the cluster.
func TestUnitBeforeItsAddress(t *testing.T) {
	u := NewUnit(newLab(t).Index, "192.0.2.77:0")
	ctx, cancel := context.WithCancel(t.Context())
	h, ready := supervise.NewHandle(io.Discard)
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx, h) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
