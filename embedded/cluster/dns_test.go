package cluster

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func corefile(t *testing.T, c Config) string {
	t.Helper()
	for _, o := range render(t, c, "coredns.yaml") {
		if o.GetKind() == "ConfigMap" {
			s, _, _ := unstructured.NestedString(o.Object, "data", "Corefile")
			return s
		}
	}
	t.Fatal("there is no Corefile")
	return ""
}

func TestCorefile(t *testing.T) {
	c := testConfig(t)
	got := corefile(t, c)
	for _, want := range []string{
		"    hosts {\n        10.44.0.1 node-a\n        fallthrough\n    }\n",
		"    forward . 192.168.1.1 192.168.1.2 {\n        policy sequential\n        max_connect_attempts 3\n",
		"    cache 30 {\n        disable success cluster.local\n        disable denial cluster.local\n    }\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the Corefile lacks %q:\n%s", want, got)
		}
	}
	for _, not := range []string{"loop", "/etc/resolv.conf"} {
		if strings.Contains(got, not) {
			t.Errorf("the Corefile depends on the pod's own resolver: %q in\n%s", not, got)
		}
	}
	c.Resolver = fakeResolver(nil)
	if got := corefile(t, c); strings.Contains(got, "forward") || !strings.Contains(got, "kubernetes cluster.local") {
		t.Errorf("with nobody to ask:\n%s", got)
	}
}

const (
	dnsConfig     = "/api/v1/namespaces/kube-system/configmaps/coredns"
	dnsDeployment = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
	dnsPod        = "/api/v1/namespaces/kube-system/pods/coredns-1"
)

func TestApplyNameservers(t *testing.T) {
	s, c := newAPIServer(t)
	s.put(dnsPod, map[string]any{"metadata": map[string]any{"name": "coredns-1", "namespace": "kube-system", "labels": map[string]any{"k8s-app": "kube-dns"}}})
	told := map[string]bool{}
	for _, servers := range []fakeResolver{{"192.168.1.1"}, {"192.168.1.2"}, nil} {
		c.cfg.Resolver = servers
		if err := c.applyNameservers(t.Context()); err != nil {
			t.Fatal(err)
		}
		config, _, _ := unstructured.NestedString(s.objects[dnsConfig], "data", "Corefile")
		if len(servers) > 0 && !strings.Contains(config, "forward . "+servers[0]+" {") || len(servers) == 0 && strings.Contains(config, "forward") {
			t.Errorf("with %v the configuration is\n%s", servers, config)
		}
		annotation, _, _ := unstructured.NestedString(s.objects[dnsPod], "metadata", "annotations", annotationDNS)
		told[annotation] = true
	}
	if len(told) != 3 || told[""] {
		t.Errorf("the pod was told %v, expected three configurations", told)
	}
	// The rest of the cluster's DNS stays as it is.
	if got := s.names(); !slices.Equal(got, []string{dnsConfig, dnsPod}) {
		t.Errorf("the cluster holds %v", got)
	}
}

func TestApplyNameserversErrors(t *testing.T) {
	s, c := newAPIServer(t)
	for broken, want := range map[string]string{
		"PATCH " + dnsConfig:                      "apply ConfigMap kube-system/coredns: quota exceeded",
		"GET " + dnsConfig:                        "get the configuration of the cluster's DNS: quota exceeded",
		"GET /api/v1/namespaces/kube-system/pods": "list pods of the cluster's DNS: quota exceeded",
	} {
		s.broken = broken
		expectError(t, c.applyNameservers(t.Context()), want)
	}
}

func TestDNSReady(t *testing.T) {
	s, c := newAPIServer(t)
	_, _, err := c.DNSReady(t.Context())
	expectError(t, err, "get the cluster's DNS: not found")
	meta := func(name string) map[string]any {
		return map[string]any{"name": name, "namespace": "kube-system", "labels": map[string]any{"k8s-app": "kube-dns"}}
	}
	expect := func(ready bool, why string) {
		t.Helper()
		if r, w, err := c.DNSReady(t.Context()); r != ready || w != why || err != nil {
			t.Errorf("it is ready: %t, %q (%v), expected %t, %q", r, w, err, ready, why)
		}
	}
	s.put(dnsDeployment, map[string]any{"metadata": meta("coredns")})
	expect(false, "its pod is not ready")
	s.put(dnsPod, map[string]any{"metadata": meta("coredns-1"), "status": map[string]any{"containerStatuses": []any{
		map[string]any{"name": "coredns", "state": map[string]any{"waiting": map[string]any{"reason": "CrashLoopBackOff", "message": "back-off 40s"}}}}}})
	expect(false, "CrashLoopBackOff: back-off 40s")
	s.set(dnsDeployment, map[string]any{"readyReplicas": 1}, "status")
	expect(true, "")
}

// put stores an object as if it had been made.
func (s *apiServer) put(path string, o map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gv, kind, _ := parsePath(path)
	o["apiVersion"], o["kind"] = gv, kind
	s.objects[path] = o
}
