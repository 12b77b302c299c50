package testhost

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// serve answers every request on address inside the host with "here".
func serve(t *testing.T, h *Host, address string) (port string) {
	t.Helper()
	l, err := h.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "here "+r.RemoteAddr) })}
	go func() { _ = srv.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = srv.Close() })
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func get(c *http.Client, url string) (string, error) {
	c.Timeout = 2 * time.Second
	c.CloseIdleConnections()
	r, err := c.Get(url)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	return string(b), err
}

func TestNetworkIsSeparate(t *testing.T) {
	h := newHost(t, Options{})
	port := serve(t, h, "127.0.0.1:0")
	if body, err := get(h.HTTP(), "http://127.0.0.1:"+port); err != nil || !strings.HasPrefix(body, "here 127.0.0.1:") {
		t.Errorf("from inside: %q, %v", body, err)
	}
	if body, err := get(&http.Client{}, "http://127.0.0.1:"+port); err == nil {
		t.Errorf("the machine reaches the host's loopback: %q", body)
	}
	if body, err := get(h.HTTPFromLAN(), "http://anything.lab.internal:"+port); err == nil {
		t.Errorf("the LAN reaches the host's loopback: %q", body)
	}
	everywhere := serve(t, h, ":0")
	if body, err := get(h.HTTPFromLAN(), "http://anything.lab.internal:"+everywhere); err != nil || !strings.HasPrefix(body, "here 192.168.77.1:") {
		t.Errorf("from the LAN by any name: %q, %v", body, err)
	}
	if out, err := h.OnLAN(t.Context(), "ip", "-br", "-4", "address", "show", "lan0").Output(); err != nil || !strings.Contains(string(out), "192.168.77.1/24") {
		t.Errorf("a program on the LAN sees %s, %v", out, err)
	}
	if out, err := h.InNetwork(t.Context(), "ip", "-br", "-4", "address", "show", "eth0").Output(); err != nil || !strings.Contains(string(out), "192.168.77.20/24") {
		t.Errorf("a program in the host's network sees %s, %v", out, err)
	}
}

func TestTwoHostsDoNotMeet(t *testing.T) {
	a, b := newHost(t, Options{}), newHost(t, Options{})
	port := serve(t, a, ":0")
	if body, err := get(b.HTTPFromLAN(), "http://x:"+port); err == nil {
		t.Errorf("one host's LAN reaches the other host: %q", body)
	}
}

func TestAddressChange(t *testing.T) {
	h := newHost(t, Options{})
	old := h.Address()
	port := serve(t, h, ":0")
	if err := h.SetAddress(netip.MustParsePrefix("10.20.30.40/24")); err != nil {
		t.Fatal(err)
	}
	if body, err := get(h.HTTPFromLAN(), "http://10.20.30.40:"+port); err != nil || !strings.HasPrefix(body, "here 10.20.30.1:") {
		t.Errorf("at the new address: %q, %v", body, err)
	}
	if body, err := get(h.HTTPFromLAN(), "http://"+old.String()+":"+port); err == nil {
		t.Errorf("still answers at the old address: %q", body)
	}
	// 10.20.30.1 as /proc prints it: the default route has moved along.
	if routes := run(t, h, "cat", "/proc/net/route"); !strings.Contains(routes, "eth0\t00000000\t011E140A") {
		t.Errorf("no default route by the new router:\n%s", routes)
	}
}

func TestNoDefaultRoute(t *testing.T) {
	h := newHost(t, Options{NoDefaultRoute: true})
	if routes := run(t, h, "cat", "/proc/net/route"); strings.Contains(routes, "eth0\t00000000") {
		t.Errorf("has a default route:\n%s", routes)
	}
	port := serve(t, h, ":0")
	if body, err := get(h.HTTPFromLAN(), "http://x:"+port); err != nil || body == "" {
		t.Errorf("from the LAN: %q, %v", body, err)
	}
	if err := h.SetAddress(netip.MustParsePrefix("10.20.30.40/24")); err != nil {
		t.Fatal(err)
	}
	if routes := run(t, h, "cat", "/proc/net/route"); strings.Contains(routes, "eth0\t00000000") {
		t.Errorf("a new address brought a default route:\n%s", routes)
	}
}

func TestUnpluggedCable(t *testing.T) {
	h := newHost(t, Options{})
	port := serve(t, h, ":0")
	if err := h.Unplug(); err != nil {
		t.Fatal(err)
	}
	if got := run(t, h, "cat", "/sys/class/net/eth0/carrier"); got != "0" {
		t.Errorf("carrier is %s, want 0", got)
	}
	if body, err := get(h.HTTPFromLAN(), "http://x:"+port); err == nil {
		t.Errorf("answers without a cable: %q", body)
	}
	if err := h.Plug(); err != nil {
		t.Fatal(err)
	}
	err := eventually(5*time.Second, func() error { _, err := get(h.HTTPFromLAN(), "http://x:"+port); return err })
	if err != nil {
		t.Errorf("after plugging in again: %v", err)
	}
}

func TestTheProgramStaysInItsNetwork(t *testing.T) {
	before, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, Options{})
	for range 50 { // whichever threads are free
		if err := inNetns(h.net.host, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := os.Readlink("/proc/self/ns/net"); err != nil || after != before {
		t.Errorf("the program's first thread went from network %s to %s, %v", before, after, err)
	}
}

func TestDatagrams(t *testing.T) {
	h := newHost(t, Options{})
	c, err := h.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out, err := h.DialContext(t.Context(), "udp4", c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := out.Write([]byte("here")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := c.ReadFrom(b); err != nil || string(b[:n]) != "here" {
		t.Errorf("read %q (%v)", b[:n], err)
	}
	if _, err := h.ListenPacket("udp4", "no address"); err == nil || !strings.Contains(err.Error(), "listen on no address in the host") {
		t.Errorf("error is %v", err)
	}
}
