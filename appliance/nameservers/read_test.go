package nameservers

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// put writes files below a root of their own; content "→ x" makes a link to x.
func put(t *testing.T, root string, files map[string]string) string {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(path) // there may be none yet
		var err error
		if to, ok := strings.CutPrefix(content, "→ "); ok {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

var (
	node       = netip.MustParseAddr("10.44.0.1")
	clusterDNS = netip.MustParseAddr("10.43.0.10")
)

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  Machine
		plan  Plan
	}{
		"missing": {nil, Machine{File: etcFile, Problem: "/etc/resolv.conf does not exist"}, Plan{}},
		"empty":   {map[string]string{etcFile: ""}, Machine{File: etcFile, Problem: "/etc/resolv.conf names no name server"}, Plan{}},
		"no server": {map[string]string{etcFile: "# nameserver 192.168.1.1\n;nameserver 192.168.1.1\nnameserver\nnameserver x\nsearch lan\n"},
			Machine{File: etcFile, Search: []string{"lan"}, Problem: "/etc/resolv.conf names no name server"}, Plan{}},
		"a router": {map[string]string{etcFile: "search a\nsearch lan home\noptions edns0\noptions timeout:1\nnameserver 192.168.1.1"},
			Machine{File: etcFile, Servers: addrs("192.168.1.1"), Search: []string{"lan", "home"}, Options: []string{"edns0", "timeout:1"}},
			Plan{Servers: addrs("192.168.1.1")}},
		"libc's three, each once": {map[string]string{etcFile: "nameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver ::ffff:8.8.8.8\nnameserver 9.9.9.9\nnameserver 4.4.4.4\n"},
			Machine{File: etcFile, Servers: addrs("1.1.1.1", "8.8.8.8", "9.9.9.9")}, Plan{Servers: addrs("1.1.1.1", "8.8.8.8", "9.9.9.9")}},
		"dnsmasq": {map[string]string{etcFile: "nameserver 127.0.0.1\nnameserver ::1\n"},
			Machine{File: etcFile, Servers: addrs("127.0.0.1", "::1")}, Plan{Servers: []netip.Addr{node}, Relay: addrs("127.0.0.1", "::1")}},
		"anywhere is here": {map[string]string{etcFile: "nameserver 0.0.0.0\n"},
			Machine{File: etcFile, Servers: addrs("127.0.0.1")}, Plan{Servers: []netip.Addr{node}, Relay: addrs("127.0.0.1")}},
		"a reachable one is enough": {map[string]string{etcFile: "nameserver 127.0.0.1\nnameserver 192.168.1.1\nnameserver 2001:db8::1\n"},
			Machine{File: etcFile, Servers: addrs("127.0.0.1", "192.168.1.1", "2001:db8::1")}, Plan{Servers: addrs("192.168.1.1")}},
		"pods have no IPv6": {map[string]string{etcFile: "nameserver fe80::1%eth0\n"},
			Machine{File: etcFile, Servers: addrs("fe80::1%eth0")}, Plan{Servers: []netip.Addr{node}, Relay: addrs("fe80::1%eth0")}},
		"ourselves": {map[string]string{etcFile: "nameserver 10.43.0.10\nnameserver 10.44.0.1\n"},
			Machine{File: etcFile, Servers: addrs("10.43.0.10", "10.44.0.1")}, Plan{}},
		"systemd-resolved": {map[string]string{etcFile: "→ ../run/systemd/resolve/stub-resolv.conf",
			"/run/systemd/resolve/stub-resolv.conf": "nameserver 127.0.0.53\noptions edns0\nsearch lan\n", resolvedFile: "nameserver 192.168.1.1\nsearch .\n"},
			Machine{File: resolvedFile, Servers: addrs("192.168.1.1"), Search: []string{"lan"}, Options: []string{"edns0"}}, Plan{Servers: addrs("192.168.1.1")}},
		"systemd-resolved that hides its servers": {map[string]string{etcFile: "nameserver 127.0.0.53\n", resolvedFile: "# none\n"},
			Machine{File: etcFile, Servers: addrs("127.0.0.53")}, Plan{Servers: []netip.Addr{node}, Relay: addrs("127.0.0.53")}},
		"a dangling link": {map[string]string{etcFile: "→ /run/nowhere"}, Machine{File: etcFile, Problem: "/etc/resolv.conf does not exist"}, Plan{}},
	} {
		t.Run(name, func(t *testing.T) {
			got := read(put(t, t.TempDir(), c.files))
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("read %+v\nwant %+v", got, c.want)
			}
			if p := got.plan(node, clusterDNS); !reflect.DeepEqual(p, c.plan) {
				t.Errorf("planned %+v\nwant %+v", p, c.plan)
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		m := read(put(t, t.TempDir(), map[string]string{etcFile + "/x": ""}))
		if len(m.Servers) != 0 || !strings.Contains(m.Problem, "is a directory") {
			t.Errorf("read %+v", m)
		}
	})
}

func TestResolvConfNamesSomeServer(t *testing.T) {
	m := Machine{File: etcFile, Servers: addrs("127.0.0.1"), Search: []string{"lan", "home"}, Options: []string{"edns0"}}
	want := "# Written by benchtop from /etc/resolv.conf.\nnameserver 10.44.0.1\nsearch lan home\noptions edns0\n"
	if got := m.resolvConf(m.plan(node), clusterDNS); got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if got := (Machine{File: etcFile}).resolvConf(Plan{}, clusterDNS); !strings.Contains(got, "\nnameserver 10.43.0.10\n") {
		t.Errorf("without any server: %q", got)
	}
}
