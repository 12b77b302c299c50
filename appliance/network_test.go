package appliance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/embedded/controllers"
)

func TestNetworkFindings(t *testing.T) {
	a, c := serveControl(t, nil)
	if f := a.network.findings(); len(f) != 0 {
		t.Errorf("before anything was asked: %v", f)
	}
	a.network.balancer.Set([]controllers.Problem{{About: "Service default/web", Detail: "no address, because TCP port 80 belongs to the lab: ingress HTTP", Fix: "use another port"}})
	a.network.policies.Set([]controllers.Problem{{About: "NetworkPolicies", Detail: "are accepted, but not enforced", Fix: "load the kernel modules"}})
	want := []doctor.Finding{
		{Check: "Service default/web", Level: doctor.Warn, Detail: "no address, because TCP port 80 belongs to the lab: ingress HTTP", Fix: "use another port"},
		{Check: "NetworkPolicies", Level: doctor.Warn, Detail: "are accepted, but not enforced", Fix: "load the kernel modules"},
	}
	cfg := DefaultConfig()
	cfg.DataDir = a.paths.Data
	found, err := Diagnose(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(fmt.Sprint(found), fmt.Sprint(w)) {
			t.Errorf("doctor does not say %v: %v", w, found)
		}
	}
	s, err := c.Status(t.Context())
	if err != nil || !strings.Contains(fmt.Sprint(s.Warnings), "Service default/web: no address, because TCP port 80 belongs to the lab: ingress HTTP: use another port") {
		t.Errorf("status warns of %v (%v)", s.Warnings, err)
	}
}

func TestPortsOfTheLab(t *testing.T) {
	c := DefaultConfig()
	c.HTTPPort = 8888
	held := map[int]string{}
	for _, p := range c.ports() {
		held[p.Number] = p.For
	}
	if held[8888] != "ingress HTTP" || held[9000] != "S3" || held[6443] != "Kubernetes API" || held[80] != "" {
		t.Errorf("the lab holds %v", held)
	}
}
