package appliance

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// newPaths returns the places of a fresh data dir.
func newPaths(t *testing.T) Paths {
	t.Helper()
	p := Paths{Data: filepath.Join(t.TempDir(), "data")}
	if err := p.create(); err != nil {
		t.Fatal(err)
	}
	return p
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func expectMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != want {
		t.Errorf("%s has mode %o, expected %o", path, st.Mode().Perm(), want)
	}
}

func TestPaths(t *testing.T) {
	p := newPaths(t)
	expectMode(t, p.Secrets(), 0o700)
	for _, dir := range []string{"log", "run", "registry", "minio", "prometheus"} {
		expectMode(t, p.Dir(dir), 0o700)
	}
	// Pods reach their volumes below these.
	expectMode(t, p.Data, 0o711)
	expectMode(t, p.Dir("k3s"), 0o711)
	// A start mends what somebody loosened.
	if err := os.Chmod(p.Secrets(), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := p.create(); err != nil {
		t.Fatal(err)
	}
	expectMode(t, p.Secrets(), 0o700)
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	if err := (Paths{Data: file}).create(); err == nil || !strings.HasPrefix(err.Error(), "create directory "+file) {
		t.Errorf("a file in the data dir's place: error %v", err)
	}
}

func TestUncleanMarker(t *testing.T) {
	p := newPaths(t)
	if last, err := markRunning(p); last != "" || err != nil {
		t.Errorf("the first start says %q, %v", last, err)
	}
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(p.Unclean(), started, started); err != nil {
		t.Fatal(err)
	}
	const killed = "the last instance, started 2026-01-02T03:04:05Z, did not stop in order (power loss or kill -9)"
	if last, err := markRunning(p); last != killed || err != nil {
		t.Errorf("after kill -9 it says %q, %v", last, err)
	}
	// A crash of the Go runtime leaves a report.
	write(t, p.Crash(), "\nfatal error: concurrent map writes\n\ngoroutine 1 [running]:\n")
	want := "the last instance crashed: fatal error: concurrent map writes (all of it in " + p.Crash() + ".last)"
	if last, err := markRunning(p); last != want || err != nil {
		t.Errorf("after a crash it says %q, %v", last, err)
	}
	if b, err := os.ReadFile(p.Crash() + ".last"); err != nil || !bytes.Contains(b, []byte("goroutine 1")) {
		t.Errorf("the report is %q (%v)", b, err)
	}
	if _, err := os.Stat(p.Crash()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the report would be told again (%v)", err)
	}
	// An empty report is of an instance that was killed.
	write(t, p.Crash(), "")
	if last, _ := markRunning(p); !strings.Contains(last, "did not stop in order") {
		t.Errorf("it says %q", last)
	}
	// In order: the marker is gone.
	if err := os.Remove(p.Unclean()); err != nil {
		t.Fatal(err)
	}
	if last, err := markRunning(p); last != "" || err != nil {
		t.Errorf("after a stop in order it says %q, %v", last, err)
	}
}

func TestNodeName(t *testing.T) {
	p := newPaths(t)
	name, err := Config{}.nodeName(p)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`).MatchString(name) {
		t.Errorf("the host's name became %q", name)
	}
	p = newPaths(t)
	if name, err := (Config{NodeName: "node-a"}).nodeName(p); name != "node-a" || err != nil {
		t.Errorf("found %q, %v", name, err)
	}
	for _, c := range []Config{{}, {NodeName: "node-a"}} {
		if name, err := c.nodeName(p); name != "node-a" || err != nil {
			t.Errorf("later it is %q, %v", name, err)
		}
	}
	_, err = Config{NodeName: "node-b"}.nodeName(p)
	expectInvalid(t, err, `node_name is "node-b", but this data dir belongs to node "node-a": volumes are pinned to that name. Set node_name to "node-a", or leave it out`)
}
