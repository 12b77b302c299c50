package nameservers

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

// answering serves DNS at an address until the test ends.
func answering(t *testing.T, at netip.AddrPort, text string) {
	t.Helper()
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{text}}}
		if w.LocalAddr().Network() == "udp" && q.Question[0].Name == "long." {
			m.Answer, m.Truncated = nil, true
		}
		_ = w.WriteMsg(m)
	})
	for _, network := range []string{"udp", "tcp"} {
		up := make(chan struct{})
		s := &dns.Server{Addr: at.String(), Net: network, Handler: h, NotifyStartedFunc: func() { close(up) }}
		go func() {
			if err := s.ListenAndServe(); err != nil {
				t.Error(err)
			}
		}()
		<-up
		t.Cleanup(func() { _ = s.Shutdown() })
	}
}

// freePort is a port that is free on every loopback address used here.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

func run(t *testing.T, cfg Config) *Unit {
	t.Helper()
	u := NewUnit(cfg)
	h, ready := supervise.NewHandle(t.Output())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the unit ended with %v", err)
		}
	})
	select {
	case <-ready:
	case <-time.After(5 * time.Second):
		t.Fatal("the unit is not ready")
	}
	return u
}

func expectServers(t *testing.T, u *Unit, want ...string) {
	t.Helper()
	select {
	case <-u.Changed():
	case <-time.After(5 * time.Second):
		t.Fatal("nobody was told of a change")
	}
	if got := u.Nameservers(); !slices.Equal(got, want) {
		t.Errorf("the cluster's DNS is to ask %v, want %v", got, want)
	}
	b, err := os.ReadFile(u.ResolvConf())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(string(b), "nameserver "+w+"\n") {
			t.Errorf("the file does not name %s: %s", w, b)
		}
	}
}

func query(t *testing.T, network string, at netip.AddrPort, name string) (*dns.Msg, error) {
	t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(name, dns.TypeTXT)
	m, _, err := (&dns.Client{Net: network, Timeout: 3 * time.Second}).Exchange(q, at.String())
	return m, err
}

func TestUnitFollowsTheMachine(t *testing.T) {
	root, port := t.TempDir(), freePort(t)
	here := netip.MustParseAddr("127.0.0.9") // the node's own address
	stub := netip.MustParseAddr("127.0.0.8")
	u := run(t, Config{Node: here, ClusterDNS: clusterDNS, File: filepath.Join(t.TempDir(), "run", "resolv.conf"), root: root, port: port})
	if got := u.Nameservers(); got != nil {
		t.Errorf("without a configuration the servers are %v", got)
	}
	if b, err := os.ReadFile(u.ResolvConf()); err != nil || !strings.Contains(string(b), "nameserver 10.43.0.10\n") {
		t.Errorf("the file says %q (%v)", b, err)
	}

	// The folders come later than the unit, and the file is a link.
	put(t, root, map[string]string{"/run/systemd/resolve/stub-resolv.conf": "nameserver 192.168.1.1\n"})
	put(t, root, map[string]string{etcFile: "→ ../run/systemd/resolve/stub-resolv.conf"})
	expectServers(t, u, "192.168.1.1")
	put(t, root, map[string]string{"/run/systemd/resolve/stub-resolv.conf": "nameserver 192.168.1.2\n"})
	expectServers(t, u, "192.168.1.2")

	answering(t, netip.AddrPortFrom(stub, port), "from the stub")
	put(t, root, map[string]string{etcFile: "nameserver 127.0.0.7\nnameserver " + stub.String() + "\n"})
	expectServers(t, u, here.String())
	at := netip.AddrPortFrom(here, port)
	for _, network := range []string{"udp", "tcp"} {
		m, err := query(t, network, at, "example.org.")
		if err != nil || len(m.Answer) != 1 || !strings.Contains(m.Answer[0].String(), "from the stub") {
			t.Errorf("by %s the relay says %v (%v)", network, m, err)
		}
	}
	if m, err := query(t, "udp", at, "long."); err != nil || !m.Truncated {
		t.Errorf("what does not fit: %v (%v)", m, err)
	}

	put(t, root, map[string]string{etcFile: "nameserver 192.168.1.1\n"})
	expectServers(t, u, "192.168.1.1")
	if m, err := query(t, "udp", at, "example.org."); err == nil {
		t.Errorf("the relay still answers: %v", m)
	}
	if err := os.Remove(filepath.Join(root, etcFile)); err != nil {
		t.Fatal(err)
	}
	expectServers(t, u)
}

func TestRelayOfDeadServers(t *testing.T) {
	root, port := t.TempDir(), freePort(t)
	here := netip.MustParseAddr("127.0.0.9")
	put(t, root, map[string]string{etcFile: "nameserver 127.0.0.7\n"})
	run(t, Config{Node: here, ClusterDNS: clusterDNS, File: filepath.Join(t.TempDir(), "resolv.conf"), root: root, port: port})
	m, err := query(t, "udp", netip.AddrPortFrom(here, port), "example.org.")
	if err != nil || m.Rcode != dns.RcodeServerFailure {
		t.Errorf("with nobody behind it the relay says %v (%v)", m, err)
	}
}

// A server that listens on every address answers at the node's, too.
func TestSomeoneAnswersAlready(t *testing.T) {
	root, port := t.TempDir(), freePort(t)
	here := netip.MustParseAddr("127.0.0.9")
	answering(t, netip.AddrPortFrom(netip.IPv4Unspecified(), port), "from everywhere")
	put(t, root, map[string]string{etcFile: "nameserver 127.0.0.1\n"})
	u := run(t, Config{Node: here, ClusterDNS: clusterDNS, File: filepath.Join(t.TempDir(), "resolv.conf"), root: root, port: port})
	expectServers(t, u, here.String())
	if m, err := query(t, "udp", netip.AddrPortFrom(here, port), "example.org."); err != nil || len(m.Answer) != 1 {
		t.Errorf("at the node's address: %v (%v)", m, err)
	}
}

func TestUnitErrors(t *testing.T) {
	h, _ := supervise.NewHandle(t.Output())
	file := filepath.Join(t.TempDir(), "a-file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := NewUnit(Config{Node: node, ClusterDNS: clusterDNS, File: file + "/resolv.conf", root: t.TempDir()}).Run(t.Context(), h)
	if err == nil || !strings.Contains(err.Error(), "write "+file+"/resolv.conf: ") {
		t.Errorf("error is %v", err)
	}
}

func TestAsk(t *testing.T) {
	port := freePort(t)
	alive := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.8"), port)
	answering(t, alive, "yes")
	if err := ask(t.Context(), alive); err != nil {
		t.Error(err)
	}
	err := ask(t.Context(), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.7"), port))
	if err == nil || !strings.Contains(err.Error(), "ask name server 127.0.0.7: ") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody there: %v", err)
	}
}
