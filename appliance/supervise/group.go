package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// maxRestartDelay bounds the growing delay between restarts.
const maxRestartDelay = 30 * time.Second

// Options say how the group treats a unit.
type Options struct {
	// Restart runs the unit again after a failure, with a growing delay.
	// Units that can run only once per process must leave it false.
	Restart bool
	// StopTimeout bounds how long stopping may take, 10 s if zero. When it
	// runs out the group moves on and says so.
	StopTimeout time.Duration
}

type entry struct {
	unit     Unit
	opt      Options
	lines    *Lines
	state    State
	since    time.Time
	started  time.Time
	took     time.Duration
	restarts int
	progress string
	err      error         // why it failed; nil again once it has recovered
	stopErr  error         // why it did not stop cleanly
	ready    chan struct{} // closed when first ready
	done     chan struct{} // closed when its goroutine has ended
	cancel   context.CancelFunc
}

func newEntry(u Unit, opt Options) *entry {
	return &entry{unit: u, opt: opt, lines: NewLines(400), state: Waiting, since: time.Now(),
		ready: make(chan struct{}), done: make(chan struct{})}
}

// Group is an ordered set of units.
type Group struct {
	mu      sync.Mutex
	entries []*entry
	changed chan struct{} // closed and replaced at every change
	failed  chan error    // first failure of a unit that is not restarted
	out     io.Writer
	level   slog.Leveler
	now     func() time.Time
	// restartDelay is the first delay before a restart; it doubles up to
	// maxRestartDelay and starts over once the unit was ready for longer.
	restartDelay time.Duration
}

// New returns an empty group. Lines that units log also go to out.
func New(out io.Writer, level slog.Leveler) *Group {
	return &Group{changed: make(chan struct{}), failed: make(chan error, 1), out: out, level: level,
		now: time.Now, restartDelay: 500 * time.Millisecond}
}

// Announce lists units before they start, so that a status page shows the
// whole boot from its first second. Start adds those not announced.
func (g *Group) Announce(u Unit, opt Options) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.entries = append(g.entries, newEntry(u, opt))
	g.notify()
}

func (g *Group) find(name string) *entry {
	for _, e := range g.entries {
		if e.unit.Name() == name {
			return e
		}
	}
	return nil
}

// Start runs an announced unit and returns once it is ready, has failed, or
// ctx is done. A unit that fails before it was ever ready is not restarted.
func (g *Group) Start(ctx context.Context, name string) error {
	g.mu.Lock()
	e := g.find(name)
	if e == nil || e.state != Waiting {
		g.mu.Unlock()
		return fmt.Errorf("start %s: not an announced, waiting unit", name)
	}
	// The unit's context is not ctx: ending ctx must not stop every unit at
	// once, Stop does that in order.
	uctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	e.started = g.now()
	g.move(e, Starting)
	g.mu.Unlock()
	go g.run(uctx, e)
	select {
	case <-e.ready:
		return nil
	case <-e.done:
		g.mu.Lock()
		defer g.mu.Unlock()
		if e.err != nil {
			return fmt.Errorf("start %s: %w", name, e.err)
		}
		return fmt.Errorf("start %s: stopped before it was ready", name)
	case <-ctx.Done():
		return fmt.Errorf("start %s: %w", name, context.Cause(ctx))
	}
}

func (g *Group) run(ctx context.Context, e *entry) {
	defer close(e.done)
	delay := g.restartDelay
	for {
		h := &Handle{unit: e, group: g, log: slog.New(slog.NewTextHandler(io.MultiWriter(e.lines, g.prefixed(e)), &slog.HandlerOptions{Level: g.level}))}
		err := runSafely(ctx, e.unit, h)
		g.mu.Lock()
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				e.err, e.stopErr = err, err
			}
			if e.state != Stopping {
				g.move(e, Stopping)
			}
			g.move(e, Stopped)
			g.mu.Unlock()
			return
		}
		if err == nil {
			err = errors.New("ended although nobody asked it to")
		}
		e.err = err
		wasReady := e.state == Ready
		if wasReady && g.now().Sub(e.since) > maxRestartDelay {
			delay = g.restartDelay // it had recovered: this is a new trouble
		}
		g.move(e, Failed)
		g.mu.Unlock()
		h.log.Error("unit failed", "unit", e.unit.Name(), "err", err)
		if !e.opt.Restart || !wasReady && e.restarts == 0 {
			select {
			case g.failed <- fmt.Errorf("%s: %w", e.unit.Name(), err):
			default:
			}
			return
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			g.mu.Lock()
			g.move(e, Stopped)
			g.mu.Unlock()
			return
		}
		delay = min(2*delay, maxRestartDelay)
		g.mu.Lock()
		e.restarts++
		e.started = g.now()
		g.move(e, Starting)
		g.mu.Unlock()
	}
}

// runSafely turns a panic of a unit into its failure: the other units, and
// the page that shows what happened, go on.
func runSafely(ctx context.Context, u Unit, h *Handle) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
			_, _ = h.Writer().Write(debug.Stack())
		}
	}()
	return u.Run(ctx, h)
}

// Failed delivers the first failure of a unit that is not restarted.
func (g *Group) Failed() <-chan error { return g.failed }

// Stop stops every running unit in reverse order of announcement. It goes on
// past failures and returns them joined.
func (g *Group) Stop() error {
	var errs []error
	for i := len(g.entries) - 1; i >= 0; i-- {
		if err := g.stop(g.entries[i]); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (g *Group) stop(e *entry) error {
	g.mu.Lock()
	switch e.state {
	case Waiting:
		g.move(e, Stopped)
		g.mu.Unlock()
		return nil
	case Stopped:
		g.mu.Unlock()
		return nil
	case Starting, Ready:
		g.move(e, Stopping)
	}
	cancel := e.cancel
	g.mu.Unlock()
	cancel()
	timeout := e.opt.StopTimeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	select {
	case <-e.done:
	case <-time.After(timeout):
		return fmt.Errorf("stop %s: still running after %s", e.unit.Name(), timeout)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.stopErr != nil {
		return fmt.Errorf("stop %s: %w", e.unit.Name(), e.stopErr)
	}
	return nil
}

// Status returns a snapshot of every unit, in order, each with up to n lines.
func (g *Group) Status(n int) []Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]Status, 0, len(g.entries))
	for _, e := range g.entries {
		s := Status{Name: e.unit.Name(), State: e.state, Since: e.since, Took: e.took, TookMs: e.took.Milliseconds(),
			Restarts: e.restarts, Progress: e.progress, Lines: e.lines.Last(n)}
		if e.err != nil {
			s.Error = e.err.Error()
		}
		out = append(out, s)
	}
	return out
}

// Changed returns a channel that is closed at the next change of any unit.
func (g *Group) Changed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// move and notify expect g.mu to be held.
func (g *Group) move(e *entry, to State) {
	if !e.state.mayBecome(to) {
		panic(fmt.Sprintf("supervise: %s cannot go from %s to %s", e.unit.Name(), e.state, to))
	}
	e.state, e.since = to, g.now()
	g.notify()
}

func (g *Group) notify() {
	if g.changed != nil {
		close(g.changed)
		g.changed = make(chan struct{})
	}
}

func (g *Group) setReady(e *entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.state != Starting {
		return
	}
	e.state, e.since, e.progress, e.err = Ready, g.now(), "", nil
	e.took = g.now().Sub(e.started)
	select {
	case <-e.ready:
	default:
		close(e.ready)
	}
	g.notify()
}

func (g *Group) setProgress(e *entry, s string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.progress = s
	g.notify()
}

// prefixed writes whole lines to the group's output with the unit's name.
func (g *Group) prefixed(e *entry) io.Writer { return &prefixWriter{g: g, name: e.unit.Name()} }

type prefixWriter struct {
	g    *Group
	name string
}

func (w *prefixWriter) Write(p []byte) (int, error) {
	if w.g.out == nil {
		return len(p), nil
	}
	if _, err := fmt.Fprintf(w.g.out, "%s: %s", w.name, p); err != nil {
		return 0, fmt.Errorf("write log of %s: %w", w.name, err)
	}
	return len(p), nil
}
