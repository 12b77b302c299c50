package resourcemetrics

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cluster is as much of an API server as resource metrics ask.
func cluster(t *testing.T) (kubeconfig string) {
	t.Helper()
	answers := map[string]string{
		"/api/v1/nodes":       `{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"bench","labels":{"a":"b"}}}]}`,
		"/api/v1/nodes/bench": `{"kind":"Node","apiVersion":"v1","metadata":{"name":"bench"}}`,
		"/api/v1/namespaces/shop/pods": `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","items":[
			{"metadata":{"name":"db-0","namespace":"shop","uid":"1","labels":{"app":"db"}}},
			{"metadata":{"name":"new","namespace":"shop","uid":"2"}},{"metadata":{"name":"db-1","namespace":"shop","uid":"of a former db-1"}}]}`,
		"/api/v1/nodes/bench/proxy/stats/summary": `{"node":{"nodeName":"bench","cpu":{"time":"2026-01-02T03:04:05Z","usageNanoCores":250000000},"memory":{"workingSetBytes":1073741824}},"pods":[
			{"podRef":{"name":"db-0","namespace":"shop","uid":"1"},"containers":[
				{"name":"side","cpu":{"time":"2026-01-02T03:04:01Z","usageNanoCores":1000000},"memory":{"workingSetBytes":1048576}},
				{"name":"main","cpu":{"time":"2026-01-02T03:04:03Z","usageNanoCores":2000000},"memory":{"workingSetBytes":2097152}}]},
			{"podRef":{"name":"new","namespace":"shop","uid":"2"},"containers":[
				{"name":"main","cpu":{"time":"2026-01-02T03:04:03Z","usageNanoCores":2000000},"memory":{"workingSetBytes":2097152}},
				{"name":"side","cpu":{"time":"2026-01-02T03:04:03Z"},"memory":{"workingSetBytes":1}}]}]}`,
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, _ := io.ReadAll(r.Body)
		switch answer, known := answers[r.URL.Path]; {
		case known:
			fmt.Fprint(w, answer)
		case strings.HasSuffix(r.URL.Path, "/configmaps") || strings.HasSuffix(r.URL.Path, "/extension-apiserver-authentication"):
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
		case strings.HasSuffix(r.URL.Path, "/tokenreviews"):
			who := "nobody"
			if strings.Contains(string(body), "good") {
				who = "alice"
			}
			fmt.Fprintf(w, `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":true,"user":{"username":%q}}}`, who)
		case strings.HasSuffix(r.URL.Path, "/subjectaccessreviews"):
			fmt.Fprintf(w, `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":%t}}`, strings.Contains(string(body), `"alice"`))
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"it is not there"}`)
		}
	}))
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig.yaml")
	content := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
		clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}], users: [{name: u, user: {token: t}}]}`, s.URL, ca)
	if err := os.WriteFile(kubeconfig, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

func TestServer(t *testing.T) {
	s, err := New(net.IPv4(127, 0, 0, 1), cluster(t))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Run(t.Context()) }()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	get := func(token, path string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d%s", s.Port(), path), nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		for range 100 {
			resp, err := client.Do(req)
			if err == nil {
				defer resp.Body.Close()
				b, _ := io.ReadAll(resp.Body)
				return resp.StatusCode, string(b)
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatal("the server does not answer")
		return 0, ""
	}
	const group = "/apis/metrics.k8s.io/v1beta1"
	for _, c := range []struct {
		token, path string
		code        int
		wants       []string
	}{
		{"good", group, 200, []string{`"kind":"APIResourceList"`, `"name":"nodes"`, `"name":"pods"`}},
		{"good", group + "/nodes", 200, []string{`"name":"bench"`, `"labels":{"a":"b"}`, `"timestamp":"2026-01-02T03:04:05Z"`, `"window":"15s"`, `"usage":{"cpu":"250m","memory":"1Gi"}`}},
		{"good", group + "/nodes/bench", 200, []string{`"kind":"NodeMetrics"`}},
		{"good", group + "/nodes/other", 404, []string{"it is not there"}},
		{"good", group + "/namespaces/shop/pods/none", 404, []string{"it is not there"}},
		{"bad", group + "/nodes", 403, []string{"forbidden"}},
		{"", group + "/nodes", 403, []string{"forbidden"}},
		{"good", "/openapi/v3/apis/metrics.k8s.io/v1beta1", 200, []string{"PodMetrics"}},
	} {
		code, body := get(c.token, c.path)
		if code != c.code {
			t.Errorf("%s with token %q answers %d: %s", c.path, c.token, code, body)
		}
		compact := strings.NewReplacer("\n", "", " ", "").Replace(body)
		for _, want := range c.wants {
			if !strings.Contains(compact, strings.ReplaceAll(want, " ", "")) {
				t.Errorf("%s lacks %s: %s", c.path, want, body)
			}
		}
	}

	// One pod was measured, one has a container that was not, and one has the
	// first's name in another namespace.
	var pods struct {
		Items []struct {
			Metadata struct {
				Name   string            `json:"name"`
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
			Timestamp  string `json:"timestamp"`
			Containers []struct {
				Name  string            `json:"name"`
				Usage map[string]string `json:"usage"`
			} `json:"containers"`
		} `json:"items"`
	}
	_, body := get("good", group+"/namespaces/shop/pods")
	if err := json.Unmarshal([]byte(body), &pods); err != nil || len(pods.Items) != 1 {
		t.Fatalf("the pods are %s (%v)", body, err)
	}
	p := pods.Items[0]
	if p.Metadata.Name != "db-0" || p.Metadata.Labels["app"] != "db" || p.Timestamp != "2026-01-02T03:04:01Z" || len(p.Containers) != 2 ||
		p.Containers[0].Name != "main" || p.Containers[0].Usage["cpu"] != "2m" || p.Containers[1].Usage["memory"] != "1Mi" {
		t.Errorf("the pod is %+v", p)
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	_, err := New(net.IPv4(127, 0, 0, 1), filepath.Join(t.TempDir(), "none"))
	if err == nil || !strings.Contains(err.Error(), "read kubeconfig") {
		t.Errorf("without a kubeconfig: %v", err)
	}
	_, err = New(net.IPv4(192, 0, 2, 1), cluster(t))
	if err == nil || !strings.Contains(err.Error(), "listen for resource metrics: listen tcp 192.0.2.1:0") {
		t.Errorf("without an address: %v", err)
	}
}
