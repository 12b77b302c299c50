// Package drive runs the built binary in a private host and asks it things
// the way its users do: by its commands, over HTTP and with MLflow's and S3's
// protocols. The end-to-end stories and the benchmark share it.
package drive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
)

// Program is where the binary lies inside a host, as it was downloaded.
const Program = "/root/benchtop"

// DataDir is the default data dir.
const DataDir = "/var/lib/benchtop"

// Appliance is the binary on one host, running or not.
type Appliance struct {
	Host *testhost.Host
}

// Install makes a host that has the binary and nothing else.
func Install(binary string, opts testhost.Options) (*Appliance, error) {
	path, err := filepath.Abs(binary)
	if err != nil {
		return nil, fmt.Errorf("find the binary: %w", err)
	}
	opts.Binds = append([]testhost.Bind{{Source: path, Target: Program, ReadOnly: true}}, opts.Binds...)
	h, err := testhost.New(opts)
	if err != nil {
		return nil, err
	}
	return &Appliance{Host: h}, nil
}

// Run runs `benchtop args...` and returns its standard output.
func (a *Appliance) Run(ctx context.Context, args ...string) (string, error) {
	return a.Host.Run(ctx, Program, args...)
}

// Result is what a command did, whether it failed or not.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// All is everything the command printed.
func (r Result) All() string { return r.Stdout + r.Stderr }

// Try runs `benchtop args...`, with input as its standard input, and reports
// what happened. Its error is for what could not be run at all.
func (a *Appliance) Try(ctx context.Context, input string, args ...string) (Result, error) {
	var out, errOut strings.Builder
	cmd := a.Host.Command(ctx, Program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errOut
	err := cmd.Run()
	r := Result{Stdout: out.String(), Stderr: errOut.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.Code = exit.ExitCode()
	} else if err != nil {
		return r, fmt.Errorf("run benchtop %s: %w", strings.Join(args, " "), err)
	}
	return r, nil
}

// ReadFile reads a file inside the host.
func (a *Appliance) ReadFile(ctx context.Context, path string) (string, error) {
	return a.Host.Run(ctx, "cat", path)
}

// WriteFile writes a file inside the host, with its directory.
func (a *Appliance) WriteFile(ctx context.Context, path, content string) error {
	cmd := a.Host.Command(ctx, "sh", "-ec", `mkdir -p "$(dirname "$1")"; cat > "$1"`, "sh", path)
	cmd.Stdin = strings.NewReader(content)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("write %s: %w: %s", path, err, out)
	}
	return nil
}

// GiveFolder copies a folder of this machine into the host.
func (a *Appliance) GiveFolder(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return a.WriteFile(ctx, to+strings.TrimPrefix(path, from), string(content))
	})
}

// Status is what `benchtop status --json` prints.
type Status struct {
	State string `json:"state"`
	Units []struct {
		Name  string `json:"name"`
		State string `json:"state"`
		Error string `json:"error"`
	} `json:"units"`
	Loop json.RawMessage `json:"loop"`
}

// Status asks the running appliance how it is.
func (a *Appliance) Status(ctx context.Context) (Status, error) {
	var s Status
	r, err := a.Try(ctx, "", "status", "--json")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		return s, fmt.Errorf("read status (exit code %d): %w: %s", r.Code, err, r.All())
	}
	return s, nil
}

// WaitState waits until the appliance reports one of the states.
func (a *Appliance) WaitState(ctx context.Context, timeout time.Duration, states ...string) (Status, error) {
	var s Status
	err := Eventually(ctx, timeout, func() (err error) {
		if s, err = a.Status(ctx); err != nil {
			return err
		}
		for _, want := range states {
			if s.State == want {
				return nil
			}
		}
		return fmt.Errorf("state is %q, want %s", s.State, strings.Join(states, " or "))
	})
	return s, err
}

// Eventually repeats f until it succeeds; after timeout it returns f's last
// error.
func Eventually(ctx context.Context, timeout time.Duration, f func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := f()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s: %w", timeout, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// PID returns the appliance's process id as its host sees it.
func (a *Appliance) PID(ctx context.Context) (string, error) {
	b, err := a.ReadFile(ctx, DataDir+"/lock")
	if err != nil {
		return "", fmt.Errorf("find the appliance's process: %w", err)
	}
	return strings.TrimSpace(b), nil
}

// signalName is how kill(1) calls a signal.
func signalName(s syscall.Signal) string { return fmt.Sprintf("-%d", int(s)) }

// Signal sends a signal to the appliance's process alone.
func (a *Appliance) Signal(ctx context.Context, s syscall.Signal) error {
	pid, err := a.PID(ctx)
	if err != nil {
		return err
	}
	if _, err := a.Host.Run(ctx, "kill", signalName(s), pid); err != nil {
		return fmt.Errorf("signal the appliance: %w", err)
	}
	return nil
}
