// Package nameservers knows which servers resolve names for this machine, and
// keeps what pods are told in step. The cluster's own names depend on none of
// them.
package nameservers

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	etcFile = "/etc/resolv.conf"
	// The servers behind systemd-resolved, for when /etc/resolv.conf names its
	// stub.
	resolvedFile = "/run/systemd/resolve/resolv.conf"
	// libc looks at no more than the first three.
	maxServers = 3
)

// Machine is what the machine's resolver is configured with.
type Machine struct {
	File    string // the file that names the servers
	Servers []netip.Addr
	Search  []string
	Options []string
	Problem string // why there are no servers, "" if there are some
}

// Read reads the machine's resolver configuration. It never fails: a machine
// may have no resolver.
func Read() Machine { return read("/") }

func read(root string) Machine {
	m, err := parse(root, etcFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m.Problem = etcFile + " does not exist"
	case err != nil:
		m.Problem = err.Error()
	case len(m.Servers) == 0:
		m.Problem = etcFile + " names no name server"
	}
	if slices.ContainsFunc(m.Servers, isResolvedStub) {
		if behind, err := parse(root, resolvedFile); err == nil && len(behind.Servers) > 0 {
			m.File, m.Servers = behind.File, behind.Servers
		}
	}
	return m
}

// isResolvedStub reports whether systemd-resolved answers at an address.
func isResolvedStub(a netip.Addr) bool {
	return a == netip.AddrFrom4([4]byte{127, 0, 0, 53}) || a == netip.AddrFrom4([4]byte{127, 0, 0, 54})
}

// parse reads a resolv.conf as libc does: the last search list counts, options
// add up, and unknown lines are skipped.
func parse(root, file string) (Machine, error) {
	m := Machine{File: file}
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return m, fmt.Errorf("read %s: %w", file, err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 || strings.HasPrefix(f[0], "#") || strings.HasPrefix(f[0], ";") {
			continue
		}
		switch f[0] {
		case "nameserver":
			if a, ok := server(f[1]); ok && len(m.Servers) < maxServers && !slices.Contains(m.Servers, a) {
				m.Servers = append(m.Servers, a)
			}
		case "search", "domain":
			m.Search = f[1:]
		case "options":
			m.Options = append(m.Options, f[1:]...)
		}
	}
	return m, nil
}

func server(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.IsMulticast() {
		return a, false
	}
	a = a.Unmap()
	if a.IsUnspecified() { // libc asks the machine itself then
		a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return a, true
}
