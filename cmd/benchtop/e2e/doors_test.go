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
	chapter(t, "a file in parts from behind a firewall", s.partsBehindAFirewall)
	chapter(t, "nothing stays after gc", s.nothingStaysAfterGC)
}
