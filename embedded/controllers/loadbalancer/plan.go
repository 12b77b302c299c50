package loadbalancer

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// plan decides which Service gets which port of which address. It never takes a
// port away: kube-proxy's rules come before every listener.
type plan struct {
	ctx    context.Context
	cfg    Config
	client kubernetes.Interface
	at     []net.IP

	claims map[claim]string // by whom
	// Listed once per plan, and only for a new Service.
	hostPorts, nodePorts map[claim]string
	failed               error
}

// claim is a port of an address; address is "" where it is all of them.
type claim struct {
	address  string
	protocol corev1.Protocol
	port     int32
}

func newPlan(ctx context.Context, cfg Config, client kubernetes.Interface, at []net.IP) *plan {
	return &plan{ctx: ctx, cfg: cfg, client: client, at: at, claims: map[claim]string{}}
}

// decide returns the addresses of s, or why it gets none.
func (p *plan) decide(s *corev1.Service) ([]corev1.LoadBalancerIngress, *problem) {
	if nameOf(s) == p.cfg.Ingress {
		// Its pod has host ports. The ingress copies what is shown here to
		// every Ingress; kube-proxy leaves addresses of this mode alone.
		at := p.at
		if len(at) == 0 {
			at = []net.IP{p.cfg.NodeAddress}
		}
		return ingressOf(s, at, corev1.LoadBalancerIPModeProxy), nil
	}
	at := p.at
	if len(at) == 0 {
		return nil, &problem{"NoAddress", "this machine has no address on a network", "connect one; the Service gets the address by itself"}
	}
	if want := s.Spec.LoadBalancerIP; want != "" {
		i := slices.IndexFunc(at, net.ParseIP(want).Equal)
		if i < 0 {
			return nil, &problem{"AddressNotOurs", "loadBalancerIP " + want + " is no address of this machine", "remove it, or use " + strings.Join(texts(at), " or ")}
		}
		at = at[i : i+1]
	}
	var mine []claim
	for _, port := range s.Spec.Ports {
		if why := p.taken(s, port, at); why != "" {
			return nil, &problem{portTaken, fmt.Sprintf("%s port %d %s", port.Protocol, port.Port, why), "use another port for this Service, or an Ingress"}
		}
		for _, a := range at {
			mine = append(mine, claim{a.String(), port.Protocol, port.Port})
		}
	}
	for _, m := range mine {
		p.claims[m] = nameOf(s)
	}
	return ingressOf(s, at, corev1.LoadBalancerIPModeVIP), nil
}

// taken says what has a port that s wants, "" if all are free.
func (p *plan) taken(s *corev1.Service, port corev1.ServicePort, at []net.IP) string {
	for _, a := range at {
		if other := p.claims[claim{a.String(), port.Protocol, port.Port}]; other != "" {
			return "already leads to Service " + other
		}
	}
	if ours := p.cfg.Ports[int(port.Port)]; ours != "" && port.Protocol == corev1.ProtocolTCP {
		return "belongs to the lab: " + ours
	}
	if has(s, port) {
		return "" // the later one must look for another port
	}
	if who := p.cfg.Listener(strings.ToLower(string(port.Protocol)), int(port.Port), at); who != "" {
		return "is held on this machine by " + who
	}
	if err := p.look(); err != nil {
		p.failed = err
		return "may be in use: " + err.Error()
	}
	for _, address := range append(texts(at), "") {
		if pod := p.hostPorts[claim{address, port.Protocol, port.Port}]; pod != "" {
			return "is the hostPort of pod " + pod
		}
	}
	if other := p.nodePorts[claim{"", port.Protocol, port.Port}]; other != "" && other != nameOf(s) {
		return "is the node port of Service " + other
	}
	return ""
}

// has reports whether s has the port now. The status of s keeps its ports.
func has(s *corev1.Service, port corev1.ServicePort) bool {
	for _, i := range s.Status.LoadBalancer.Ingress {
		if slices.ContainsFunc(i.Ports, func(ps corev1.PortStatus) bool { return ps.Port == port.Port && ps.Protocol == port.Protocol }) {
			return true
		}
	}
	return false
}

// look lists the ports that pods and Services have on the machine.
func (p *plan) look() error {
	if p.hostPorts != nil {
		return nil
	}
	pods, err := p.client.CoreV1().Pods(metav1.NamespaceAll).List(p.ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	services, err := p.client.CoreV1().Services(metav1.NamespaceAll).List(p.ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list Services: %w", err)
	}
	p.hostPorts, p.nodePorts = map[claim]string{}, map[claim]string{}
	for _, pod := range pods.Items {
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		for _, c := range pod.Spec.Containers {
			for _, port := range c.Ports {
				address := port.HostIP
				if net.ParseIP(address).IsUnspecified() {
					address = ""
				}
				if port.HostPort != 0 {
					p.hostPorts[claim{address, port.Protocol, port.HostPort}] = pod.Namespace + "/" + pod.Name
				}
			}
		}
	}
	for _, s := range services.Items {
		for _, port := range s.Spec.Ports {
			if port.NodePort != 0 {
				p.nodePorts[claim{"", port.Protocol, port.NodePort}] = nameOf(&s)
			}
		}
	}
	return nil
}

func ingressOf(s *corev1.Service, at []net.IP, mode corev1.LoadBalancerIPMode) (out []corev1.LoadBalancerIngress) {
	var ports []corev1.PortStatus
	for _, p := range s.Spec.Ports {
		ports = append(ports, corev1.PortStatus{Port: p.Port, Protocol: p.Protocol})
	}
	for _, a := range at {
		out = append(out, corev1.LoadBalancerIngress{IP: a.String(), IPMode: &mode, Ports: ports})
	}
	return out
}

func texts(at []net.IP) (out []string) {
	for _, a := range at {
		out = append(out, a.String())
	}
	return out
}
