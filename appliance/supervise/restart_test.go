package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFailureBeforeReady(t *testing.T) {
	for _, restart := range []bool{false, true} {
		runs := 0
		broken := errors.New("port taken")
		g := newGroup()
		g.Announce(unit{"a", func(context.Context, *Handle) error { runs++; return broken }}, Options{Restart: restart})
		err := g.Start(t.Context(), "a")
		expectError(t, err, "start a: port taken")
		if !errors.Is(err, broken) {
			t.Errorf("the cause is lost in %v", err)
		}
		if s := expectState(t, g, "a", Failed); s.Error != "port taken" || !strings.Contains(texts(s.Lines), "port taken") {
			t.Errorf("status says %q with lines %q", s.Error, texts(s.Lines))
		}
		expectError(t, <-g.Failed(), "a: port taken")
		if runs != 1 {
			t.Errorf("it ran %d times (Restart %t): what never worked is not repeated", runs, restart)
		}
		stop(t, g)
	}
}

func TestEndWithoutBeingAsked(t *testing.T) {
	end := make(chan struct{})
	g := announced(unit{"a", func(_ context.Context, h *Handle) error { h.Ready(); <-end; return nil }})
	start(t, g, "a")
	close(end)
	expectError(t, <-g.Failed(), "a: ended although nobody asked it to")
	expectState(t, g, "a", Failed)
	stop(t, g)
}

func TestOnlyTheFirstFailureIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := func(name string, after time.Duration) unit {
			return unit{name, func(_ context.Context, h *Handle) error {
				h.Ready()
				time.Sleep(after)
				return errors.New("boom")
			}}
		}
		g := announced(fails("a", 2*time.Second), fails("b", time.Second))
		start(t, g, "a", "b")
		time.Sleep(time.Minute)
		expectError(t, <-g.Failed(), "b: boom")
		select {
		case err := <-g.Failed():
			t.Errorf("a second failure was delivered: %v", err)
		default:
		}
	})
}

func TestPanicIsAFailureWithItsStack(t *testing.T) {
	g := announced(unit{"a", func(context.Context, *Handle) error { return panicsHere() }}, serves("b"))
	start(t, g, "b")
	expectError(t, g.Start(t.Context(), "a"), "start a: panic: index lost")
	s := expectState(t, g, "a", Failed)
	if lines := texts(s.Lines); !strings.Contains(lines, "panicsHere") {
		t.Errorf("the lines do not show where it panicked: %s", lines)
	}
	expectState(t, g, "b", Ready)
	stop(t, g)
}

func panicsHere() error { panic("index lost") }

func TestRestartWithGrowingDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		g := newGroup()
		g.Announce(unit{"a", func(ctx context.Context, h *Handle) error {
			at = append(at, time.Since(begin))
			if n := len(at); n == 1 || n == 10 {
				h.Ready() // the first time it works; then not for a while
			}
			if len(at) < 10 {
				return fmt.Errorf("failure %d", len(at))
			}
			<-ctx.Done()
			return nil
		}}, Options{Restart: true})
		start(t, g, "a")
		time.Sleep(100 * time.Millisecond)
		if s := expectState(t, g, "a", Failed); s.Error != "failure 1" || s.Restarts != 0 {
			t.Errorf("after the failure: %q, %d restarts", s.Error, s.Restarts)
		}
		time.Sleep(10 * time.Minute)
		s := expectState(t, g, "a", Ready)
		if s.Restarts != 9 {
			t.Errorf("%d restarts, expected 9", s.Restarts)
		}
		if s.Error != "" {
			t.Errorf("a unit that works again still reports %q", s.Error)
		}
		want := []time.Duration{0, 500, 1500, 3500, 7500, 15500, 31500, 61500, 91500, 121500}
		for i := range want {
			want[i] *= time.Millisecond
		}
		if !slices.Equal(at, want) {
			t.Errorf("it was started at %v, expected %v (delays double up to 30 s)", at, want)
		}
		select {
		case err := <-g.Failed():
			t.Errorf("a unit that is restarted ended the group: %v", err)
		default:
		}
		// The old failure is no failure to stop.
		stop(t, g)
		expectState(t, g, "a", Stopped)
	})
}

func TestRestartDelayStartsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pauses []time.Duration
		var ended time.Time
		g := newGroup()
		g.Announce(unit{"a", func(ctx context.Context, h *Handle) error {
			if !ended.IsZero() {
				pauses = append(pauses, time.Since(ended))
			}
			h.Ready()
			up := time.Second
			if len(pauses) == 3 {
				up = time.Hour
			}
			select {
			case <-time.After(up):
				ended = time.Now()
				return errors.New("boom")
			case <-ctx.Done():
				return nil
			}
		}}, Options{Restart: true})
		start(t, g, "a")
		time.Sleep(time.Hour + 12*time.Second)
		stop(t, g)
		want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 500 * time.Millisecond, time.Second}
		if len(pauses) < len(want) || !slices.Equal(pauses[:len(want)], want) {
			t.Errorf("pauses before restarts are %v, expected to begin with %v: an hour of service is a recovery", pauses, want)
		}
	})
}
