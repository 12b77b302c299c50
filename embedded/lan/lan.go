// Package lan knows the addresses at which other machines reach this one.
package lan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sort"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Addresses returns the IPv4 addresses at which other machines may reach
// this one, those of links with a default route first. Left out are node (the
// appliance's own), loopback, link-local ones, and those of bridges that lead
// to containers or virtual machines only.
func Addresses(node net.IP) ([]net.IP, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list network links: %w", err)
	}
	addresses, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	leadsOut := map[int]bool{}
	for _, r := range routes {
		if r.Dst == nil || r.Dst.IP.IsUnspecified() {
			leadsOut[r.LinkIndex] = true
		}
	}
	inner := innerBridges(links)
	sort.SliceStable(addresses, func(i, j int) bool {
		return leadsOut[addresses[i].LinkIndex] && !leadsOut[addresses[j].LinkIndex]
	})
	var out []net.IP
	for _, a := range addresses {
		if a.IP.IsGlobalUnicast() && !a.IP.Equal(node) && (leadsOut[a.LinkIndex] || !inner[a.LinkIndex]) {
			out = append(out, a.IP.To4())
		}
	}
	return out, nil
}

// innerBridges returns the bridges that no network card is part of, such as
// cni0, docker0 and virbr0.
func innerBridges(links []netlink.Link) map[int]bool {
	inner := map[int]bool{}
	for _, l := range links {
		if l.Type() == "bridge" {
			inner[l.Attrs().Index] = true
		}
	}
	for _, l := range links {
		if l.Type() != "veth" && l.Type() != "tuntap" {
			delete(inner, l.Attrs().MasterIndex)
		}
	}
	return inner
}

// settle is how long an address change is given: a new lease is an address
// removed and another added.
const settle = 200 * time.Millisecond

// Watch returns the machine's addresses now, and then again whenever they
// change. The kernel reports changes; nothing is polled.
func Watch(ctx context.Context, node net.IP, failed func(error)) (<-chan []net.IP, error) {
	// Subscribe first: no change falls between the list and the watch.
	changes, err := subscribe()
	if err != nil {
		return nil, fmt.Errorf("watch the machine's addresses: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = changes.Close() })
	last, err := Addresses(node)
	if err != nil {
		return nil, err
	}
	out := make(chan []net.IP, 1)
	out <- last
	go func() {
		var message [1]byte // the kernel is asked anyway, whatever the message says
		for {
			// ENOBUFS: there were more messages than the kernel keeps.
			if _, err := changes.Read(message[:]); err != nil && !errors.Is(err, unix.ENOBUFS) {
				if ctx.Err() == nil {
					failed(fmt.Errorf("watch the machine's addresses: %w", err))
				}
				return
			}
			time.Sleep(settle)
			now, err := Addresses(node)
			if err != nil {
				failed(err)
				continue
			}
			if slices.EqualFunc(now, last, net.IP.Equal) {
				continue
			}
			last = now
			select {
			case <-out: // nobody has read the one before
			default:
			}
			out <- now
		}
	}()
	return out, nil
}

// subscribe returns a socket on which the kernel sends a message for each
// IPv4 address that comes or goes.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "netlink")
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_IPV4_IFADDR}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
