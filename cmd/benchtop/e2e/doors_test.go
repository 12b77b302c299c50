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
	chapter(t, "the log of a healthy lab is quiet", s.quietLog)
	chapter(t, "a renamed machine keeps its node", s.renamed)
	chapter(t, "a schedule in Berlin's time is accepted", s.zonedSchedule)
	chapter(t, "whatever resolves names outside", s.resolvers)
	chapter(t, "the schedule in Berlin's time has fired", s.zonedScheduleFired)
}
