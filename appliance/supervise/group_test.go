package supervise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
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
