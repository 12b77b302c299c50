package k3s

import (
	"net"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// addresses returns the addresses of the node's interface, none if it is not there.
func addresses(t *testing.T) (out []string) {
	t.Helper()
	link, err := netlink.LinkByName(mlops.NodeInterface)
	if err != nil {
		return nil
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		t.Errorf("%s is down", mlops.NodeInterface)
	}
	list, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		out = append(out, a.IPNet.String())
	}
	return out
}

func TestNodeAddress(t *testing.T) {
	t.Cleanup(func() { _ = RemoveInterfaces() })
	expect := func(want string) {
		t.Helper()
		if got := addresses(t); len(got) != 1 || got[0] != want {
			t.Errorf("addresses are %v, expected %s alone", got, want)
		}
	}
	for range 2 { // the second start finds it there
		if err := ensureNodeAddress(net.IPv4(10, 44, 0, 1)); err != nil {
			t.Fatal(err)
		}
		expect("10.44.0.1/32")
	}
	// The configuration changed.
	if err := ensureNodeAddress(net.IPv4(10, 45, 0, 7)); err != nil {
		t.Fatal(err)
	}
	expect("10.45.0.7/32")
	// Servers can listen there, with no other network at all.
	l, err := net.Listen("tcp", "10.45.0.7:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for range 2 { // removing again is fine
		if err := RemoveInterfaces(); err != nil {
			t.Error(err)
		}
	}
	if got := addresses(t); got != nil {
		t.Errorf("after removal the addresses are %v", got)
	}
}
