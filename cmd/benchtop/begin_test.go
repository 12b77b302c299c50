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
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1", "LC_ALL=", "LC_MESSAGES=", "LANG=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	// How often the collector runs depends on how busy the machine is; how much is
	// allocated before package heap chooses does not.
	packages, bytes, before := 0, 0, -1
	for line := range strings.Lines(string(out)) {
		m := initialised.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		packages++
		if strings.HasSuffix(m[1], "/appliance/heap") {
			before = bytes
		}
		n, _ := strconv.Atoi(m[2])
		bytes += n
		const most = 1 << 20
		if n > most && strings.HasPrefix(m[1], "k8s.io/kubectl/") {
			t.Errorf("%s takes %d bytes before main: it has loaded a table of translations", m[1], n)
		}
	}
	if packages < 100 {
		t.Errorf("%d packages were initialised, want all:\n%s", packages, out)
	}
	if before < 0 || before > bytes/4 {
		t.Errorf("%d of %d bytes are allocated before package heap is initialised, want a quarter at most", before, bytes)
	}
}

// initialised matches what GODEBUG=inittrace=1 prints of a package: its path and how
// many bytes it has allocated.
var initialised = regexp.MustCompile(`^init (\S+) @.* clock, (\d+) bytes,`)
