package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
)

func TestIdleCountsTheHostsProcessesOnly(t *testing.T) {
	h, err := testhost.New(testhost.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	// Half a core of work and a sleeper, inside; the same outside.
	burn := `while :; do :; done`
	for _, cmd := range []*exec.Cmd{
		h.Command(t.Context(), "timeout", "30", "perl", "-e", "my @ballast = (1) x 4_000_000; my $t = time; 1 while time - $t < 20; sleep 60"),
		h.Command(t.Context(), "sleep", "60"),
		// As in a pod: a pid namespace below the host's.
		h.Command(t.Context(), "unshare", "--pid", "--fork", "tail", "-f", "/dev/null"),
		// Not below another program: killing that would leave it burning.
		exec.CommandContext(t.Context(), "sh", "-c", burn),
	} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	}
	time.Sleep(time.Second)
	var r Report
	if err := r.atIdle(context.Background(), h.PID(), 2*time.Second); err != nil {
		t.Fatal(err)
	}
	found := map[string]Process{}
	for _, p := range r.Processes {
		found[p.Name] = p
	}
	if p := found["perl"]; p.Count != 1 || p.PSS < 60 || p.CPU < 10 {
		t.Errorf("perl holds 4 million numbers and burns a core; measured %+v", p)
	}
	if p := found["sleep"]; p.Count != 1 || p.PSS <= 0 || p.CPU > 1 {
		t.Errorf("one sleep, idle; measured %+v", p)
	}
	if p := found["tail"]; p.Count != 1 {
		t.Errorf("one tail in a pid namespace of its own; measured %+v", p)
	}
	if len(found) != 5 { // and timeout and unshare
		t.Errorf("measured processes of others: %+v", r.Processes)
	}
}

func TestReportNamesMissedTargets(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "benchtop")
	if err := os.WriteFile(binary, make([]byte, 3_000_000), 0o600); err != nil {
		t.Fatal(err)
	}
	r := Report{Binary: binary, Machine: "a machine"}
	if err := r.sizes(binary); err != nil {
		t.Fatal(err)
	}
	r.add(Figure{Name: "slow thing", Value: 7.5, Unit: "s", Target: 6})
	r.add(Figure{Name: "failures", Value: 0, Unit: "requests", Strict: true})
	r.add(Figure{Name: "free thing", Value: 1000, Unit: "ms"})
	var out strings.Builder
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{"binary on disk": "3 MB", "slow thing": "MISSED", "failures": "ok", "free thing": "1000 ms"} {
		found := false
		for _, l := range strings.Split(out.String(), "\n") {
			if strings.HasPrefix(l, line) {
				found = strings.Contains(l, want)
			}
		}
		if !found {
			t.Errorf("line %q does not say %q:\n%s", line, want, out.String())
		}
	}
	if strings.Count(out.String(), "MISSED") != 1 {
		t.Errorf("more than one target is missed:\n%s", out.String())
	}
	file := filepath.Join(t.TempDir(), "bench.json")
	if err := r.save(file); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), `"slow thing"`) {
		t.Errorf("saved %s, %v", b, err)
	}
}
