package k3s

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// LANAddresses returns the addresses that other machines may reach this one
// at: global unicast addresses of its own interfaces, not of the cluster's.
// IPv4 comes first, then the order of the interfaces.
func LANAddresses() ([]netip.Addr, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var out []netip.Addr
	for _, l := range links {
		if l.Attrs().Flags&net.FlagUp == 0 || l.Attrs().Flags&net.FlagLoopback != 0 || clusterInterface(l) {
			continue
		}
		addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s: %w", l.Attrs().Name, err)
		}
		for _, a := range addrs {
			ip, ok := netip.AddrFromSlice(a.IP)
			// A tentative or deprecated address is not to be used by others.
			if ok = ok && a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DEPRECATED) == 0; ok && ip.Unmap().IsGlobalUnicast() {
				out = append(out, ip.Unmap())
			}
		}
	}
	slices.SortStableFunc(out, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return slices.Compact(out), nil
}

// clusterInterface tells the interfaces that pods and the node's inner
// address use.
func clusterInterface(l netlink.Link) bool {
	name := l.Attrs().Name
	return name == nodeInterface || name == podBridge || strings.HasPrefix(name, "flannel") || l.Type() == "veth" && l.Attrs().MasterIndex != 0
}

// followLAN calls changed after each change of the machine's addresses, until
// ctx ends. Changes that come together are one.
func followLAN(ctx context.Context, changed func()) error {
	updates := make(chan netlink.AddrUpdate, 16)
	failed := make(chan error, 1)
	if err := netlink.AddrSubscribeWithOptions(updates, ctx.Done(), netlink.AddrSubscribeOptions{
		ErrorCallback: func(err error) {
			select {
			case failed <- err:
			default:
			}
		},
	}); err != nil {
		return fmt.Errorf("subscribe to changes of addresses: %w", err)
	}
	var settled <-chan time.Time
	for {
		select {
		case _, ok := <-updates:
			if !ok {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("follow changes of addresses: %w", <-failed)
			}
			settled = time.After(300 * time.Millisecond)
		case <-settled:
			settled = nil
			changed()
		case <-ctx.Done():
			return nil
		}
	}
}
