//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// repository is the root of the source tree; tests run in their folder.
const repository = "../../.."

// binary is dist/benchtop, or another that BENCHTOP_E2E_BINARY names.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(repository, "dist", "benchtop")
	if other := os.Getenv("BENCHTOP_E2E_BINARY"); other != "" {
		path = other
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the stories need the built binary: run `make` first: %v", err)
	}
	return path
}

// story is an appliance on a private host, with what a story says about it.
type story struct {
	*drive.Appliance
	name string
	log  *os.File
	up   *drive.Up
	said drive.Announcement
}

// begin makes a host with the binary and no appliance running. If the test
// fails it collects the reasons, and the host must leave nothing.
func begin(t *testing.T, name string, opts testhost.Options) *story {
	t.Helper()
	opts.Name = name
	a, err := drive.Install(binary(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	s := &story{Appliance: a, name: name}
	t.Cleanup(func() {
		if t.Failed() {
			s.collect()
		}
		if err := a.Host.Close(); err != nil {
			t.Errorf("the host left something behind: %v", err)
		}
	})
	if s.log, err = os.Create(filepath.Join(artifacts(t), name+"-up.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.log.Close() })
	return s
}

// artifacts is where logs and screenshots are kept.
func artifacts(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(repository, "test-artifacts", "e2e")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// patience is how long a story waits for what must come: whatever is slower is
// stuck. The benchmark says how quick things are; stories run side by side, on
// machines that run other work too.
const patience = 3 * time.Minute

// start runs `benchtop up` until it has announced itself.
func (s *story) start(t *testing.T, args ...string) time.Duration {
	t.Helper()
	fmt.Fprintf(s.log, "\n--- %s up %s\n", time.Now().UTC().Format(time.RFC3339), strings.Join(args, " "))
	up, err := s.Up(s.log, args...)
	if err != nil {
		t.Fatal(err)
	}
	s.up = up
	if s.said, err = up.Ready(t.Context(), patience); err != nil {
		t.Fatal(err)
	}
	return time.Since(up.Started)
}

// benchtop runs a command that must succeed.
func (s *story) benchtop(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.Run(t.Context(), args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(out)
}

// refuses runs a command that must fail and say all of want.
func (s *story) refuses(t *testing.T, want []string, args ...string) drive.Result {
	t.Helper()
	r, err := s.Try(t.Context(), "", args...)
	if err != nil {
		t.Fatal(err)
	}
	if r.Code == 0 {
		t.Errorf("benchtop %s succeeded, want a refusal: %s", strings.Join(args, " "), r.All())
	}
	for _, w := range want {
		if !strings.Contains(r.Stderr, w) {
			t.Errorf("benchtop %s does not say %q:\n%s", strings.Join(args, " "), w, r.All())
		}
	}
	return r
}

// sh runs a shell script inside the host.
func (s *story) sh(t *testing.T, script string, args ...string) string {
	t.Helper()
	out, err := s.Host.Run(t.Context(), "sh", append([]string{"-ec", script, "sh"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// chapter runs one part of a story. Later parts build on it: a failure ends the
// story, because they would only fail in confusing ways. Set
// BENCHTOP_E2E_KEEP_GOING to look for several defects at once.
func chapter(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	started := time.Now()
	if !t.Run(name, f) && os.Getenv("BENCHTOP_E2E_KEEP_GOING") == "" {
		t.FailNow()
	}
	t.Logf("%-55s %5.1f s", name, time.Since(started).Seconds())
}

// collect keeps what explains a failure. It runs while everything may be
// broken: each piece is best effort.
func (s *story) collect() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	dir := filepath.Join(repository, "test-artifacts", "e2e", s.name)
	if os.MkdirAll(dir, 0o755) != nil {
		return
	}
	keep := func(file, name string, args ...string) {
		f, err := os.Create(filepath.Join(dir, file))
		if err != nil {
			return
		}
		defer f.Close()
		cmd := s.Host.Command(ctx, name, args...)
		cmd.Stdout, cmd.Stderr = f, f
		if err := cmd.Run(); err != nil {
			_, _ = io.WriteString(f, "\n"+err.Error()+"\n")
		}
	}
	keep("benchtop.log", "cat", drive.DataDir+"/log/benchtop.log")
	keep("status.json", drive.Program, "status", "--json")
	keep("doctor.txt", drive.Program, "doctor")
	keep("processes.txt", "ps", "axwwf", "-o", "pid,ppid,stat,rss,etime,args")
	keep("mounts.txt", "cat", "/proc/mounts")
	keep("disk.txt", "df", "-h")
	keep("pods.txt", drive.Program, "kubectl", "get", "pods", "-A", "-o", "wide")
	keep("describe.txt", drive.Program, "kubectl", "describe", "pods", "-A")
	keep("events.txt", drive.Program, "kubectl", "get", "events", "-A", "--sort-by=.lastTimestamp")
	keep("pods.log", "sh", "-c", "cd /var/log/pods 2>/dev/null && find . -name '*.log' -exec tail -n 200 {} +")
}
