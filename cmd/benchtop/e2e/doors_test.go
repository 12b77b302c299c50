//go:build e2e

package e2e

import (
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
)

// TestOpenDoors is a day with other people's things: their charts, images,
// clients and proxies meet the lab from the LAN. One boot serves all chapters;
// each chapter cleans up what it made.
func TestOpenDoors(t *testing.T) {
	s := begin(t, "open-doors", testhost.Options{})
	chapter(t, "boot", func(t *testing.T) { s.start(t, bootTimeout) })

	n := &networkDoors{story: s}
	chapter(t, "a namespace with a server and a client", n.open)
	chapter(t, "a Service of type LoadBalancer answers on the LAN", n.loadBalancer)
	chapter(t, "ports that are taken are named", n.conflicts)
	chapter(t, "a new address is followed", n.newAddress)
	chapter(t, "policies that nothing enforces are named", n.notEnforced)
	chapter(t, "network policies block and allow", n.policies)
	chapter(t, "host ports, external IPs, aliases and every Ingress", n.otherDoors)
	chapter(t, "the namespace goes", n.close)
}
