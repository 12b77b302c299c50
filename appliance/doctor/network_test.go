package doctor

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"
)

func TestCheckBridge(t *testing.T) {
	good := finding("bridge", OK, "bridges and veth pairs can be created", "")
	expect(t, checkBridge(), good)
	expect(t, checkBridge(), good) // it left nothing behind
	asNobody(t, func() {
		expect(t, checkBridge(), finding("bridge", Fail, "cannot be created: operation not permitted",
			"run it as root with CAP_NET_ADMIN and a kernel with the bridge driver (module bridge)"))
	})
}

// link makes a bridge with an address, and so with a route.
func link(t *testing.T, name, cidr string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	l := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(l); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(l); err != nil {
			t.Error(err)
		}
	})
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(l, addr); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		t.Fatal(err)
	}
}

func TestCheckSubnets(t *testing.T) {
	node := net.IPv4(10, 44, 0, 1).To4()
	free := finding("addresses", OK, "10.42.0.0/16, 10.43.0.0/16 and 10.44.0.1 are free", "")
	for _, c := range []struct {
		name, link, cidr string
		want             Finding
	}{
		{"nothing", "lan0", "192.168.1.5/24", free},
		{"ours", "cni0", "10.42.0.1/24", free},
		{"our node", "benchtop0", "10.44.0.1/32", free},
		{"pods", "lan0", "10.42.7.1/24", finding("addresses", Warn, "the route to 10.42.7.0/24 on lan0 overlaps with 10.42.0.0/16, which the lab uses",
			"machines behind that route will not be reachable from pods; use another node_address if it is 10.44.0.1")},
		{"services inside a large network", "vpn0", "10.43.0.1/12", finding("addresses", Warn, "the route to 10.32.0.0/12 on vpn0 overlaps with 10.42.0.0/16, which the lab uses",
			"machines behind that route will not be reachable from pods; use another node_address if it is 10.44.0.1")},
		{"node", "lan0", "10.44.0.9/24", finding("addresses", Warn, "the route to 10.44.0.0/24 on lan0 overlaps with 10.44.0.1/32, which the lab uses",
			"machines behind that route will not be reachable from pods; use another node_address if it is 10.44.0.1")},
	} {
		t.Run(c.name, func(t *testing.T) {
			link(t, c.link, c.cidr)
			expect(t, checkSubnets(node), c.want)
		})
	}
	t.Run("default route", func(t *testing.T) {
		link(t, "lan0", "192.168.1.5/24")
		l, err := netlink.LinkByName("lan0")
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: net.IPv4(192, 168, 1, 1)}); err != nil {
			t.Fatal(err)
		}
		expect(t, checkSubnets(node), free)
	})
}

func TestCheckIptables(t *testing.T) {
	const fix = "install the package iptables, or use a kernel with nf_tables"
	tool := func(script string) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "iptables"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	works := tool(`[ "$1" = --version ] && echo "iptables v1.8.9 (nf_tables)" || [ "$*" = "-w 5 -t nat -n -L POSTROUTING" ]`)
	broken := tool("echo 'iptables: Failed to initialize nft: Protocol not supported' >&2\necho more\nexit 1")
	silent := tool("exit 3")
	none := t.TempDir()
	for _, c := range []struct {
		path, bundled string
		want          Finding
	}{
		{works, none, finding("iptables", OK, "iptables v1.8.9 (nf_tables) at "+works+"/iptables", "")},
		{works, broken, finding("iptables", OK, "iptables v1.8.9 (nf_tables) at "+works+"/iptables", "")},
		{none, works, finding("iptables", OK, "iptables v1.8.9 (nf_tables) at "+works+"/iptables", "")},
		{none, none, finding("iptables", OK, "not installed; the one in this binary will be used", "")},
		{broken, none, finding("iptables", Fail, broken+"/iptables does not work: iptables: Failed to initialize nft: Protocol not supported", fix)},
		{none, broken, finding("iptables", Fail, broken+"/iptables does not work: iptables: Failed to initialize nft: Protocol not supported", fix)},
		{silent, none, finding("iptables", Fail, silent+"/iptables does not work: exit status 3", fix)},
	} {
		t.Setenv("PATH", c.path)
		expect(t, checkIptables(c.bundled), c.want)
	}
}
