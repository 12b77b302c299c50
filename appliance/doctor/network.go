package doctor

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// checkBridge makes and removes a bridge and a veth pair. Every pod network
// needs both, and a kernel or container may lack them.
func checkBridge() Finding {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "btdoctor0"
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fail("bridge", "cannot be created: "+err.Error(), "run it as root with CAP_NET_ADMIN and a kernel with the bridge driver (module bridge)")
	}
	defer func() { _ = netlink.LinkDel(bridge) }()
	va := netlink.NewLinkAttrs()
	va.Name = "btdoctor1"
	veth := &netlink.Veth{LinkAttrs: va, PeerName: "btdoctor2"}
	if err := netlink.LinkAdd(veth); err != nil {
		return fail("bridge", "veth pairs cannot be created: "+err.Error(), "use a kernel with the veth driver (module veth)")
	}
	defer func() { _ = netlink.LinkDel(veth) }()
	return ok("bridge", "bridges and veth pairs can be created")
}

func checkIptables(bundled string) Finding {
	const fix = "install the package iptables, or use a kernel with nf_tables"
	path, err := exec.LookPath("iptables")
	if err != nil {
		if path = filepath.Join(bundled, "iptables"); !executable(path) {
			return ok("iptables", "not installed; the one in this binary will be used")
		}
	}
	out, err := exec.Command(path, "-w", "5", "-t", "nat", "-n", "-L", "POSTROUTING").CombinedOutput()
	if err != nil {
		return fail("iptables", fmt.Sprintf("%s does not work: %s", path, firstLine(out, err)), fix)
	}
	version, _ := exec.Command(path, "--version").Output()
	return ok("iptables", strings.TrimSpace(string(version))+" at "+path)
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode()&0o111 != 0
}

func firstLine(out []byte, err error) string {
	if line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n"); line != "" {
		return line
	}
	return err.Error()
}

// checkSubnets looks for routes of the machine that overlap with the
// addresses of pods and Services.
func checkSubnets(node net.IP) Finding {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return warn("addresses", "routes cannot be read: "+err.Error(), "")
	}
	ours := []*net.IPNet{mustCIDR(mlops.PodNetwork), mustCIDR(mlops.ServiceNetwork), {IP: node, Mask: net.CIDRMask(32, 32)}}
	for _, r := range routes {
		if r.Dst == nil || r.Dst.IP.IsUnspecified() {
			continue
		}
		link, err := netlink.LinkByIndex(r.LinkIndex)
		if err != nil || isOurs(link.Attrs().Name) {
			continue
		}
		for _, o := range ours {
			if o.Contains(r.Dst.IP) || r.Dst.Contains(o.IP) {
				return warn("addresses", fmt.Sprintf("the route to %s on %s overlaps with %s, which the lab uses", r.Dst, link.Attrs().Name, o),
					"machines behind that route will not be reachable from pods; use another node_address if it is "+node.String())
			}
		}
	}
	return ok("addresses", mlops.PodNetwork+", "+mlops.ServiceNetwork+" and "+node.String()+" are free")
}

func isOurs(name string) bool {
	return name == mlops.PodBridge || name == mlops.NodeInterface || strings.HasPrefix(name, "veth") || strings.HasPrefix(name, "flannel")
}

func mustCIDR(s string) *net.IPNet {
	_, n, err := net.ParseCIDR(s)
	if err != nil {
		panic(err)
	}
	return n
}
