package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// What happens before main costs every command: `benchtop kubectl` is typed all day.
func TestACommandHardlyCollects(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=gctrace=1,inittrace=1", "GOGC=", "LC_ALL=", "LC_MESSAGES=", "LANG=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	collected, packages := 0, 0
	for line := range strings.Lines(string(out)) {
		switch m := initialised.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "gc "):
			collected++
		case m != nil:
			packages++
			const most = 1 << 20
			if n, _ := strconv.Atoi(m[2]); n > most && strings.HasPrefix(m[1], "k8s.io/kubectl/") {
				t.Errorf("%s takes %d bytes before main: it has loaded a table of translations", m[1], n)
			}
		}
	}
	if packages < 100 {
		t.Errorf("%d packages were initialised, want all:\n%s", packages, out)
	}
	if collected > 2 {
		t.Errorf("the collector ran %d times before main, want 2 at most: package heap is initialised too late", collected)
	}
}

// initialised matches what GODEBUG=inittrace=1 prints of a package: its path and how
// many bytes it has allocated.
var initialised = regexp.MustCompile(`^init (\S+) @.* clock, (\d+) bytes,`)
