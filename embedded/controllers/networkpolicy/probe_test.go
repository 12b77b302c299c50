package networkpolicy

import (
	"os"
	"strings"
	"testing"
)

func TestMissing(t *testing.T) {
	bridged(t, "0\n")
	if got, want := missing(), "traffic between pods does not pass iptables ("+bridgeCalls+" is not 1)"; got != want {
		t.Errorf("missing %q, expected %q", got, want)
	}
	bridged(t, "1\n")
	t.Setenv("PATH", t.TempDir())
	if got := missing(); !strings.Contains(got, "the kernel makes no ipset of type hash:") || !strings.Contains(got, "run ipset: ") {
		t.Errorf("without ipset %q is missing", got)
	}
	tools(t, map[string]string{"ipset": "echo 'ipset v7.17: Kernel error received: Operation not supported' >&2; exit 1"})
	if got := missing(); !strings.Contains(got, "(ipset v7.17: Kernel error received: Operation not supported)") {
		t.Errorf("with a kernel without sets %q is missing", got)
	}
	calls := tools(t, map[string]string{"ipset": "exit 0", "iptables-restore": `while read -r line; do case $line in *NFLOG*) echo "line 6 failed"; exit 1;; esac; done`})
	if got, want := missing(), "iptables lacks a kind of rule (line 6 failed)"; got != want {
		t.Errorf("missing %q, expected %q", got, want)
	}
	// The probe removes what it made, the rules before the sets that they name.
	b, err := os.ReadFile(calls)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if err != nil || len(lines) != 6 || !strings.HasPrefix(lines[0], "ipset create") || !strings.HasPrefix(lines[2], "iptables-restore") ||
		!strings.HasPrefix(lines[3], "iptables-restore") || !strings.HasPrefix(lines[4], "ipset destroy BENCHTOP-PROBE-") || !strings.HasPrefix(lines[5], "ipset destroy BENCHTOP-PROBE-") {
		t.Errorf("called\n%s(%v)", b, err)
	}
	tools(t, map[string]string{"ipset": "exit 0", "iptables-restore": "exit 0"})
	if got := missing(); got != "" {
		t.Errorf("where everything works %q is missing", got)
	}
}

func TestLeftRules(t *testing.T) {
	tools(t, map[string]string{"iptables": "exit 1"})
	if leftRules() {
		t.Error("rules were found where there are none")
	}
	tools(t, map[string]string{"iptables": `case "$*" in *KUBE-ROUTER-FORWARD*) exit 0;; esac; exit 1`})
	if !leftRules() {
		t.Error("rules were not found")
	}
}
