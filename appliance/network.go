package appliance

import (
	"net"

	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/controllers/loadbalancer"
	"github.com/benchtop-lab/benchtop/embedded/controllers/networkpolicy"
)

// network is what the cluster does on the machine's networks.
type network struct {
	balancer *loadbalancer.Controller
	policies *networkpolicy.Controller
}

func newNetwork(c Config, node string) network {
	ports := map[int]string{}
	for _, p := range c.ports() {
		ports[p.Number] = p.For
	}
	return network{
		balancer: loadbalancer.New(loadbalancer.Config{
			NodeAddress: net.ParseIP(c.NodeAddress), Ingress: "kube-system/traefik", Ports: ports, Listener: doctor.Listener,
		}),
		policies: networkpolicy.New(networkpolicy.Config{NodeName: node, ServiceCIDR: mlops.ServiceNetwork}),
	}
}

// findings are what users asked of the network and do not get.
func (n network) findings() []doctor.Finding {
	out := []doctor.Finding{}
	for _, p := range append(n.balancer.Problems(), n.policies.Problems()...) {
		out = append(out, doctor.Finding{Check: p.About, Level: doctor.Warn, Detail: p.Detail, Fix: p.Fix})
	}
	return out
}
