package nameservers

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Plan is what follows for pods from a machine's resolver configuration.
type Plan struct {
	Servers []netip.Addr // whom the cluster's DNS asks, none for nobody
	Relay   []netip.Addr // whom a relay on the node's address asks for them
}

// plan prefers servers that pods can reach by themselves, because these answer
// while the appliance is stopped, too. Without any, the machine relays for
// them. ours are the lab's own addresses: to ask these would go in circles.
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

// PodsReach says whether pods, which have IPv4 addresses only, can reach a
// server: the machine's loopback addresses are other ones in a pod.
func PodsReach(a netip.Addr) bool { return a.Is4() && !a.IsLoopback() }

// resolvConf is the file for pods that use the machine's resolver instead of
// the cluster's. It names some server in any case: containerd would copy the
// machine's file in place of an empty one, and that file may not exist.
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
