package doctor

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func self() string {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(comm)), os.Getpid())
}

func TestHolder(t *testing.T) {
	for _, c := range []struct{ network, addr string }{{"tcp4", "127.0.0.1:0"}, {"tcp", ":0"}, {"tcp6", "[::1]:0"}} {
		port := listen(t, c.network, c.addr)
		if got := Holder(port); got != self() {
			t.Errorf("%s %s: port %d is held by %q, expected %q", c.network, c.addr, port, got, self())
		}
	}
	if got := Holder(1); got != "an unknown process" {
		t.Errorf("a port that nobody holds is held by %q", got)
	}
	// Another process: it inherits the listener, and ours is closed.
	l, err := net.ListenTCP("tcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "60")
	child.ExtraFiles = []*os.File{f}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	port := l.Addr().(*net.TCPAddr).Port
	f.Close()
	l.Close()
	if got, want := Holder(port), fmt.Sprintf("sleep (process %d)", child.Process.Pid); got != want {
		t.Errorf("the port is held by %q, expected %q", got, want)
	}
	asNobody(t, func() {
		if got := Holder(port); got != "a process that cannot be seen from here" {
			t.Errorf("without rights the port is held by %q", got)
		}
	})
}

func TestListener(t *testing.T) {
	lan := []net.IP{net.IPv4(127, 0, 0, 2), net.IPv4(127, 0, 0, 3)}
	udp := func(addr string) int {
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c.LocalAddr().(*net.UDPAddr).Port
	}
	for _, c := range []struct {
		network string
		port    int
		at      []net.IP
		want    string
	}{
		{"tcp", listen(t, "tcp4", "127.0.0.3:0"), lan, self()},
		{"tcp", listen(t, "tcp4", "0.0.0.0:0"), lan, self()},
		{"tcp", listen(t, "tcp", "[::]:0"), lan, self()},
		// A listener elsewhere on the machine is in nobody's way.
		{"tcp", listen(t, "tcp4", "127.0.0.1:0"), lan, ""},
		{"tcp", listen(t, "tcp6", "[::1]:0"), lan, ""},
		{"tcp", listen(t, "tcp4", "127.0.0.1:0"), nil, self()},
		{"udp", udp("127.0.0.2:0"), lan, self()},
		{"udp", udp(":0"), lan, self()},
		{"udp", udp("127.0.0.1:0"), lan, ""},
		{"tcp", udp(":0"), lan, ""},
		{"sctp", 1, lan, ""},
	} {
		if got := Listener(c.network, c.port, c.at); got != c.want {
			t.Errorf("%s port %d at %v is held by %q, expected %q", c.network, c.port, c.at, got, c.want)
		}
	}
}

func TestCheckPorts(t *testing.T) {
	held, other := listen(t, "tcp4", "127.0.0.1:0"), listen(t, "tcp", ":0")
	ui := Port{held, "web UI", "set http_addr"}
	s3 := Port{other, "S3", "set s3_addr"}
	free := Port{80, "ingress HTTP", "set ingress.http_port"}
	expect(t, checkPorts([]Port{free}), Finding{Check: "ports", Level: OK, Detail: "1 ports are free"})
	expect(t, checkPorts([]Port{ui, free, s3}), Finding{Check: "ports", Level: Fail,
		Detail: fmt.Sprintf("port %d (web UI) is held by %s; port %d (S3) is held by %s", held, self(), other, self()),
		Fix:    "stop that program, or choose another port: set http_addr; set s3_addr"})
	expect(t, checkPorts([]Port{{Number: 70000, For: "S3", Change: "set s3_addr"}}), Finding{Check: "ports", Level: Fail,
		Detail: "port 70000 (S3) cannot be opened: listen tcp: address 70000: invalid port",
		Fix:    "stop that program, or choose another port: set s3_addr"})
	// Looking must not take the port.
	listen(t, "tcp", ":80")
	asNobody(t, func() {
		expect(t, checkPorts([]Port{{443, "ingress HTTPS", ""}}), Finding{Check: "ports", Level: OK, Detail: "1 ports are free"})
	})
}
