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
}

// TestNetDev is temporary.
func TestNetDev(t *testing.T) {
	s := begin(t, "net-dev", testhost.Options{})
	chapter(t, "boot", func(t *testing.T) { s.start(t, bootTimeout) })
	n := &networkDoors{story: s}
	chapter(t, "open", n.open)
	chapter(t, "LoadBalancer answers on the LAN", n.loadBalancer)
	chapter(t, "ports that are taken are named", n.conflicts)
	chapter(t, "a new address is followed", n.newAddress)
	chapter(t, "policies that nothing enforces are named", n.notEnforced)
	chapter(t, "network policies", n.policies)
	chapter(t, "other doors", n.otherDoors)
	chapter(t, "close", n.close)
}
