package prometheus

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// cluster is a stand-in for K3s: an API server that knows one node and some
// pods, and a kubelet, both behind TLS and asking for a client certificate.
type cluster struct {
	api, kubelet *httptest.Server
	ca, cert     string // PEM
	key          string
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func newCluster(t *testing.T, pods func(c *cluster) []any) *cluster {
	t.Helper()
	c := &cluster{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	caTmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test-ca"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, err := x509.CreateCertificate(rand.Reader, caTmpl, caTmpl, caKey.Public(), caKey)
	must(err)
	caCert, err := x509.ParseCertificate(caDER)
	must(err)
	issue := func(usage x509.ExtKeyUsage) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "x"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtKeyUsage: []x509.ExtKeyUsage{usage}}, caCert, key.Public(), caKey)
		must(err)
		return der, key
	}
	serverDER, serverKey := issue(x509.ExtKeyUsageServerAuth)
	clientDER, clientKey := issue(x509.ExtKeyUsageClientAuth)
	clientKeyDER, err := x509.MarshalECPrivateKey(clientKey)
	must(err)
	c.ca, c.cert, c.key = pemOf("CERTIFICATE", caDER), pemOf("CERTIFICATE", clientDER), pemOf("EC PRIVATE KEY", clientKeyDER)
	pool := x509.NewCertPool()
	pool.AddCert(caCert)
	serve := func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{serverDER}, PrivateKey: serverKey}},
			ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
		s.StartTLS()
		t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
		return s
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = w.Write([]byte(s))
		}
	}
	kubelet := http.NewServeMux()
	kubelet.HandleFunc("/metrics", text("kubelet_running_pods 7\nkubelet_http_requests_duration_seconds_bucket{le=\"1\"} 3\n"))
	kubelet.HandleFunc("/metrics/cadvisor", text(`container_memory_working_set_bytes{container="server",id="/a",image="i",name="n",namespace="iris",pod="iris-1"} 100
container_memory_working_set_bytes{container="",id="/b",image="",name="",namespace="iris",pod="iris-1"} 110
container_memory_working_set_bytes{container="",id="/c",image="pause",name="p",namespace="iris",pod="iris-1"} 10
container_memory_working_set_bytes{container="",id="/",image="",name="",namespace="",pod=""} 5000
container_network_receive_bytes_total{container="",id="/c",image="pause",interface="eth0",name="p",namespace="iris",pod="iris-1"} 77
container_tasks_state{container="server",id="/a",namespace="iris",pod="iris-1",state="running"} 1
machine_cpu_cores 2
`))
	c.kubelet = serve(kubelet)
	_, kubeletPort, err := net.SplitHostPort(c.kubelet.Listener.Addr().String())
	must(err)
	api := http.NewServeMux()
	api.HandleFunc("/metrics", text("apiserver_request_total{verb=\"GET\",code=\"200\"} 5\napiserver_request_total{verb=\"WATCH\",code=\"200\"} 5\napiserver_request_duration_seconds_bucket{le=\"1\"} 9\nworkqueue_depth{name=\"x\"} 0\n"))
	node := map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": "bench", "resourceVersion": "1"},
		"status": map[string]any{"addresses": []any{map[string]any{"type": "InternalIP", "address": "127.0.0.1"}},
			"daemonEndpoints": map[string]any{"kubeletEndpoint": map[string]any{"Port": json.Number(kubeletPort)}}}}
	api.HandleFunc("/api/v1/nodes", list("NodeList", func(string) []any { return []any{node} }))
	byNamespace := func(ns string) []any {
		var out []any
		for _, p := range pods(c) {
			if ns == "" || p.(map[string]any)["metadata"].(map[string]any)["namespace"] == ns {
				out = append(out, p)
			}
		}
		return out
	}
	api.HandleFunc("/api/v1/pods", list("PodList", byNamespace))
	api.HandleFunc("/api/v1/namespaces/{ns}/pods", list("PodList", byNamespace))
	c.api = serve(api)
	return c
}

// list answers list and watch requests for a collection that never changes.
func list(kind string, items func(namespace string) []any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		if r.URL.Query().Get("watch") == "" {
			_ = enc.Encode(map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"resourceVersion": "1"}, "items": items(r.PathValue("ns"))})
			return
		}
		if r.URL.Query().Get("sendInitialEvents") == "true" {
			for _, it := range items(r.PathValue("ns")) {
				_ = enc.Encode(map[string]any{"type": "ADDED", "object": it})
			}
			_ = enc.Encode(map[string]any{"type": "BOOKMARK", "object": map[string]any{"apiVersion": "v1", "kind": strings.TrimSuffix(kind, "List"),
				"metadata": map[string]any{"resourceVersion": "1", "annotations": map[string]any{"k8s.io/initial-events-end": "true"}}}})
		}
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		<-r.Context().Done()
	}
}

func (c *cluster) kubeconfig(t *testing.T) string {
	t.Helper()
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	path := filepath.Join(t.TempDir(), "k3s.yaml")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: default, user: {client-certificate-data: %s, client-key-data: %s}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
`, c.api.URL, b64(c.ca), b64(c.cert), b64(c.key))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pod is a running pod on 127.0.0.1 with two container ports.
func pod(ns, name, app string, annotations map[string]any, phase string, ip string) any {
	return map[string]any{"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": name, "namespace": ns, "uid": ns + name, "resourceVersion": "1",
			"labels": map[string]any{"app.kubernetes.io/name": app}, "annotations": annotations},
		"spec": map[string]any{"nodeName": "bench", "initContainers": []any{map[string]any{"name": "init", "image": "x"}},
			"containers": []any{map[string]any{"name": "server", "image": "x", "ports": []any{
				map[string]any{"containerPort": 1, "name": "http", "protocol": "TCP"}, map[string]any{"containerPort": 2, "name": "other", "protocol": "TCP"}}}}},
		"status": map[string]any{"phase": phase, "podIP": ip, "hostIP": "127.0.0.1"}}
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	var asked atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Path)
		_, _ = fmt.Fprint(w, `benchtop_requests_total{deployment="what it says",route="/predict"} 5`+"\n"+`other_thing{deployment="kept"} 1`+"\n")
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	on := map[string]any{"prometheus.io/scrape": "true", "prometheus.io/port": port, "prometheus.io/path": "/custom"}
	c := newCluster(t, func(*cluster) []any {
		return []any{
			pod("iris", "iris-1", "iris", on, "Running", "127.0.0.1"),
			pod("iris", "done", "iris", on, "Succeeded", "127.0.0.1"),
			pod("iris", "quiet", "quiet", map[string]any{"prometheus.io/port": port}, "Running", "127.0.0.1"),
			pod("kube-system", "traefik-1", "traefik", on, "Running", "127.0.0.2"),
		}
	})
	u := run(t, Config{minSlow: time.Second})
	becomes(t, u.Unit, `up{job="benchtop"}`, 1)
	if err := u.UseKubeconfig(c.kubeconfig(t)); err != nil {
		t.Fatal(err)
	}
	becomes(t, u.Unit, `apiserver_request_total{job="k3s",verb="GET"}`, 5)
	becomes(t, u.Unit, `kubelet_running_pods{job="kubelet",node="bench"}`, 7)
	becomes(t, u.Unit, `container_memory_working_set_bytes{container="server",namespace="iris",pod="iris-1",node="bench"}`, 100)
	becomes(t, u.Unit, `container_memory_working_set_bytes{container=""}`, 110) // the pod, not its sandbox and no slice
	becomes(t, u.Unit, `container_network_receive_bytes_total{pod="iris-1",interface="eth0"}`, 77)
	becomes(t, u.Unit, `machine_cpu_cores{job="cadvisor"}`, 2)
	becomes(t, u.Unit, `benchtop_requests_total{job="pods",namespace="iris",pod="iris-1",node="bench",deployment="iris",exported_deployment=""}`, 5)
	becomes(t, u.Unit, `other_thing{deployment="iris",exported_deployment="kept"}`, 1)
	if got := asked.Load(); got != "/custom" {
		t.Errorf("scraped path %v, want that of the annotation", got)
	}
	// One target although the pod has three containers and ports, none for
	// those that are done, silent or Traefik.
	becomes(t, u.Unit, `count(up{job="pods"})`, 1)
	eventually(t, func() string { // nobody listens on Traefik's port here, but it was found
		got, err := u.Query(context.Background(), `up{job="traefik",namespace="kube-system",pod="traefik-1",instance="127.0.0.2:9100"}`, time.Time{})
		if err != nil || len(got) != 1 {
			return fmt.Sprintf("traefik: %v, %v", got, err)
		}
		return ""
	})
	for _, noise := range []string{"apiserver_request_duration_seconds_bucket", `apiserver_request_total{verb="WATCH"}`, "kubelet_http_requests_duration_seconds_bucket", "container_tasks_state", `container_memory_working_set_bytes{id!=""}`} {
		if got, err := u.Query(context.Background(), noise, time.Time{}); err != nil || len(got) != 0 {
			t.Errorf("%s is kept: %v, %v", noise, got, err)
		}
	}
	// The keys of the cluster do not show in the API.
	status, body := get(t, serve(t, u.Unit)+"/api/v1/status/config")
	if status != 200 || strings.Contains(body, "PRIVATE KEY") || !strings.Contains(body, "secret") {
		t.Errorf("status/config gives the client key away, or not a thing: %d", status)
	}
}

func TestKubeconfigErrors(t *testing.T) {
	t.Parallel()
	u, err := New(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := u.UseKubeconfig(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	const ok = `{clusters: [{name: c, cluster: {server: "https://x:6443", certificate-authority-data: eA==}}], users: [{name: u, user: {token: t}}],
 contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x}`
	for _, tc := range []struct{ name, text, want string }{
		{"no YAML", "{", "read kubeconfig"},
		{"empty", "{}", "no configuration has been provided"},
		{"no context", strings.Replace(ok, "current-context: x", "current-context: other", 1), "context was not found for specified context: other"},
		{"plain HTTP", strings.Replace(ok, "https", "http", 1), "is not https://host:port"},
		{"no authority", strings.Replace(ok, ", certificate-authority-data: eA==", "", 1), "expected a certificate authority"},
		{"no user", strings.Replace(ok, "token: t", "", 1), "a client certificate with its key or a token"},
		{"no base64", strings.Replace(ok, "eA==", "no-base64!", 1), "base64"},
		{"missing certificate", strings.Replace(ok, "token: t", "client-certificate: nowhere.crt, client-key: nowhere.key", 1), "nowhere.crt"},
		{"good", ok, ""},
	} {
		path := filepath.Join(dir, "k")
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := u.UseKubeconfig(path)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%s: %v, want %q and the path", tc.name, err, tc.want)
		}
	}
}
