//go:build e2e

package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	miniogo "github.com/minio/minio-go/v7"
)

func (s *story) credentialsNeeded(t *testing.T) {
	client := s.Host.HTTPFromLAN()
	for i, url := range []string{
		"http://appliance:8080/api/status",
		"http://appliance:5000/api/2.0/mlflow/experiments/search?max_results=5",
		"http://appliance:8080/api/2.0/mlflow/experiments/search",
		"http://appliance:8080/prometheus/api/v1/query?query=up",
		"http://appliance:5000/api/2.0/mlflow-artifacts/artifacts",
	} {
		logins := [][2]string{{}}
		if i < 2 { // more would only find out that guessing is slowed down
			logins = append(logins, [2]string{"admin", "admin"}, [2]string{"admin", ""})
		}
		for _, login := range logins {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if login[0] != "" {
				req.SetBasicAuth(login[0], login[1])
			}
			r, err := client.Do(req)
			if err != nil {
				t.Errorf("%s: %v", url, err)
				continue
			}
			body, _ := io.ReadAll(r.Body)
			_ = r.Body.Close()
			if r.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s as %q answers %s, want 401: %.200s", url, login, r.Status, body)
			}
		}
	}
	// Where MLflow's clients ask before they have credentials.
	for _, port := range []string{"8080", "5000"} {
		for _, path := range []string{"/health", "/version", "/api/3.0/mlflow/server-info"} {
			r, err := client.Get("http://appliance:" + port + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Body.Close()
			if r.StatusCode != http.StatusOK {
				t.Errorf("%s on port %s answers %s", path, port, r.Status)
			}
		}
	}
	r, err := client.Get("http://appliance:8080/")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "login" {
		t.Errorf("the UI answers %s to %s, want 303 to login", r.Status, r.Header.Get("Location"))
	}
	for _, key := range [][2]string{{"", ""}, {"minioadmin", "minioadmin"}, {"admin", "password"}} {
		c, err := s.ObjectStore(key[0], key[1])
		if err != nil {
			t.Fatal(err)
		}
		for o := range c.ListObjects(t.Context(), "datasets", miniogo.ListObjectsOptions{Recursive: true}) {
			if o.Err == nil {
				t.Errorf("S3 lists object %s for %q", o.Key, key)
			}
		}
		if buckets, err := c.ListBuckets(t.Context()); err == nil {
			t.Errorf("S3 lists buckets %v for %q", buckets, key)
		}
	}
}

// rootKeys are the secrets that must stay in the process.
func (s *story) rootKeys(t *testing.T) []string {
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(admin.S3.Secret) < 20 || len(admin.Password) < 12 {
		t.Fatalf("the root secret has %d characters and the password %d: too short to mean anything", len(admin.S3.Secret), len(admin.Password))
	}
	return []string{admin.S3.Access, admin.S3.Secret, admin.Password, admin.Token}
}

func (s *story) secretsStay(t *testing.T) {
	if loose := s.sh(t, "find /var/lib/benchtop/secrets -type f ! -perm 0600; find /var/lib/benchtop/secrets -type d ! -perm 0700; find /var/lib/benchtop/secrets ! -user root"); loose != "" {
		t.Errorf("secrets that others may read:\n%s", loose)
	}
	objects := s.benchtop(t, "kubectl", "get", "pods,secrets,configmaps,deployments,cronjobs", "-A", "-o", "json")
	// Every process of the machine, every pod among them.
	processes := s.sh(t, "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'")
	for i, key := range s.rootKeys(t) {
		for _, form := range []string{key, base64.StdEncoding.EncodeToString([]byte(key))} {
			if strings.Contains(objects, form) {
				t.Errorf("root secret %d lies in a Kubernetes object", i)
			}
			if strings.Contains(processes, form) {
				t.Errorf("root secret %d lies in a process' environment or arguments", i)
			}
		}
	}
	log := s.sh(t, "cat /var/lib/benchtop/log/*")
	for i, key := range s.rootKeys(t) {
		if strings.Contains(log, key) {
			t.Errorf("root secret %d lies in the log", i)
		}
	}
	// The trainer's own key reaches what it needs and nothing more.
	var secret struct {
		Data map[string][]byte `json:"data"`
	}
	if err := json.Unmarshal([]byte(s.benchtop(t, "kubectl", "get", "secret", "-n", "iris", "iris-trainer", "-o", "json")), &secret); err != nil {
		t.Fatal(err)
	}
	c, err := s.ObjectStore(string(secret.Data["AWS_ACCESS_KEY_ID"]), string(secret.Data["AWS_SECRET_ACCESS_KEY"]))
	if err != nil {
		t.Fatal(err)
	}
	status, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var loop []struct{ Dataset string }
	if err := json.Unmarshal(status.Loop, &loop); err != nil || len(loop) != 1 {
		t.Fatalf("the loop in the status is %s: %v", status.Loop, err)
	}
	o, err := c.GetObject(t.Context(), "datasets", "iris/"+loop[0].Dataset+".csv", miniogo.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, o); err != nil {
		t.Errorf("the trainer's key does not read its dataset: %v", err)
	} else if got := hex.EncodeToString(sum.Sum(nil)); got != loop[0].Dataset {
		t.Errorf("the dataset has digest %s, and is called %s", got, loop[0].Dataset)
	}
	for bucket, prefix := range map[string]string{"datasets": "wine/", "mlflow": ""} {
		for o := range c.ListObjects(t.Context(), bucket, miniogo.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
			if o.Err == nil {
				t.Errorf("the trainer's key sees %s in bucket %s", o.Key, bucket)
			}
		}
	}
	if _, err := c.PutObject(t.Context(), "datasets", "iris/forged.csv", strings.NewReader("x"), 1, miniogo.PutObjectOptions{}); err == nil {
		t.Error("the trainer's key may write datasets")
	}
	if err := c.MakeBucket(t.Context(), "mine", miniogo.MakeBucketOptions{}); err == nil {
		t.Error("the trainer's key may make buckets")
	}
}

// podList is as much of `kubectl get pods -o json` as these checks read.
type podList struct {
	Items []struct {
		Metadata struct{ Namespace, Name string }
		Spec     struct {
			HostNetwork, HostPID bool
			SecurityContext      securityContext
			Containers           []struct {
				Name            string
				Image           string
				SecurityContext securityContext
				Resources       struct{ Requests, Limits map[string]string }
				Ports           []any
				ReadinessProbe  any
				LivenessProbe   any
			}
			RestartPolicy string
		}
	}
}

type securityContext struct {
	RunAsNonRoot             *bool
	RunAsUser                *int64
	Privileged               *bool
	AllowPrivilegeEscalation *bool
	ReadOnlyRootFilesystem   *bool
	SeccompProfile           *struct{ Type string }
}

func (s *story) podsConfined(t *testing.T) {
	var pods podList
	if err := json.Unmarshal([]byte(s.benchtop(t, "kubectl", "get", "pods", "-A", "-o", "json")), &pods); err != nil {
		t.Fatal(err)
	}
	isTrue := func(b ...*bool) bool {
		for _, p := range b {
			if p != nil {
				return *p
			}
		}
		return false
	}
	seen := 0
	for _, p := range pods.Items {
		for _, c := range p.Spec.Containers {
			seen++
			complain := func(format string, args ...any) {
				t.Helper()
				t.Errorf("pod %s/%s, container %s: %s", p.Metadata.Namespace, p.Metadata.Name, c.Name, fmt.Sprintf(format, args...))
			}
			pod, own := p.Spec.SecurityContext, c.SecurityContext
			if !isTrue(own.RunAsNonRoot, pod.RunAsNonRoot) {
				complain("may run as root")
			}
			profile := own.SeccompProfile
			if profile == nil {
				profile = pod.SeccompProfile
			}
			if profile == nil || profile.Type != "RuntimeDefault" {
				complain("has no RuntimeDefault seccomp profile")
			}
			if isTrue(own.Privileged) || own.AllowPrivilegeEscalation == nil || *own.AllowPrivilegeEscalation {
				complain("may gain privileges")
			}
			if !isTrue(own.ReadOnlyRootFilesystem) {
				complain("may write its root file system")
			}
			if p.Spec.HostNetwork || p.Spec.HostPID {
				complain("shares the machine's network or processes")
			}
			if c.Resources.Requests["memory"] == "" || c.Resources.Requests["cpu"] == "" || c.Resources.Limits["memory"] == "" {
				complain("has no requests and limits: %v", c.Resources)
			}
			if len(c.Ports) > 0 && (c.ReadinessProbe == nil || c.LivenessProbe == nil) {
				complain("serves, but has no probes")
			}
			if !strings.HasPrefix(c.Image, "benchtop.local/") {
				complain("image %s does not come from the binary", c.Image)
			}
		}
	}
	if seen < 3 {
		t.Errorf("saw %d containers, want DNS, the ingress and the project's", seen)
	}
	// The kernel's word, not only the pod's specification.
	got := s.benchtop(t, "kubectl", "exec", "-n", "iris", "deploy/iris", "--", "python3", "-c",
		"import os;print(os.getuid(),[l.split()[1] for l in open('/proc/1/status') if l.startswith(('Seccomp:','NoNewPrivs:','CapEff:'))])")
	if want := "10001 ['0000000000000000', '1', '2']"; got != want {
		t.Errorf("inside the server: %s, want %s (user; capabilities, no new privileges, seccomp filter)", got, want)
	}
}

func (s *story) wrongRequests(t *testing.T) {
	client := s.Host.HTTPFromLAN()
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/models/iris/predict?x=1,2,3", "", "expected 4"},
		{"GET", "/models/iris/predict?x=1,2,3,many", "", "many"},
		{"GET", "/models/iris/predict", "", "expected 4"},
		{"POST", "/models/iris/predict", `{"instances": [[1,2,3]]}`, "expected 4"},
		{"POST", "/models/iris/predict", `{"rows": 1}`, "instances"},
		{"POST", "/models/iris/predict", `not json`, "JSON"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://appliance"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		r, err := client.Do(req)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		body, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if r.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), c.want) {
			t.Errorf("%s %s %s: %s, want 400 and %q: %.300s", c.method, c.path, c.body, r.Status, c.want, body)
		}
	}
}
