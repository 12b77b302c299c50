package networkpolicy

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// tools puts shell scripts on PATH in place of the real tools. Each appends its
// arguments to the file calls.
func tools(t *testing.T, scripts map[string]string) (calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	for name, script := range scripts {
		text := fmt.Sprintf("#!/bin/sh\necho %s $* >> %s\n%s\n", name, calls, script)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return calls
}

// bridged says whether traffic between pods passes iptables.
func bridged(t *testing.T, content string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bridge-nf-call-iptables")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	before := bridgeCalls
	bridgeCalls = file
	t.Cleanup(func() { bridgeCalls = before })
}
