package networkpolicy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

const probeName = "BENCHTOP-PROBE"

// bridgeCalls says whether iptables sees what a bridge switches; a variable for
// tests.
var bridgeCalls = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// probeRules are the kinds of rules that kube-router writes.
const probeRules = `*filter
:BENCHTOP-PROBE - [0:0]
-A BENCHTOP-PROBE -m comment --comment "benchtop" -m set --match-set BENCHTOP-PROBE-IP src -m set --match-set BENCHTOP-PROBE-NET dst -m mark --mark 0x10000/0x10000 -j RETURN
-A BENCHTOP-PROBE -p tcp -m addrtype --dst-type LOCAL -m multiport --dports 30000:32767 -j RETURN
-A BENCHTOP-PROBE -m physdev --physdev-is-bridged -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A BENCHTOP-PROBE -m mark ! --mark 0x10000/0x10000 -m limit --limit 10/minute --limit-burst 10 -j NFLOG --nflog-group 100
-A BENCHTOP-PROBE -j MARK --set-xmark 0x10000/0x10000
-A BENCHTOP-PROBE -j REJECT
COMMIT
`

const probeGone = `*filter
-F BENCHTOP-PROBE
-X BENCHTOP-PROBE
COMMIT
`

// missing says what this machine lacks to enforce policies, "" if nothing. It
// tries, because kube-router would end the process or only log.
func missing() string {
	if b, err := os.ReadFile(bridgeCalls); err != nil || strings.TrimSpace(string(b)) != "1" {
		return "traffic between pods does not pass iptables (" + bridgeCalls + " is not 1)"
	}
	for set, kind := range map[string]string{probeName + "-IP": "hash:ip", probeName + "-NET": "hash:net"} {
		if err := run("", "ipset", "create", "-exist", set, kind); err != nil {
			return "the kernel makes no ipset of type " + kind + " (" + err.Error() + ")"
		}
		defer func() { _ = run("", "ipset", "destroy", set) }()
	}
	err := run(probeRules, "iptables-restore", "-w", "5", "--noflush")
	// Some rules may be there although others were refused.
	defer func() { _ = run(probeGone, "iptables-restore", "-w", "5", "--noflush") }()
	if err != nil {
		return "iptables lacks a kind of rule (" + err.Error() + ")"
	}
	return ""
}

// leftRules reports whether an earlier process has enforced policies since
// this machine started.
func leftRules() bool {
	return run("", "iptables", "-w", "5", "-n", "-L", "KUBE-ROUTER-FORWARD") == nil
}

// run runs a tool; its error is the first line that the tool printed.
func run(input, tool string, args ...string) error {
	cmd := exec.Command(tool, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n")); len(line) > 0 {
		return errors.New(string(line))
	}
	return fmt.Errorf("run %s: %w", tool, err)
}
