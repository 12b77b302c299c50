package loadbalancer

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"
)

// world is a controller with a cluster of its own and a listener table.
type world struct {
	*Controller
	t         *testing.T
	client    *fake.Clientset
	events    *record.FakeRecorder
	listeners map[string]string // "tcp 22": who
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, client: fake.NewClientset(), events: record.NewFakeRecorder(100), listeners: map[string]string{}}
	w.Controller = New(Config{NodeAddress: node, Ingress: "kube-system/traefik", Ports: map[int]string{80: "ingress HTTP", 8080: "web UI"},
		Listener: func(network string, port int, _ []net.IP) string { return w.listeners[fmt.Sprint(network, " ", port)] }})
	w.Controller.client, w.log, w.recorder = w.client, slog.New(slog.DiscardHandler), w.events
	return w
}

var age = time.Unix(1e9, 0)

// service adds a Service; the earlier ones are older.
func (w *world) service(name string, ports ...int32) *corev1.Service {
	w.t.Helper()
	age = age.Add(time.Second)
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(age)},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer}}
	for _, p := range ports {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Port: p, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(8000)})
	}
	if name == "traefik" {
		s.Namespace = "kube-system"
	}
	if _, err := w.client.CoreV1().Services(s.Namespace).Create(w.t.Context(), s, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// change edits a Service as a user does.
func (w *world) change(name string, f func(*corev1.Service)) {
	w.t.Helper()
	s, err := w.client.CoreV1().Services("default").Get(w.t.Context(), name, metav1.GetOptions{})
	if err == nil {
		f(s)
		_, err = w.client.CoreV1().Services("default").Update(w.t.Context(), s, metav1.UpdateOptions{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// turn runs the controller once and returns every Service's addresses.
func (w *world) turn(at ...string) (addresses map[string]string, retry bool) {
	w.t.Helper()
	list := func() (out []any) {
		services, err := w.client.CoreV1().Services("").List(w.t.Context(), metav1.ListOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range services.Items {
			if services.Items[i].Spec.Type == corev1.ServiceTypeLoadBalancer {
				out = append(out, &services.Items[i])
			}
		}
		return out
	}
	var ips []net.IP
	for _, a := range at {
		ips = append(ips, net.ParseIP(a))
	}
	retry = w.sync(w.t.Context(), list(), ips)
	addresses = map[string]string{}
	for _, o := range list() {
		s := o.(*corev1.Service)
		for _, i := range s.Status.LoadBalancer.Ingress {
			addresses[s.Name] = strings.TrimSpace(addresses[s.Name] + " " + i.IP)
		}
	}
	return addresses, retry
}

func (w *world) expect(at []string, want map[string]string, retry bool) {
	w.t.Helper()
	got, again := w.turn(at...)
	if fmt.Sprint(got) != fmt.Sprint(want) || again != retry {
		w.t.Errorf("addresses are %v (again: %t), expected %v (%t)", got, again, want, retry)
	}
}

func (w *world) said(want ...string) {
	w.t.Helper()
	for _, text := range want {
		select {
		case got := <-w.events.Events:
			if got != text {
				w.t.Errorf("the event is\n%q, expected\n%q", got, text)
			}
		default:
			w.t.Errorf("no event, expected %q", text)
		}
	}
	select {
	case got := <-w.events.Events:
		w.t.Errorf("one event too many: %q", got)
	default:
	}
}

var onLAN = []string{"192.168.1.20", "10.8.0.2"}

type m = map[string]string

func TestAddressesAreFollowed(t *testing.T) {
	w := newWorld(t)
	w.service("traefik", 80, 443)
	w.service("web", 8000)
	w.expect(onLAN, m{"traefik": "192.168.1.20 10.8.0.2", "web": "192.168.1.20 10.8.0.2"}, false)
	w.expect([]string{"192.168.1.21"}, m{"traefik": "192.168.1.21", "web": "192.168.1.21"}, false)
	// The ingress' addresses are for show: host ports carry its traffic.
	s, err := w.client.CoreV1().Services("kube-system").Get(t.Context(), "traefik", metav1.GetOptions{})
	if err != nil || *s.Status.LoadBalancer.Ingress[0].IPMode != corev1.LoadBalancerIPModeProxy {
		t.Errorf("the ingress' status is %+v (%v)", s.Status, err)
	}
	w.said()
	// Without any network there is a problem; it waits without asking again.
	w.expect(nil, m{"traefik": "10.44.0.1"}, false)
	w.said("Warning NoAddress this machine has no address on a network: connect one; the Service gets the address by itself")
	problems := w.Problems()
	if len(problems) != 2 || problems[0].About != "network" || problems[1].About != "Service default/web" || problems[1].Detail != "no address, because this machine has no address on a network" {
		t.Errorf("problems are %+v", problems)
	}
	w.expect(onLAN, m{"traefik": "192.168.1.20 10.8.0.2", "web": "192.168.1.20 10.8.0.2"}, false)
	if p := w.Problems(); len(p) != 0 {
		t.Errorf("problems are left: %+v", p)
	}
	// A right status is not written again.
	w.client.ClearActions()
	w.turn(onLAN...)
	for _, a := range w.client.Actions() {
		if a.GetVerb() == "patch" {
			t.Errorf("written again: %v", a)
		}
	}
}

func TestTakenPorts(t *testing.T) {
	w := newWorld(t)
	const all = "192.168.1.20 10.8.0.2"
	w.service("first", 8000)
	w.listeners["tcp 22"] = "sshd (process 7)"
	w.service("ssh", 2222, 22)
	w.expect(onLAN, m{"first": all}, true)
	w.said("Warning PortTaken TCP port 22 is held on this machine by sshd (process 7): use another port for this Service, or an Ingress")
	// The Service reports it once, and gets the port as soon as it is free.
	w.expect(onLAN, m{"first": all}, true)
	w.said()
	delete(w.listeners, "tcp 22")
	w.expect(onLAN, m{"first": all, "ssh": all}, false)
	// A listener that comes later does not take it away, nor does a restart.
	w.listeners["tcp 22"] = "sshd (process 8)"
	w.Controller.said = map[types.UID]string{}
	w.expect(onLAN, m{"first": all, "ssh": all}, false)
	w.said()
	// Another port of the same Service is asked for anew.
	w.listeners["tcp 23"] = "telnetd (process 9)"
	w.change("ssh", func(s *corev1.Service) { s.Spec.Ports[0].Port = 23 })
	w.expect(onLAN, m{"first": all}, true)
	w.said("Warning PortTaken TCP port 23 is held on this machine by telnetd (process 9): use another port for this Service, or an Ingress")
	w.change("ssh", func(s *corev1.Service) {
		s.Spec.Ports[0].Protocol = corev1.ProtocolUDP
		s.Spec.Ports = s.Spec.Ports[:1]
	})
	w.expect(onLAN, m{"first": all, "ssh": all}, false)

	w.service("second", 8000)
	w.service("ui", 8080)
	w.service("udp", 53)
	w.change("udp", func(s *corev1.Service) { s.Spec.Ports[0].Protocol, s.Spec.Ports[0].Port = corev1.ProtocolUDP, 80 })
	w.expect(onLAN, m{"first": all, "ssh": all, "udp": all}, true)
	w.said("Warning PortTaken TCP port 8000 already leads to Service default/first: use another port for this Service, or an Ingress",
		"Warning PortTaken TCP port 8080 belongs to the lab: web UI: use another port for this Service, or an Ingress")
	// The first one goes: the second's turn.
	if err := w.client.CoreV1().Services("default").Delete(t.Context(), "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	w.expect(onLAN, m{"second": all, "ssh": all, "udp": all}, true)
	w.said()
}

func TestPortsOfPodsAndNodePorts(t *testing.T) {
	w := newWorld(t)
	pod := func(name, hostIP string, port int32, phase corev1.PodPhase) {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Status: corev1.PodStatus{Phase: phase},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{HostPort: port, HostIP: hostIP, Protocol: corev1.ProtocolTCP}}}}}}
		if _, err := w.client.CoreV1().Pods("default").Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	pod("everywhere", "0.0.0.0", 9001, corev1.PodRunning)
	pod("here", "10.8.0.2", 9002, corev1.PodPending)
	pod("inside", "127.0.0.1", 9003, corev1.PodRunning)
	pod("done", "", 9004, corev1.PodSucceeded)
	w.service("a", 9001)
	w.service("b", 9002)
	w.service("c", 9003)
	w.service("d", 9004)
	w.service("own", 30001)
	w.change("own", func(s *corev1.Service) { s.Spec.Ports[0].NodePort = 30001 })
	w.service("other", 30002)
	w.service("np", 9005)
	w.change("np", func(s *corev1.Service) { s.Spec.Type, s.Spec.Ports[0].NodePort = corev1.ServiceTypeNodePort, 30002 })
	const all = "192.168.1.20 10.8.0.2"
	w.expect(onLAN, m{"c": all, "d": all, "own": all}, true)
	const fix = ": use another port for this Service, or an Ingress"
	w.said("Warning PortTaken TCP port 9001 is the hostPort of pod default/everywhere"+fix,
		"Warning PortTaken TCP port 9002 is the hostPort of pod default/here"+fix,
		"Warning PortTaken TCP port 30002 is the node port of Service default/np"+fix)
}

func TestWhatIsAskedFor(t *testing.T) {
	w := newWorld(t)
	w.service("class", 8000)
	class := "example.com/other"
	w.change("class", func(s *corev1.Service) { s.Spec.LoadBalancerClass = &class })
	w.service("one", 8000)
	w.change("one", func(s *corev1.Service) { s.Spec.LoadBalancerIP = "10.8.0.2" })
	w.service("theother", 8000) // the same port of another address
	w.change("theother", func(s *corev1.Service) { s.Spec.LoadBalancerIP = "192.168.1.20" })
	w.service("nowhere", 8001)
	w.change("nowhere", func(s *corev1.Service) { s.Spec.LoadBalancerIP = "203.0.113.9" })
	w.expect(onLAN, m{"one": "10.8.0.2", "theother": "192.168.1.20"}, false)
	w.said("Warning AddressNotOurs loadBalancerIP 203.0.113.9 is no address of this machine: remove it, or use 192.168.1.20 or 10.8.0.2")
}

func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	w := newWorld(t)
	go func() { done <- w.run(ctx, w.client, w.log) }()
	w.service("web", 8000)
	addCard(t, "eth0", "192.168.1.20/24")
	for range 200 {
		s, err := w.client.CoreV1().Services("default").Get(t.Context(), "web", metav1.GetOptions{})
		if err == nil && len(s.Status.LoadBalancer.Ingress) == 1 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if s, err := w.client.CoreV1().Services("default").Get(t.Context(), "web", metav1.GetOptions{}); err != nil || fmt.Sprint(ips(s.Status.LoadBalancer.Ingress)) != "[192.168.1.20]" {
		t.Errorf("the Service has %v (%v)", s.Status, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

var node = net.IPv4(10, 44, 0, 1)

// addCard makes an interface with an address.
func addCard(t *testing.T, name, address string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	link := &netlink.Veth{LinkAttrs: attrs, PeerName: name + "p"}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(link) })
	a, err := netlink.ParseAddr(address)
	if err == nil {
		err = netlink.AddrAdd(link, a)
	}
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		t.Fatal(err)
	}
}
