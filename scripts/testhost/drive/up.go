package drive

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Up is a `benchtop up` that was started.
type Up struct {
	Started time.Time
	cmd     *exec.Cmd
	out     *Output
	done    chan struct{} // closed when it has ended
}

// Output keeps what a process prints and passes it on.
type Output struct {
	mu   sync.Mutex
	text strings.Builder
	also io.Writer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if o.also == nil {
		return len(p), nil
	}
	return o.also.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Up starts `benchtop up args...`. What it prints also goes to log. It lives
// until it is stopped, killed, or its host closed; ctx does not end it.
func (a *Appliance) Up(log io.Writer, args ...string) (*Up, error) {
	u := &Up{Started: time.Now(), out: &Output{also: log}, done: make(chan struct{})}
	u.cmd = a.Host.Command(context.Background(), Program, append([]string{"up"}, args...)...)
	u.cmd.Stdout, u.cmd.Stderr = u.out, u.out
	if err := u.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start benchtop up: %w", err)
	}
	go func() {
		_ = u.cmd.Wait() // the exit code is in ProcessState
		close(u.done)
	}()
	return u, nil
}

// Output is everything that it printed so far.
func (u *Up) Output() string { return u.out.String() }

// Announcement is what `up` prints when everything serves.
type Announcement struct {
	UI           string // link with a one-time token
	PasswordFile string
	Try          string // the URL in the curl line
}

var (
	uiLine       = regexp.MustCompile(`(?m)^\s*UI\s+(http\S+/login\?token=\S+)\s*$`)
	passwordLine = regexp.MustCompile(`(?m)^\s*Password\s+(/\S+)(?: .*)?$`)
	tryLine      = regexp.MustCompile(`(?m)^\s*Try\s+(?:curl '(http[^']+)'|sudo benchtop project add \S+)\s*$`) // no URL without a project
)

// Ready waits for the announcement.
func (u *Up) Ready(ctx context.Context, timeout time.Duration) (Announcement, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		text := u.Output()
		ui, password, try := uiLine.FindStringSubmatch(text), passwordLine.FindStringSubmatch(text), tryLine.FindStringSubmatch(text)
		if ui != nil && password != nil && try != nil {
			return Announcement{UI: ui[1], PasswordFile: password[1], Try: try[1]}, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-u.done:
			return Announcement{}, fmt.Errorf("benchtop up ended with code %d before it was ready:\n%s", u.cmd.ProcessState.ExitCode(), tail(u.Output(), 40))
		case <-deadline.C:
			return Announcement{}, fmt.Errorf("benchtop up was not ready after %s:\n%s", timeout, tail(u.Output(), 40))
		case <-ctx.Done():
			return Announcement{}, ctx.Err()
		}
	}
}

// Terminate sends SIGTERM, as systemd and Ctrl-C's sibling do.
func (u *Up) Terminate() error {
	if err := u.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("terminate benchtop up: %w", err)
	}
	return nil
}

// Kill kills it with SIGKILL and returns when it is gone.
func (u *Up) Kill() error {
	if err := u.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill benchtop up: %w", err)
	}
	<-u.done
	return nil
}

// Wait waits for its end and returns the exit code.
func (u *Up) Wait(timeout time.Duration) (int, error) {
	select {
	case <-u.done:
		return u.cmd.ProcessState.ExitCode(), nil
	case <-time.After(timeout):
		return 0, fmt.Errorf("benchtop up still runs after %s:\n%s", timeout, tail(u.Output(), 40))
	}
}

// Running reports whether it has not ended.
func (u *Up) Running() bool {
	select {
	case <-u.done:
		return false
	default:
		return true
	}
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
