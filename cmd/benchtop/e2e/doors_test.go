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
	inTurn(t)
	s := begin(t, "open-doors", testhost.Options{})
	if err := s.WriteFile(t.Context(), "/etc/benchtop/config.yaml", "tls_san: lab.example.org\n"); err != nil {
		t.Fatal(err)
	}
	chapter(t, "boot", func(t *testing.T) { s.start(t) })
	chapter(t, "the log of a healthy lab is quiet", s.quietLog)
	chapter(t, "a renamed machine keeps its node", s.renamed)
	chapter(t, "a schedule in Berlin's time is accepted", s.zonedSchedule)
	chapter(t, "kubectl on a laptop, with a user of its own", s.kubeconfigs)
	chapter(t, "kubectl on a laptop does what it does elsewhere", s.kubectlVerbs)
	chapter(t, "charts are installed from their archives", s.charts)
	chapter(t, "the lab's ports stay the lab's", s.labPorts)
	chapter(t, "others' programs may send passwords, pages may not", s.forgedRequests)
	chapter(t, "sign in behind nginx", s.behindNginx)
	chapter(t, "the machine's address in a browser", s.frontPage)
	chapter(t, "pods run from images that came as archives", s.imagesLoad)
	chapter(t, "images are listed and removed", s.imagesRemove)
	chapter(t, "archives in the images folder are loaded", s.imagesFolder)
	chapter(t, "a pod without its image says what to do", s.imagesMissing)
	chapter(t, "one key opens every door, and none when it is revoked", s.accessKeys)
	chapter(t, "a key of one project does that project's work, and nothing else", s.projectKeys)
	n := &networkDoors{story: s}
	chapter(t, "a namespace with a server and a client", n.open)
	chapter(t, "a Service of type LoadBalancer answers on the LAN", n.loadBalancer)
	chapter(t, "ports that are taken are named", n.conflicts)
	chapter(t, "a new address is followed", n.newAddress)
	chapter(t, "policies that nothing enforces are named", n.notEnforced)
	chapter(t, "network policies block and allow", n.policies)
	chapter(t, "host ports, external IPs, aliases and every Ingress", n.otherDoors)
	chapter(t, "the namespace goes", n.close)
	chapter(t, "volumes of any user", s.anyUsersVolumes)
	chapter(t, "who uses what", s.whoUsesWhat)
	chapter(t, "a file in parts from behind a firewall", s.partsBehindAFirewall)
	chapter(t, "nothing stays after gc", s.nothingStaysAfterGC)
	chapter(t, "whatever resolves names outside", s.resolvers)
	chapter(t, "the schedule in Berlin's time has fired", s.zonedScheduleFired)
}
