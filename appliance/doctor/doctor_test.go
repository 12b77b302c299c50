package doctor

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
)

func TestWorst(t *testing.T) {
	f := func(levels ...Level) (out []Finding) {
		for _, l := range levels {
			out = append(out, Finding{Level: l})
		}
		return out
	}
	for _, c := range []struct {
		findings []Finding
		want     Level
	}{
		{nil, OK}, {f(OK, OK), OK}, {f(OK, Warn, OK), Warn}, {f(Fail, Warn, OK), Fail}, {f(Warn, Fail), Fail}, {f(Fail), Fail},
	} {
		if got := Worst(c.findings); got != c.want {
			t.Errorf("worst of %v is %s, expected %s", c.findings, got, c.want)
		}
	}
}

func TestBeforeLooksAtEverything(t *testing.T) {
	held := listen(t, "tcp", ":0")
	findings := Before(Machine{
		DataDir: t.TempDir(), NodeAddress: net.IPv4(10, 44, 0, 1),
		Ports: []Port{{Number: held, For: "web UI", Change: "set http_addr"}},
	})
	var checks []string
	for _, f := range findings {
		checks = append(checks, f.Check)
		if f.Detail == "" {
			t.Errorf("%s says nothing", f.Check)
		}
		if (f.Level == OK) != (f.Fix == "") {
			t.Errorf("%s is %s with the fix %q: every trouble, and nothing else, has one", f.Check, f.Level, f.Fix)
		}
		if f.Check == "ports" && f.Level != Fail {
			t.Errorf("a held port is %s", f.Level)
		}
	}
	const want = "root kernel cgroups memory disk bridge overlayfs iptables mounts inotify addresses ports"
	if got := strings.Join(checks, " "); got != want {
		t.Errorf("checked %s, expected %s", got, want)
	}
}

func TestFindingAsJSON(t *testing.T) {
	b, err := json.Marshal([]Finding{fail("ports", "taken", "stop it"), ok("root", "fine")})
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"check":"ports","level":"fail","detail":"taken","fix":"stop it"},{"check":"root","level":"ok","detail":"fine"}]`
	if string(b) != want {
		t.Errorf("found %s, expected %s", b, want)
	}
}
