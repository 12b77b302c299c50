//go:build e2e

package e2e

import (
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
)

// TestFirstDay is the life of one appliance, from the first `up` on a clean
// machine to the `reset` that leaves nothing. One boot serves all chapters.
func TestFirstDay(t *testing.T) {
	inTurn(t)
	s := begin(t, "first-day", testhost.Options{
		// A disk of its own, small enough to fill.
		SmallDisk: testhost.SmallDisk{Path: "/var/lib", Size: 6 << 30},
	})
	chapter(t, "the machine is checked before anything starts", s.doctorBefore)
	chapter(t, "cold boot to a correct prediction", s.coldBoot)
	chapter(t, "commands tell how it is", s.commandsTell)
	chapter(t, "a second instance is refused", s.secondInstance)
	chapter(t, "kubectl and crictl are built in", s.kubectlAndCrictl)
	chapter(t, "nothing answers without credentials", s.credentialsNeeded)
	chapter(t, "secrets stay where they belong", s.secretsStay)
	chapter(t, "pods are confined", s.podsConfined)
	chapter(t, "a wrong request is told what was expected", s.wrongRequests)
	chapter(t, "Prometheus scrapes everything", s.prometheusScrapes)
	chapter(t, "a new version is taken up under traffic", s.newVersion)
	chapter(t, "a training script of one's own", s.ownScript)
	chapter(t, "pages in a real browser", s.pages)
	chapter(t, "restart drops no request", s.restart)
	chapter(t, "kill -9 loses nothing", s.killed)
	chapter(t, "the schedule fires", s.scheduleFires)
	chapter(t, "another address breaks nothing", s.addressChanges)
	chapter(t, "a full disk is reported and predictions go on", s.diskFull)
	chapter(t, "down stops the appliance, and pods go on", s.down)
	chapter(t, "reset asks first and leaves nothing", s.reset)
}
