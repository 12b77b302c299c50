package k3s

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// addLink makes an interface that is up and has an address; it is gone after
// the test.
func addLink(t *testing.T, name, address string) netlink.Link {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		t.Fatal(err)
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(l) })
	if err := netlink.LinkSetUp(l); err != nil {
		t.Fatal(err)
	}
	addAddress(t, l, address)
	return l
}

func addAddress(t *testing.T, l netlink.Link, address string) {
	t.Helper()
	a, err := netlink.ParseAddr(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(l, a); err != nil {
		t.Fatal(err)
	}
}

func TestLANAddresses(t *testing.T) {
	addLink(t, podBridge, "10.42.0.1/24")
	addLink(t, nodeInterface, "10.44.0.1/32")
	addLink(t, "flannel.1", "10.42.0.0/32")
	lan := addLink(t, "lan0", "192.168.7.5/24")
	addAddress(t, lan, "169.254.3.4/16")
	addLink(t, "docker0", "172.17.0.1/16")
	got, err := LANAddresses()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"192.168.7.5", "172.17.0.1"}; !slices.Equal(texts(got), want) {
		t.Errorf("addresses are %v, want %v", got, want)
	}
}

func texts[T fmt.Stringer](values []T) []string {
	var out []string
	for _, v := range values {
		out = append(out, v.String())
	}
	return out
}

func TestFollowLAN(t *testing.T) {
	lan := addLink(t, "lan0", "192.168.7.5/24")
	ctx, cancel := context.WithCancel(t.Context())
	changes, ended := make(chan bool, 8), make(chan error, 1)
	go func() { ended <- followLAN(ctx, func() { changes <- true }) }()
	time.Sleep(100 * time.Millisecond) // there is no sign that it has subscribed
	for i := range 3 {
		addAddress(t, lan, fmt.Sprintf("192.168.8.%d/24", i+1))
	}
	select {
	case <-changes:
	case <-time.After(10 * time.Second):
		t.Fatal("no change was seen")
	}
	if len(changes) != 0 {
		t.Error("one change was told several times")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
