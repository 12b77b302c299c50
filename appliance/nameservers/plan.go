package nameservers

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Plan says what to tell pods, given a machine's resolver configuration.
type Plan struct {
	Servers []netip.Addr // what the cluster's DNS asks; empty if there are none
	Relay   []netip.Addr // what a relay on the node's address asks for pods
}

// plan prefers servers that pods reach by themselves, because these also answer
// while the appliance is stopped. If there are none, the machine relays. ours
// are the lab's own addresses: asking them would go in circles.
func (m Machine) plan(node netip.Addr, ours ...netip.Addr) Plan {
	var p Plan
	for _, a := range m.Servers {
		switch {
		case a == node || slices.Contains(ours, a):
		case PodsReach(a):
			p.Servers = append(p.Servers, a)
		default:
			p.Relay = append(p.Relay, a)
		}
	}
	if len(p.Servers) > 0 {
		p.Relay = nil
	} else if len(p.Relay) > 0 {
		p.Servers = []netip.Addr{node}
	}
	return p
}

// PodsReach says whether pods can reach a server. Pods have IPv4 addresses
// only, and a loopback address is the pod itself.
func PodsReach(a netip.Addr) bool { return a.Is4() && !a.IsLoopback() }

// resolvConf is the file for pods that use the machine's resolver instead of
// the cluster's. It always names a server: containerd would replace an empty
// file by the machine's, which may not exist.
func (m Machine) resolvConf(p Plan, clusterDNS netip.Addr) string {
	var b strings.Builder
	b.WriteString("# Written by benchtop from " + m.File + ".\n")
	servers := p.Servers
	if len(servers) == 0 {
		servers = []netip.Addr{clusterDNS} // says at once that it does not know
	}
	for _, a := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", a)
	}
	if len(m.Search) > 0 {
		b.WriteString("search " + strings.Join(m.Search, " ") + "\n")
	}
	if len(m.Options) > 0 {
		b.WriteString("options " + strings.Join(m.Options, " ") + "\n")
	}
	return b.String()
}
