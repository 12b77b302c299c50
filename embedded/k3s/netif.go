package k3s

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// ensureNodeAddress makes sure that addr lies on the node's interface alone.
// That is a bridge without ports, not a dummy interface, because a bridge needs
// no module that pods don't need anyway. The address stays when DHCP changes
// the machine's, so neither a new lease nor the lack of a network breaks
// anything inside.
func ensureNodeAddress(addr net.IP) error {
	link, err := netlink.LinkByName(mlops.NodeInterface)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = mlops.NodeInterface
		if err = netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
			return fmt.Errorf("create interface %s: %w", mlops.NodeInterface, err)
		}
		link, err = netlink.LinkByName(mlops.NodeInterface)
	}
	if err != nil {
		return fmt.Errorf("find interface %s: %w", mlops.NodeInterface, err)
	}
	want := &netlink.Addr{IPNet: &net.IPNet{IP: addr, Mask: net.CIDRMask(32, 32)}}
	have, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("list addresses of %s: %w", mlops.NodeInterface, err)
	}
	found := false
	for _, a := range have {
		if a.Equal(*want) {
			found = true
		} else if err := netlink.AddrDel(link, &a); err != nil {
			return fmt.Errorf("remove %s from %s: %w", a.IPNet, mlops.NodeInterface, err)
		}
	}
	if !found {
		if err := netlink.AddrAdd(link, want); err != nil {
			return fmt.Errorf("add %s to %s: %w", want.IPNet, mlops.NodeInterface, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up %s: %w", mlops.NodeInterface, err)
	}
	return nil
}

// RemoveInterfaces deletes the node's network interfaces, those that exist. It
// is part of a reset.
func RemoveInterfaces() error {
	errs := []error{removePodLinks()}
	for _, name := range []string{mlops.PodBridge, mlops.NodeInterface, "flannel.1"} {
		link, err := netlink.LinkByName(name)
		var missing netlink.LinkNotFoundError
		if errors.As(err, &missing) {
			continue
		}
		if err == nil {
			err = netlink.LinkDel(link)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("remove interface %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// removePodLinks deletes the pods' links to the bridge. They end with their
// network namespace, which open connections may keep for minutes.
func removePodLinks() error {
	bridge, err := netlink.LinkByName(mlops.PodBridge)
	if err != nil {
		return nil //nolint:nilerr // no bridge, no links
	}
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	var errs []error
	for _, l := range links {
		if l.Attrs().MasterIndex != bridge.Attrs().Index || l.Type() != "veth" {
			continue
		}
		// ENODEV: it has just gone with its pod.
		if err := netlink.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("remove interface %s: %w", l.Attrs().Name, err))
		}
	}
	return errors.Join(errs...)
}
