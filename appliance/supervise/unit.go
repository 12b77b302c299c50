// Package supervise runs the long-lived parts of a process: it starts them in
// order, knows when each is ready, keeps its last lines, restarts those that
// can be restarted, and stops them in reverse. It knows nothing of Benchtop
// and uses the standard library only.
package supervise

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Unit is one long-lived part of the process.
type Unit interface {
	// Name is short and unique, for example "minio".
	Name() string
	// Run starts the unit, calls h.Ready once it serves, and returns nil
	// after ctx was cancelled and everything it started has stopped. Any
	// other return, nil included, is a failure of the unit.
	Run(ctx context.Context, h *Handle) error
}

// State is where a unit is in its life.
type State string

// The states of a unit. See next for the legal moves.
const (
	Waiting  State = "waiting"  // not started yet
	Starting State = "starting" // Run was called, Ready was not
	Ready    State = "ready"    // serves
	Failed   State = "failed"   // Run returned although nobody asked it to
	Stopping State = "stopping" // asked to stop, Run has not returned
	Stopped  State = "stopped"  // Run returned after it was asked to
)

var next = map[State][]State{
	Waiting:  {Starting, Stopped},
	Starting: {Ready, Failed, Stopping},
	Ready:    {Failed, Stopping},
	Failed:   {Starting, Stopped},
	Stopping: {Stopped},
	Stopped:  {},
}

func (s State) mayBecome(t State) bool {
	for _, n := range next[s] {
		if n == t {
			return true
		}
	}
	return false
}

// Status is a snapshot of one unit.
type Status struct {
	Name     string        `json:"name"`
	State    State         `json:"state"`
	Since    time.Time     `json:"since"`              // when it entered State
	TookMs   int64         `json:"took_ms"`            // from start to ready, 0 before
	Restarts int           `json:"restarts"`           // automatic restarts so far
	Progress string        `json:"progress,omitempty"` // what it is doing, while starting
	Error    string        `json:"error,omitempty"`    // why it failed
	Lines    []Line        `json:"lines,omitempty"`    // its last lines, oldest first
	Took     time.Duration `json:"-"`
}

// Handle is what a running unit reports through.
type Handle struct {
	unit  *entry
	group *Group
	log   *slog.Logger
}

// NewHandle returns a handle that belongs to no group, for tests of a single
// unit. ready is closed at the first call of Ready.
func NewHandle(out io.Writer) (h *Handle, ready <-chan struct{}) {
	e := newEntry(nil, Options{})
	e.state = Starting
	h = &Handle{unit: e, group: &Group{now: time.Now}, log: slog.New(slog.NewTextHandler(io.MultiWriter(e.lines, out), nil))}
	return h, e.ready
}

// Ready says that the unit serves. Calls after the first do nothing.
func (h *Handle) Ready() { h.group.setReady(h.unit) }

// Progress says what the unit is doing while it starts.
func (h *Handle) Progress(format string, args ...any) {
	h.group.setProgress(h.unit, fmt.Sprintf(format, args...))
}

// Log returns a logger whose lines are kept for the unit's status.
func (h *Handle) Log() *slog.Logger { return h.log }

// Writer returns the buffer that keeps the unit's last lines.
func (h *Handle) Writer() io.Writer { return h.unit.lines }
