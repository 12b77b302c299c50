package testhost

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	hostLink = "eth0" // the host's network card
	lanLink  = "lan0" // the other end of its cable
)

// network is a host's network card and the LAN at the other end of its cable.
// The LAN is a network namespace of its own, where the client and router lives;
// nothing leads from there to the machine's network.
type network struct {
	lan     *os.File // network namespaces
	host    *os.File
	address netip.Prefix
	route   bool
}

// onThread runs f on a thread of its own, which ends afterwards: a thread that
// has changed its namespace must not be given back to the scheduler. It is
// never the program's first thread, which Go would keep for ever, and whose
// namespaces are what /proc shows as the program's.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != os.Getpid() {
			done <- f()
			return
		}
		// This one blocks the first thread meanwhile.
		defer runtime.UnlockOSThread()
		done <- onThread(f)
	}()
	return <-done
}

// inNetns runs f on a thread that is in the network namespace.
func inNetns(ns *os.File, f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("join network namespace: %w", err)
		}
		return f()
	})
}

func (n *network) createLAN() error {
	err := onThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			n.lan, err = os.Open("/proc/thread-self/ns/net")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("make a LAN: %w", err)
	}
	return nil
}

// lanPath leads to the LAN's namespace from any process of the machine; the
// host's init holds it open.
func (n *network) lanPath(initPID int) string {
	return fmt.Sprintf("/proc/%d/fd/%d", initPID, fdLAN)
}

func (n *network) attach(pid int, address netip.Prefix) (err error) {
	n.address = address
	if n.lan == nil {
		if n.lan, err = os.Open(n.lanPath(pid)); err != nil {
			return fmt.Errorf("find the LAN: %w", err)
		}
	}
	if n.host, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil {
		return fmt.Errorf("find the host's network: %w", err)
	}
	return nil
}

// plugIn lays the cable between the LAN and the host whose init is pid.
func (n *network) plugIn(pid int, address netip.Prefix, noRoute bool) error {
	if err := n.attach(pid, address); err != nil {
		return err
	}
	err := inNetns(n.lan, func() error {
		cable := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: lanLink}, PeerName: hostLink, PeerNamespace: netlink.NsFd(int(n.host.Fd()))}
		if err := netlink.LinkAdd(cable); err != nil {
			return fmt.Errorf("lay a cable: %w", err)
		}
		return errors.Join(setUp("lo"), setUp(lanLink))
	})
	if err != nil {
		return fmt.Errorf("plug in the network: %w", err)
	}
	if err := inNetns(n.host, func() error { return errors.Join(setUp("lo"), setUp(hostLink)) }); err != nil {
		return fmt.Errorf("plug in the network: %w", err)
	}
	n.route = !noRoute
	return n.setAddress(address)
}

func setUp(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("set link %s up: %w", name, err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// router is the LAN's own address in the same network as address.
func router(address netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(address.Masked().Addr().Next(), address.Bits())
}

// replaceAddress leaves link with one address of its own.
func replaceAddress(name string, p netip.Prefix) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find link %s: %w", name, err)
	}
	old, err := netlink.AddrList(l, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list addresses of %s: %w", name, err)
	}
	for _, a := range old {
		if err := netlink.AddrDel(l, &a); err != nil {
			return fmt.Errorf("remove address %s: %w", a.IPNet, err)
		}
	}
	if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: ipNet(p)}); err != nil {
		return fmt.Errorf("set address %s: %w", p, err)
	}
	return nil
}

func (n *network) setAddress(p netip.Prefix) error {
	if err := inNetns(n.lan, func() error { return replaceAddress(lanLink, router(p)) }); err != nil {
		return fmt.Errorf("change the router's address: %w", err)
	}
	n.address = p
	return inNetns(n.host, func() error {
		if err := replaceAddress(hostLink, p); err != nil {
			return fmt.Errorf("change the host's address: %w", err)
		}
		if !n.route {
			return nil
		}
		return n.addRoute()
	})
}

func (n *network) addRoute() error {
	l, err := netlink.LinkByName(hostLink)
	if err != nil {
		return fmt.Errorf("find the network card: %w", err)
	}
	gw := router(n.address).Addr()
	if err := netlink.RouteReplace(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: gw.AsSlice(), Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}}); err != nil {
		return fmt.Errorf("set the default route: %w", err)
	}
	return nil
}

func (n *network) close() error {
	var errs []error
	for _, f := range []*os.File{n.lan, n.host} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	n.lan, n.host = nil, nil
	return errors.Join(errs...)
}

// SetAddress changes the host's address as a new DHCP lease would: the old
// address and its routes are gone, and the LAN moves along.
func (h *Host) SetAddress(p netip.Prefix) error {
	if err := h.net.setAddress(p); err != nil {
		return err
	}
	return h.save()
}

// Unplug pulls the network cable.
func (h *Host) Unplug() error { return h.cable(netlink.LinkSetDown, "unplug the cable") }

// Plug puts the network cable back.
func (h *Host) Plug() error { return h.cable(netlink.LinkSetUp, "plug the cable in") }

// cable acts on the LAN's end: the host keeps its addresses and sees the
// carrier go, as with a real cable.
func (h *Host) cable(set func(netlink.Link) error, what string) error {
	return inNetns(h.net.lan, func() error {
		l, err := netlink.LinkByName(lanLink)
		if err == nil {
			err = set(l)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}
