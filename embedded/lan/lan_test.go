package lan

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

var node = net.IPv4(10, 44, 0, 1)

// add makes a link with addresses; master is "" or the bridge it is part of.
func add(t *testing.T, link netlink.Link, master string, addresses ...string) netlink.Link {
	t.Helper()
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(link) })
	if master != "" {
		bridge, err := netlink.LinkByName(master)
		if err == nil {
			err = netlink.LinkSetMaster(link, bridge)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range addresses {
		if err := netlink.AddrAdd(link, address(t, a)); err != nil {
			t.Fatal(err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	return link
}

func address(t *testing.T, s string) *netlink.Addr {
	t.Helper()
	a, err := netlink.ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func bridge(name string) netlink.Link {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	return &netlink.Bridge{LinkAttrs: attrs}
}

func veth(name string) netlink.Link {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	return &netlink.Veth{LinkAttrs: attrs, PeerName: name + "p"}
}

func lanIs(t *testing.T, want string) {
	t.Helper()
	got, err := Addresses(node)
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("LAN addresses are %v (%v), expected %s", got, err, want)
	}
}

func TestAddresses(t *testing.T) {
	lanIs(t, "[]")
	add(t, bridge("benchtop0"), "", "10.44.0.1/32")
	add(t, bridge("cni0"), "", "10.42.0.1/24")
	add(t, bridge("docker0"), "", "172.17.0.1/16")
	add(t, veth("pod0"), "docker0")
	lanIs(t, "[]")
	// In LXC the network card is a veth too.
	add(t, veth("eth0"), "", "192.168.1.20/24", "169.254.3.4/16", "2001:db8::1/64")
	lanIs(t, "[192.168.1.20]")
	// A bridge with a network card in it, as on a host of virtual machines.
	add(t, bridge("br0"), "", "192.168.2.20/24")
	lanIs(t, "[192.168.1.20]")
	add(t, &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "card0"}, VxlanId: 7}, "br0")
	lanIs(t, "[192.168.1.20 192.168.2.20]")
	// The way out comes first, whatever it is made of.
	lan := add(t, bridge("br1"), "", "192.168.3.20/24")
	add(t, veth("out0"), "br1")
	lanIs(t, "[192.168.1.20 192.168.2.20]")
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: lan.Attrs().Index, Gw: net.IPv4(192, 168, 3, 1), Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}}); err != nil {
		t.Fatal(err)
	}
	lanIs(t, "[192.168.3.20 192.168.1.20 192.168.2.20]")
}

func TestWatchAddresses(t *testing.T) {
	changes, err := Watch(t.Context(), node, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	next := func(want string) {
		t.Helper()
		select {
		case got := <-changes:
			if fmt.Sprint(got) != want {
				t.Errorf("addresses are %v, expected %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no change was seen, expected %s", want)
		}
	}
	next("[]")
	card := add(t, veth("eth0"), "", "192.168.1.20/24")
	next("[192.168.1.20]")
	// A new lease is one change; an address that is not on the LAN is none.
	if err := netlink.AddrDel(card, address(t, "192.168.1.20/24")); err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(card, address(t, "192.168.1.21/24")); err != nil {
		t.Fatal(err)
	}
	next("[192.168.1.21]")
	add(t, bridge("cni0"), "", "10.42.0.1/24")
	select {
	case got := <-changes:
		t.Errorf("pods' addresses are a change to %v", got)
	case <-time.After(3 * settle):
	}
}
