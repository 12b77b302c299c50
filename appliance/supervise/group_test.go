package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// unit is a Unit made of a function.
type unit struct {
	name string
	run  func(ctx context.Context, h *Handle) error
}

func (u unit) Name() string                             { return u.name }
func (u unit) Run(ctx context.Context, h *Handle) error { return u.run(ctx, h) }

// serves is ready at once and ends when it is asked to.
func serves(name string) unit {
	return unit{name, func(ctx context.Context, h *Handle) error {
		h.Ready()
		<-ctx.Done()
		return nil
	}}
}

func newGroup() *Group { return New(nil, slog.LevelInfo) }

// announced returns a group with the units, none started.
func announced(units ...Unit) *Group {
	g := newGroup()
	for _, u := range units {
		g.Announce(u, Options{})
	}
	return g
}

func one(t *testing.T, g *Group, name string) Status {
	t.Helper()
	for _, s := range g.Status(100) {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("the group has no unit %s", name)
	return Status{}
}

func expectState(t *testing.T, g *Group, name string, want State) Status {
	t.Helper()
	s := one(t, g, name)
	if s.State != want {
		t.Errorf("unit %s is %s, expected %s", name, s.State, want)
	}
	return s
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, expected %q", err, want)
	}
}

func start(t *testing.T, g *Group, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := g.Start(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func stop(t *testing.T, g *Group) {
	t.Helper()
	if err := g.Stop(); err != nil {
		t.Errorf("stopping failed: %v", err)
	}
}

func TestLegalMoves(t *testing.T) {
	all := []State{Waiting, Starting, Ready, Failed, Stopping, Stopped}
	legal := map[State][]State{
		Waiting: {Starting, Stopped}, Starting: {Ready, Failed, Stopping}, Ready: {Failed, Stopping},
		Failed: {Starting, Stopped}, Stopping: {Stopped},
	}
	for _, from := range all {
		for _, to := range all {
			g := announced(serves("a"))
			e := g.find("a")
			e.state = from
			refused := func() (message string) {
				defer func() {
					if r := recover(); r != nil {
						message = r.(string)
					}
				}()
				g.move(e, to)
				return ""
			}()
			want := ""
			if !slices.Contains(legal[from], to) {
				want = fmt.Sprintf("supervise: a cannot go from %s to %s", from, to)
			}
			if refused != want {
				t.Errorf("%s to %s: refused with %q, expected %q", from, to, refused, want)
			}
		}
	}
}

func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		g := announced(unit{"a", func(ctx context.Context, h *Handle) error {
			h.Progress("step %d of %d", 1, 2)
			<-goOn
			time.Sleep(3 * time.Second)
			h.Ready()
			h.Ready() // a second time means nothing
			<-ctx.Done()
			time.Sleep(time.Second)
			return nil
		}}, serves("b"))
		expectState(t, g, "a", Waiting)
		started := make(chan error)
		go func() { started <- g.Start(t.Context(), "a") }()
		synctest.Wait()
		if s := expectState(t, g, "a", Starting); s.Progress != "step 1 of 2" {
			t.Errorf("progress is %q", s.Progress)
		}
		close(goOn)
		if err := <-started; err != nil {
			t.Fatal(err)
		}
		s := expectState(t, g, "a", Ready)
		if s.Took != 3*time.Second || s.TookMs != 3000 {
			t.Errorf("start took %s (%d ms), expected 3s", s.Took, s.TookMs)
		}
		if s.Progress != "" {
			t.Errorf("progress %q outlives the start", s.Progress)
		}
		if !s.Since.Equal(time.Now()) {
			t.Errorf("ready since %s, expected %s", s.Since, time.Now())
		}
		expectState(t, g, "b", Waiting)
		begin := time.Now()
		stop(t, g)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("stopping took %s: Stop must wait for the unit", took)
		}
		expectState(t, g, "a", Stopped)
		expectState(t, g, "b", Stopped)
		stop(t, g) // again: nothing to do
	})
}

func TestStartRefuses(t *testing.T) {
	g := announced(serves("a"))
	expectError(t, g.Start(t.Context(), "b"), "start b: not an announced, waiting unit")
	start(t, g, "a")
	expectError(t, g.Start(t.Context(), "a"), "start a: not an announced, waiting unit")
	stop(t, g)
	expectError(t, g.Start(t.Context(), "a"), "start a: not an announced, waiting unit")
}

func TestStatusKeepsOrderAndNames(t *testing.T) {
	g := announced(serves("c"), serves("a"), serves("b"))
	var names []string
	for _, s := range g.Status(0) {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, ""); got != "cab" {
		t.Errorf("units are listed as %s, expected the order of announcement, cab", got)
	}
}

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

func TestStartEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := announced(unit{"a", func(ctx context.Context, _ *Handle) error { <-ctx.Done(); return nil }})
		ctx, cancel := context.WithCancelCause(t.Context())
		started := make(chan error)
		go func() { started <- g.Start(ctx, "a") }()
		synctest.Wait()
		cancel(errors.New("asked to stop by SIGTERM"))
		expectError(t, <-started, "start a: asked to stop by SIGTERM")
		// The unit still runs: stopping has an order, which is Stop's.
		expectState(t, g, "a", Starting)
		stop(t, g)
		expectState(t, g, "a", Stopped)
	})
}

func TestChanged(t *testing.T) {
	g := newGroup()
	fired := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	c := g.Changed()
	if fired(c) {
		t.Error("nothing has changed yet")
	}
	hear, ready := make(chan string), make(chan struct{})
	g.Announce(unit{"a", func(ctx context.Context, h *Handle) error {
		h.Progress("%s", <-hear)
		<-ready
		h.Ready()
		<-ctx.Done()
		return nil
	}}, Options{})
	if !fired(c) {
		t.Error("an announcement is a change")
	}
	c = g.Changed()
	started := make(chan error)
	go func() { started <- g.Start(t.Context(), "a") }()
	<-c // starting
	c = g.Changed()
	hear <- "listening"
	<-c // progress
	if p := one(t, g, "a").Progress; p != "listening" {
		t.Errorf("progress is %q", p)
	}
	c = g.Changed()
	close(ready)
	<-c // ready
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	c = g.Changed()
	if fired(c) {
		t.Error("a ready unit that does nothing changes nothing")
	}
	stop(t, g)
	if !fired(c) {
		t.Error("stopping is a change")
	}
}

func TestLogGoesToTheUnitAndTheGroup(t *testing.T) {
	var out bytes.Buffer
	g := New(&out, slog.LevelWarn)
	g.Announce(unit{"minio", func(ctx context.Context, h *Handle) error {
		h.Log().Info("quiet")
		h.Log().Warn("loud", "n", 1)
		fmt.Fprintln(h.Writer(), "raw")
		h.Ready()
		<-ctx.Done()
		return nil
	}}, Options{})
	start(t, g, "minio")
	if got := texts(one(t, g, "minio").Lines); !strings.Contains(got, "level=WARN msg=loud n=1|raw") || strings.Contains(got, "quiet") {
		t.Errorf("the unit's lines are %q", got)
	}
	if n := len(g.Status(1)[0].Lines); n != 1 {
		t.Errorf("Status(1) returned %d lines", n)
	}
	stop(t, g)
	if got := out.String(); !strings.HasPrefix(got, "minio: time=") || strings.Count(got, "\n") != 1 || strings.Contains(got, "raw") {
		t.Errorf("the group's output is %q, expected the logged line with the unit's name", got)
	}
}

type noSpace struct{}

func (noSpace) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestUnitOutlivesAFullDisk(t *testing.T) {
	g := New(noSpace{}, slog.LevelInfo)
	g.Announce(unit{"a", func(ctx context.Context, h *Handle) error {
		h.Log().Info("still here")
		h.Ready()
		<-ctx.Done()
		return nil
	}}, Options{})
	start(t, g, "a")
	if got := texts(one(t, g, "a").Lines); !strings.Contains(got, "still here") {
		t.Errorf("the unit's lines are %q", got)
	}
	stop(t, g)
}

func TestHandleOfNoGroup(t *testing.T) {
	var out bytes.Buffer
	h, ready := NewHandle(&out)
	h.Progress("working")
	h.Log().Info("hello")
	select {
	case <-ready:
		t.Error("ready before it said so")
	default:
	}
	h.Ready()
	h.Ready()
	<-ready
	if !strings.Contains(out.String(), "msg=hello") {
		t.Errorf("its output is %q", out.String())
	}
}
