package appliance

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// Terminal shows progress: one line that is rewritten on a terminal, plain
// lines anywhere else.
type Terminal struct {
	mu       sync.Mutex
	out      io.Writer
	tty      bool
	progress string // the line that is rewritten
}

// NewTerminal writes to out, which is a terminal if tty is true.
func NewTerminal(out io.Writer, tty bool) *Terminal { return &Terminal{out: out, tty: tty} }

func (t *Terminal) line(s string) {
	if t.tty && t.progress != "" {
		fmt.Fprint(t.out, "\r\x1b[K")
	}
	fmt.Fprintln(t.out, s)
	if t.tty && t.progress != "" {
		fmt.Fprint(t.out, t.progress)
	}
}

// Note prints a line.
func (t *Terminal) Note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line("! " + fmt.Sprintf(format, args...))
}

// Done prints that something is finished and clears the progress.
func (t *Terminal) Done(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setProgress("")
	t.line(t.mark("✓", "32") + " " + s)
}

// Lines prints a block of lines after an empty one.
func (t *Terminal) Lines(lines []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setProgress("")
	t.line("\n" + strings.Join(lines, "\n") + "\n")
}

// Progress says what is going on now.
func (t *Terminal) Progress(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.tty {
		t.line("· " + s)
		return
	}
	t.setProgress("· " + s)
}

func (t *Terminal) setProgress(s string) {
	if !t.tty || s == t.progress {
		return
	}
	fmt.Fprint(t.out, "\r\x1b[K"+s)
	t.progress = s
}

func (t *Terminal) mark(s, color string) string {
	if !t.tty {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// Follow prints the units' progress until the returned function is called.
func (t *Terminal) Follow(units *supervise.Group) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		seen := map[string]string{}
		for {
			changed := units.Changed()
			t.show(units.Status(3), seen)
			select {
			case <-changed:
			case <-quit:
				t.show(units.Status(3), seen)
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// show prints what changed since the last call; seen remembers it.
func (t *Terminal) show(status []supervise.Status, seen map[string]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range status {
		key := fmt.Sprint(s.State, s.Restarts)
		if s.State == supervise.Starting {
			key += s.Progress
		}
		if seen[s.Name] == key {
			continue
		}
		seen[s.Name] = key
		switch s.State {
		case supervise.Starting:
			if t.tty {
				t.setProgress(strings.TrimSuffix("· "+s.Name+": "+s.Progress, ": "))
			} else if s.Progress == "" {
				t.line("· " + s.Name + ": starting")
			}
		case supervise.Ready:
			t.setProgress("")
			t.line(fmt.Sprintf("%s %-11s %s", t.mark("✓", "32"), s.Name, s.Took.Round(100*time.Millisecond)))
		case supervise.Failed:
			t.setProgress("")
			t.line(t.mark("✗", "31") + " " + s.Name + ": " + s.Error)
			for _, l := range s.Lines {
				t.line("    " + l.Text)
			}
		case supervise.Stopping:
			t.setProgress("· stopping " + s.Name)
		case supervise.Stopped:
			t.setProgress("")
		}
	}
}
