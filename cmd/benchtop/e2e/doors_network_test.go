//go:build e2e

package e2e

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// networkDoors are the ways into and between pods of the user's own. They share
// a namespace with a server that answers with the client's address, and a
// client.
type networkDoors struct {
	*story
	lan netip.Addr // the machine on the LAN
}

const doorsPods = `
apiVersion: v1
kind: Namespace
metadata: {name: doors}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: doors, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: IMAGE
    imagePullPolicy: Never
    command: [python3, -u, -c]
    args:
    - |
      import http.server
      class H(http.server.BaseHTTPRequestHandler):
          def do_GET(self):
              body = f"{self.client_address[0]} {self.headers['Host']} {self.path}\n".encode()
              self.send_response(200)
              self.send_header("Content-Length", str(len(body)))
              self.end_headers()
              self.wfile.write(body)
          def log_message(self, *args): pass
      http.server.ThreadingHTTPServer(("", 8000), H).serve_forever()
    ports: [{name: http, containerPort: 8000, hostPort: 8099}]
    readinessProbe: {httpGet: {path: /, port: 8000}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: doors, labels: {app: client}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: client, image: IMAGE, imagePullPolicy: Never, command: [sleep, infinity]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: doors}
spec: {selector: {app: web}, ports: [{port: 8000, targetPort: http}]}
`

// open makes the namespace; what follows uses it.
func (s *networkDoors) open(t *testing.T) {
	s.lan = netip.PrefixFrom(s.Host.Address(), 24).Masked().Addr().Next()
	image := s.benchtop(t, "kubectl", "get", "deploy", "-n", "iris", "iris", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	s.apply(t, strings.ReplaceAll(doorsPods, "IMAGE", image))
	s.benchtop(t, "kubectl", "wait", "-n", "doors", "--for=condition=Ready", "pod/web", "pod/client", "--timeout=180s")
}

// close removes all of it; the namespace takes its time.
func (s *networkDoors) close(t *testing.T) {
	s.benchtop(t, "kubectl", "delete", "namespace", "doors", "--wait=false")
}

func (s *networkDoors) apply(t *testing.T, manifest string) {
	t.Helper()
	r, err := s.Try(t.Context(), manifest, "kubectl", "apply", "-f", "-")
	if err != nil || r.Code != 0 {
		t.Fatalf("apply: %v %s\n%s", err, r.All(), manifest)
	}
}

// curl runs curl on the LAN.
func (s *networkDoors) curl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := s.Host.OnLAN(t.Context(), "curl", append([]string{"-sS", "--max-time", "3"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("curl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// inside asks from the client's pod.
func (s *networkDoors) inside(t *testing.T, url string) (string, error) {
	t.Helper()
	const get = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=2).read().decode())"
	r, err := s.Try(t.Context(), "", "kubectl", "exec", "-n", "doors", "client", "--", "python3", "-c", get, url)
	if err == nil && r.Code != 0 {
		lines := strings.Split(strings.TrimSpace(r.All()), "\n")
		err = fmt.Errorf("get %s: %s", url, lines[max(0, len(lines)-2)])
	}
	return strings.TrimSpace(r.Stdout), err
}

// soon repeats f until it answers with something that begins with want.
func (s *networkDoors) soon(t *testing.T, want string, f func() (string, error)) {
	t.Helper()
	if err := drive.Eventually(t.Context(), patience, func() error {
		got, err := f()
		if err == nil && !strings.HasPrefix(got, want) {
			err = fmt.Errorf("got %q, want %q", got, want)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// address is what `kubectl get` shows as the address of a Service or Ingress.
func (s *networkDoors) address(t *testing.T, object string) func() (string, error) {
	return func() (string, error) {
		return s.Run(t.Context(), "kubectl", "get", "-n", "doors", object, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")
	}
}

func service(name, rest string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: doors}\nspec: {type: LoadBalancer, selector: {app: web}, %s}\n---\n", name, rest)
}

func (s *networkDoors) loadBalancer(t *testing.T) {
	ip := s.Host.Address().String()
	s.apply(t, service("local", "externalTrafficPolicy: Local, ports: [{port: 8001, targetPort: http}]")+
		service("any", "ports: [{port: 8002, targetPort: http}]")+
		service("foreign", "loadBalancerClass: example.com/other, ports: [{port: 8003, targetPort: http}]"))
	s.soon(t, ip, s.address(t, "service/local"))
	s.soon(t, ip, s.address(t, "service/any"))
	// Local keeps the client's address.
	s.soon(t, s.lan.String()+" ", func() (string, error) { return s.curl(t, "http://"+ip+":8001/") })
	s.soon(t, "", func() (string, error) { return s.curl(t, "http://"+ip+":8002/") })
	if got, err := s.address(t, "service/foreign")(); err != nil || got != "" {
		t.Errorf("a Service of another class has the address %q (%v)", got, err)
	}
	// The cluster has no IPv6, and says so.
	if r, err := s.Try(t.Context(), service("six", "ipFamilies: [IPv6], ports: [{port: 8006}]"), "kubectl", "apply", "-f", "-"); err != nil || r.Code == 0 || !strings.Contains(r.Stderr, "IPv6") {
		t.Errorf("an IPv6 Service: %v %s", err, r.All())
	}
	// Of another type it has none, and the port is free again.
	s.benchtop(t, "kubectl", "patch", "-n", "doors", "service/any", "-p", `{"spec": {"type": "ClusterIP"}}`)
	s.soon(t, "refused", func() (string, error) {
		if _, err := s.curl(t, "http://"+ip+":8002/"); err != nil {
			return "refused", nil
		}
		return "answered", nil
	})
	if got, err := s.address(t, "service/any")(); err != nil || got != "" {
		t.Errorf("a ClusterIP Service has the address %q (%v)", got, err)
	}
}

// events are the warnings about an object of the namespace.
func (s *networkDoors) events(t *testing.T, name string) string {
	t.Helper()
	return s.benchtop(t, "kubectl", "get", "events", "-n", "doors", "--field-selector", "type=Warning,involvedObject.name="+name,
		"-o", `jsonpath={range .items[*]}{.reason}: {.message}{"\n"}{end}`)
}

func (s *networkDoors) conflicts(t *testing.T) {
	ip := s.Host.Address().String()
	l, err := s.Host.Listen("tcp", ":8005")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.apply(t, service("ingress-port", "ports: [{port: 80, targetPort: http}]")+
		service("ui-port", "ports: [{port: 8080, targetPort: http}]")+
		service("listener", "ports: [{port: 8005, targetPort: http}]")+
		service("hostport", "ports: [{port: 8099, targetPort: http}]")+
		service("twice", "ports: [{port: 8001, targetPort: http}]")+
		service("elsewhere", "loadBalancerIP: 203.0.113.9, ports: [{port: 8006, targetPort: http}]"))
	for name, want := range map[string]string{
		"ingress-port": "PortTaken: TCP port 80 belongs to the lab: ingress HTTP: use another port for this Service, or an Ingress",
		"ui-port":      "PortTaken: TCP port 8080 belongs to the lab: web UI: ",
		"listener":     "PortTaken: TCP port 8005 is held on this machine by ",
		"hostport":     "PortTaken: TCP port 8099 is the hostPort of pod doors/web: ",
		"twice":        "PortTaken: TCP port 8001 already leads to Service doors/local: ",
		"elsewhere":    "AddressNotOurs: loadBalancerIP 203.0.113.9 is no address of this machine: remove it, or use " + ip,
	} {
		s.soon(t, want, func() (string, error) { return s.events(t, name), nil })
		if got, err := s.address(t, "service/"+name)(); err != nil || got != "" {
			t.Errorf("Service %s has the address %q (%v)", name, got, err)
		}
	}
	if out := s.benchtop(t, "doctor"); !strings.Contains(out, "Service doors/ingress-port") || !strings.Contains(out, "port 80 belongs to the lab") {
		t.Errorf("doctor does not name the Service:\n%s", out)
	}
	// The old port goes on.
	if _, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), s.said.Try, ""); err != nil {
		t.Error(err)
	}
	// Another port, or no listener any more: it is looked at again.
	s.benchtop(t, "kubectl", "patch", "-n", "doors", "service/ingress-port", "-p", `{"spec": {"ports": [{"port": 80, "$patch": "delete"}, {"port": 8004, "targetPort": "http"}]}}`)
	l.Close()
	s.soon(t, ip, s.address(t, "service/ingress-port"))
	s.soon(t, ip, s.address(t, "service/listener"))
	s.soon(t, "", func() (string, error) { return s.curl(t, "http://"+ip+":8004/") })
	s.soon(t, "", func() (string, error) { return s.curl(t, "http://"+ip+":8005/") })
	s.benchtop(t, "kubectl", "delete", "-n", "doors", "service", "ingress-port", "ui-port", "listener", "hostport", "twice", "elsewhere")
	s.soon(t, "gone", func() (string, error) {
		out, err := s.Run(t.Context(), "doctor")
		if !strings.Contains(out, "Service doors/") {
			return "gone", err
		}
		return out, err
	})
}

func (s *networkDoors) newAddress(t *testing.T) {
	before := netip.PrefixFrom(s.Host.Address(), 24)
	pods := s.longLived(t)
	for _, to := range []netip.Prefix{netip.MustParsePrefix("10.77.0.6/24"), before} {
		if err := s.Host.SetAddress(to); err != nil {
			t.Fatal(err)
		}
		ip := to.Addr().String()
		s.soon(t, ip, s.address(t, "service/local"))
		s.soon(t, ip, func() (string, error) {
			return s.Run(t.Context(), "kubectl", "get", "ingress", "-n", "iris", "iris", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}")
		})
		s.soon(t, "", func() (string, error) { return s.curl(t, "http://"+ip+":8001/") })
	}
	// metrics-server may have joined them.
	after := s.longLived(t)
	for pod := range strings.Lines(pods) {
		if !strings.Contains(after, strings.TrimSpace(pod)) {
			t.Errorf("a pod changed with the address: %s\nafter:\n%s", pod, after)
		}
	}
}

func policy(name, spec string) string {
	return fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: %s, namespace: doors}\nspec: %s\n---\n", name, spec)
}

func (s *networkDoors) policies(t *testing.T) {
	ip := s.Host.Address().String()
	podIP := s.benchtop(t, "kubectl", "get", "pod", "-n", "doors", "web", "-o", "jsonpath={.status.podIP}")
	lan := func() (string, error) { return s.curl(t, "http://"+ip+":8001/") }
	pod := func() (string, error) { return s.inside(t, "http://"+podIP+":8000/") }
	name := func() (string, error) { return s.inside(t, "http://web.doors.svc.cluster.local:8000/") }
	s3 := func() (string, error) {
		return s.inside(t, "http://s3.benchtop.svc.cluster.local:9000/minio/health/live")
	}
	blocked := func(f func() (string, error)) func() (string, error) {
		return func() (string, error) {
			if got, err := f(); err == nil {
				return "answered: " + got, nil
			}
			return "blocked", nil
		}
	}
	for _, open := range []func() (string, error){lan, pod, name, s3} {
		s.soon(t, "", open)
	}
	begin := time.Now()
	s.apply(t, policy("deny-all", "{podSelector: {}, policyTypes: [Ingress, Egress]}"))
	s.soon(t, "blocked", blocked(pod))
	t.Logf("enforced after %.1f s", time.Since(begin).Seconds())
	s.soon(t, "blocked", blocked(lan))
	s.soon(t, "blocked", blocked(name))
	s.soon(t, "blocked", blocked(s3))
	// The client reaches names, the server and the lab's own S3, but not the
	// LAN.
	s.apply(t, policy("dns", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]}")+
		policy("to-web", "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: web}}}]}, {to: [{ipBlock: {cidr: 10.44.0.1/32}}]}]}")+
		policy("from-client", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]}"))
	s.soon(t, "", name)
	s.soon(t, "", pod)
	s.soon(t, "", s3)
	s.soon(t, "blocked", blocked(lan))
	// The kubelet's probes go on, and so does everybody else.
	if ready := s.benchtop(t, "kubectl", "get", "pod", "-n", "doors", "web", "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`); ready != "True" {
		t.Errorf("under the policies the server is ready: %s", ready)
	}
	if _, err := drive.Predict(t.Context(), s.Host.HTTPFromLAN(), s.said.Try, ""); err != nil {
		t.Error(err)
	}
	// The ingress is a pod of another namespace.
	s.apply(t, policy("from-ingress", "{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {app.kubernetes.io/name: traefik}}}]}]}")+
		ingress("door", "rules: [{host: door.lab.internal, http: {paths: [{path: /, pathType: Prefix, backend: "+webBackend+"}]}}]"))
	s.soon(t, "", func() (string, error) { return s.curl(t, "-f", "-H", "Host: door.lab.internal", "http://"+ip+"/") })
	s.benchtop(t, "kubectl", "delete", "-n", "doors", "networkpolicy", "--all")
	s.benchtop(t, "kubectl", "delete", "-n", "doors", "ingress", "door")
	for _, open := range []func() (string, error){lan, pod, name, s3} {
		s.soon(t, "", open)
	}
}

// notEnforced is a kernel without sets of addresses, as far as ipset tells.
func (s *networkDoors) notEnforced(t *testing.T) {
	const fake = "/usr/local/sbin/ipset"
	s.sh(t, `printf '#!/bin/sh\necho "Kernel error received: Operation not supported" >&2\nexit 1\n' > $1; chmod 755 $1`, fake)
	defer s.sh(t, "rm -f "+fake)
	s.apply(t, policy("hollow", "{podSelector: {}, policyTypes: [Ingress]}"))
	s.soon(t, "NotEnforced: this policy does nothing, because the kernel makes no ipset of type hash:", func() (string, error) { return s.events(t, "hollow"), nil })
	if out := s.benchtop(t, "doctor"); !strings.Contains(out, "are accepted, but not enforced") || !strings.Contains(out, "ip_set_hash_net") {
		t.Errorf("doctor does not say that policies are not enforced:\n%s", out)
	}
	if status, err := s.WaitState(t.Context(), patience, "ready"); err != nil {
		t.Errorf("a policy that cannot be enforced disturbs the lab: %+v %v", status, err)
	}
	s.benchtop(t, "kubectl", "delete", "-n", "doors", "networkpolicy", "hollow")
}

const webBackend = "{service: {name: web, port: {number: 8000}}}"

func ingress(name, spec string) string {
	return fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: %s, namespace: doors}\nspec: {%s}\n---\n", name, spec)
}

// otherDoors are ways in that charts use and that need nothing of ours.
func (s *networkDoors) otherDoors(t *testing.T) {
	ip := s.Host.Address().String()
	s.apply(t, `
apiVersion: v1
kind: Service
metadata: {name: outer, namespace: doors}
spec: {selector: {app: web}, externalIPs: [`+ip+`], ports: [{port: 8010, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: doors}
spec: {type: ExternalName, externalName: web.doors.svc.cluster.local}
---
`+ingress("classless", "rules: [{host: plain.lab.internal, http: {paths: [{path: /exact, pathType: Exact, backend: "+webBackend+"}]}}]")+
		ingress("wildcard", "ingressClassName: traefik, rules: [{host: '*.wild.lab.internal', http: {paths: [{path: /, pathType: Prefix, backend: "+webBackend+"}]}}]")+
		ingress("tls", "tls: [{hosts: [safe.lab.internal], secretName: safe}], rules: [{host: safe.lab.internal, http: {paths: [{path: /, pathType: Prefix, backend: "+webBackend+"}]}}]")+
		certificate(t, "safe", "safe.lab.internal"))
	get := func(want string, args ...string) {
		t.Helper()
		s.soon(t, want, func() (string, error) { return s.curl(t, args...) })
	}
	code := []string{"-o", "/dev/null", "-w", "%{http_code}"}
	get("", "-f", "http://"+ip+":8099/") // hostPort
	get("", "-f", "http://"+ip+":8010/") // externalIPs
	get("", "-f", "-H", "Host: plain.lab.internal", "http://"+ip+"/exact")
	get("404", append(code, "-H", "Host: plain.lab.internal", "http://"+ip+"/exact/more")...)
	get("", "-f", "-H", "Host: any.wild.lab.internal", "http://"+ip+"/")
	get("404", append(code, "-H", "Host: wild.lab.internal", "http://"+ip+"/")...)
	s.soon(t, "[safe.lab.internal]", func() (string, error) { return s.servedCertificate(t, ip+":443", "safe.lab.internal") })
	get("", "-f", "-k", "--resolve", "safe.lab.internal:443:"+ip, "https://safe.lab.internal/")
	s.soon(t, "", func() (string, error) { return s.inside(t, "http://alias.doors.svc.cluster.local:8000/") })
	for _, name := range []string{"classless", "wildcard", "tls"} {
		s.soon(t, ip, s.address(t, "ingress/"+name))
	}
	var object struct {
		Spec struct{ IngressClassName string }
	}
	if err := json.Unmarshal([]byte(s.benchtop(t, "kubectl", "get", "ingress", "-n", "doors", "classless", "-o", "json")), &object); err != nil || object.Spec.IngressClassName != "traefik" {
		t.Errorf("an Ingress without a class has %q (%v)", object.Spec.IngressClassName, err)
	}
}

// certificate is a Secret as cert-manager and `kubectl create secret tls` make.
func certificate(t *testing.T, name, host string) string {
	t.Helper()
	cert, key := selfSigned(t, host)
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: %s, namespace: doors}\ndata: {tls.crt: %s, tls.key: %s}\n",
		name, encode(cert), encode(key))
}

// servedCertificate returns for whom the certificate is valid that a name gets.
func (s *networkDoors) servedCertificate(t *testing.T, address, host string) (string, error) {
	raw, err := s.Host.DialFromLAN(t.Context(), "tcp", address)
	if err != nil {
		return "", err
	}
	conn := tls.Client(raw, &tls.Config{ServerName: host, InsecureSkipVerify: true}) //nolint:gosec // its own CA
	defer conn.Close()
	if err := conn.HandshakeContext(t.Context()); err != nil {
		return "", err
	}
	return fmt.Sprint(conn.ConnectionState().PeerCertificates[0].DNSNames), nil
}
