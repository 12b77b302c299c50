package supervise

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestStopWhileWaitingForARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		g := newGroup()
		g.Announce(unit{"a", func(_ context.Context, h *Handle) error { runs++; h.Ready(); return errors.New("boom") }}, Options{Restart: true})
		start(t, g, "a")
		synctest.Wait()
		begin := time.Now()
		stop(t, g)
		if took := time.Since(begin); took != 0 {
			t.Errorf("stopping took %s, expected no wait for the restart", took)
		}
		if s := expectState(t, g, "a", Stopped); s.Error != "boom" {
			t.Errorf("its last failure is shown as %q", s.Error)
		}
		time.Sleep(time.Minute)
		if runs != 1 {
			t.Errorf("it ran %d times after it was stopped", runs)
		}
	})
}

func TestStopInReverse(t *testing.T) {
	var mu sync.Mutex
	var order []string
	tracks := func(name string) unit {
		return unit{name, func(ctx context.Context, h *Handle) error {
			h.Ready()
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
			return nil
		}}
	}
	g := announced(tracks("a"), tracks("b"), tracks("never started"), tracks("c"))
	start(t, g, "a", "b", "c")
	stop(t, g)
	if got := strings.Join(order, ""); got != "cba" {
		t.Errorf("units stopped in the order %s, expected cba", got)
	}
}

func TestStopGoesOnPastFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		g := newGroup()
		g.Announce(serves("a"), Options{})
		g.Announce(unit{"b", func(ctx context.Context, h *Handle) error {
			h.Ready()
			<-ctx.Done()
			return errors.New("file busy")
		}}, Options{})
		g.Announce(unit{"c", func(_ context.Context, h *Handle) error {
			h.Ready()
			<-hang
			return nil
		}}, Options{StopTimeout: 2 * time.Second})
		g.Announce(unit{"d", func(_ context.Context, h *Handle) error {
			h.Ready()
			<-hang
			return nil
		}}, Options{}) // 10 s
		start(t, g, "a", "b", "c", "d")
		begin := time.Now()
		expectError(t, g.Stop(), "stop d: still running after 10s\nstop c: still running after 2s\nstop b: file busy")
		if took := time.Since(begin); took != 12*time.Second {
			t.Errorf("stopping took %s, expected 12s", took)
		}
		expectState(t, g, "a", Stopped)
		expectState(t, g, "b", Stopped)
		expectState(t, g, "c", Stopping)
		close(hang)
		synctest.Wait()
		expectState(t, g, "c", Stopped)
	})
}

func TestACancelledContextIsNoFailureToStop(t *testing.T) {
	g := announced(unit{"a", func(ctx context.Context, h *Handle) error {
		h.Ready()
		<-ctx.Done()
		return fmt.Errorf("serve: %w", ctx.Err())
	}})
	start(t, g, "a")
	stop(t, g)
	if s := expectState(t, g, "a", Stopped); s.Error != "" {
		t.Errorf("status says %q", s.Error)
	}
}

func TestStopWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := announced(unit{"a", func(ctx context.Context, h *Handle) error {
			<-ctx.Done()
			h.Ready() // too late to count
			return nil
		}})
		started := make(chan error)
		go func() { started <- g.Start(t.Context(), "a") }()
		synctest.Wait()
		stop(t, g)
		expectError(t, <-started, "start a: stopped before it was ready")
		expectState(t, g, "a", Stopped)
	})
}
