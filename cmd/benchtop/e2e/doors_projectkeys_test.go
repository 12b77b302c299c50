//go:build e2e

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	miniogo "github.com/minio/minio-go/v7"
)

// signIn returns the session of a browser on the LAN.
func (s *story) signIn(t *testing.T, name, password string) *http.Cookie {
	t.Helper()
	const login = "http://appliance:8080/login"
	r, err := s.Host.HTTPFromLAN().Get(login)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	token := regexp.MustCompile(`name="csrf" value="([^"]*)"`).FindSubmatch(page)
	if err != nil || token == nil || len(r.Cookies()) != 1 {
		t.Fatalf("no form: %v %s", err, page)
	}
	form := url.Values{"name": {name}, "password": {password}, "csrf": {string(token[1])}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, login, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.AddCookie(r.Cookies()[0])
	client := *s.Host.HTTPFromLAN()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if r, err = client.Do(req); err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	for _, c := range r.Cookies() {
		if strings.HasSuffix(c.Name, "benchtop_session") && c.Value != "" {
			return c
		}
	}
	t.Fatalf("%s does not sign in: %s", name, r.Status)
	return nil
}

// projectKeys gives keys of the project iris to stock clients and takes them away.
func (s *story) projectKeys(t *testing.T) {
	base := "http://" + s.Host.Address().String()
	s.refuses(t, []string{`there is no project "irsi": expected one of iris`}, "keys", "create", "ivy", "--role", "trainer", "--project", "irsi")
	s.refuses(t, []string{"role admin is for the whole lab", "or choose role editor"}, "keys", "create", "ivy", "--role", "admin", "--project", "iris")
	s.refuses(t, []string{"bucket mlflow holds the artifacts of all projects"}, "keys", "create", "ivy", "--role", "reader", "--project", "iris", "--bucket", "mlflow:ro")
	ivy := s.createKey(t, "ivy", "--role", "editor", "--project", "iris", "--bucket", "doors-iris:rw")
	all := s.createKey(t, "olga", "--role", "editor")
	admin, err := s.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		root, err := s.ObjectStore(admin.S3.Access, admin.S3.Secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := root.RemoveBucketWithOptions(t.Context(), "doors-iris", miniogo.RemoveBucketOptions{ForceDelete: true}); err != nil {
			t.Error(err)
		}
		s.benchtop(t, "keys", "revoke", "olga")
	}()
	if listed := strings.Join(strings.Fields(s.benchtop(t, "keys")), " "); !strings.Contains(listed, "ivy editor iris doors-iris:rw") || !strings.Contains(listed, "project-iris trainer iris datasets/iris/:ro") {
		t.Errorf("keys list: %s", listed)
	}
	client := *s.Host.HTTPFromLAN()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	send := func(method, url, body string, as func(*http.Request)) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		as(req)
		r, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer r.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(r.Body, 4<<20))
		return r.StatusCode, string(said)
	}
	bearer := func(k accessKey) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+k.Token) }
	}
	var made struct {
		Run struct {
			Info struct {
				RunID string `json:"run_id"`
			} `json:"info"`
		} `json:"run"`
	}
	if status, said := send("POST", base+":5000/api/2.0/mlflow/runs/create", `{"experiment_id": "0"}`, bearer(all)); status != 200 || json.Unmarshal([]byte(said), &made) != nil {
		t.Fatalf("a run elsewhere: %d %s", status, said)
	}
	foreign := made.Run.Info.RunID

	python := func(set string) string { return filepath.Join(venv(t, set), "bin", "python") }
	env := []string{"MLFLOW_TRACKING_URI=" + base + ":5000", "MLFLOW_TRACKING_USERNAME=ivy", "MLFLOW_TRACKING_PASSWORD=" + ivy.Token, "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD=true",
		"MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE=10485760", "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE=5242880", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false"}
	if out, err := s.onLAN(t, env, python("mlflow3"), "testdata/keys_project.py", foreign, t.TempDir()); err != nil {
		t.Errorf("MLflow's client: %v\n%s", err, out)
	}
	if out, err := s.onLAN(t, nil, python("s3"), "testdata/keys_project_s3.py", base+":9000", "ivy", ivy.Token); err != nil {
		t.Errorf("boto3: %v\n%s", err, out)
	}

	// The API and the pages: the project, and nothing of the lab.
	session := s.signIn(t, "ivy", ivy.Token)
	cookie := func(r *http.Request) { r.AddCookie(session) }
	var secrets []string
	for _, line := range regexp.MustCompile(`"[^"]{12,}"`).FindAllString(s.sh(t, "cat /var/lib/benchtop/secrets/secrets.json"), -1) {
		secrets = append(secrets, strings.Trim(line, `"`))
	}
	if len(secrets) < 4 {
		t.Errorf("only %d secrets to look for", len(secrets))
	}
	for _, c := range []struct {
		method, path string
		as           func(*http.Request)
		status       int
		text         string
	}{
		{"GET", ":8080/api/status", bearer(ivy), 200, `"name": "iris"`},
		{"GET", ":8080/api/projects/iris", bearer(ivy), 200, `"iris"`},
		{"GET", ":8080/api/deployments/iris/revisions", bearer(ivy), 200, "revisions"},
		{"POST", ":8080/api/projects/wine/train", bearer(ivy), 403, "is limited to project iris"},
		{"POST", ":8080/api/deployments/wine/rollback", bearer(ivy), 403, "is limited to project iris"},
		{"GET", ":8080/prometheus/api/v1/query?query=up", bearer(ivy), 403, "is limited to project iris"},
		{"POST", ":8080/api/registry/gc", bearer(ivy), 404, ""},
		{"POST", ":5000/api/registry/gc", bearer(ivy), 403, "is limited to project iris"},
		{"GET", ":5000/api/2.0/mlflow/webhooks", bearer(ivy), 403, "is limited to project iris"},
		{"GET", ":8080/api/2.0/mlflow/runs/get?run_id=" + foreign, bearer(ivy), 403, "is limited to project iris"},
		{"GET", ":8080/", cookie, 200, "iris"},
		{"GET", ":8080/runs/" + foreign, cookie, 403, "is limited to project iris"},
		{"GET", ":8080/system", cookie, 403, "is limited to project iris"},
		{"GET", ":8080/system/pods", cookie, 403, "is limited to project iris"},
		{"GET", ":8080/logs/pods/kube-system/x", cookie, 403, "is limited to project iris"},
		{"GET", ":8080/access", cookie, 403, ""},
	} {
		status, said := send(c.method, base+c.path, "", c.as)
		if status != c.status || !strings.Contains(said, c.text) {
			t.Errorf("%s %s: %d %.300s, want %d %q", c.method, c.path, status, said, c.status, c.text)
		}
		for _, secret := range secrets {
			if strings.Contains(said, secret) {
				t.Errorf("%s %s answers with a secret of the appliance", c.method, c.path)
			}
		}
		if strings.Contains(said, `"units"`) {
			t.Errorf("%s %s tells of the units", c.method, c.path)
		}
	}

	// Revoked: the next request is refused at every door.
	doors := map[string]func() int{
		"API": func() int { status, _ := send("GET", base+":8080/api/projects", "", bearer(ivy)); return status },
		"MLflow": func() int {
			status, _ := send("GET", base+":5000/api/2.0/mlflow/experiments/search", "", bearer(ivy))
			return status
		},
		"pages": func() int { status, _ := send("GET", base+":8080/projects", "", cookie); return status },
		"S3": func() int {
			c, err := s.ObjectStore("ivy", ivy.Token)
			if err != nil {
				return 0
			}
			if _, err = c.StatObject(t.Context(), "doors-iris", "a/b.txt", miniogo.StatObjectOptions{}); err == nil {
				return 200
			}
			return miniogo.ToErrorResponse(err).StatusCode
		},
	}
	for name, ask := range doors {
		if status := ask(); status != 200 {
			t.Errorf("%s answers %d before the key is revoked", name, status)
		}
	}
	s.benchtop(t, "keys", "revoke", "ivy")
	acknowledged := time.Now()
	for name, ask := range doors {
		if status := ask(); status != 401 && status != 403 && !(name == "pages" && status == 303) {
			t.Errorf("%s answers %d %s after the key was revoked", name, status, time.Since(acknowledged))
		}
	}
	if _, said := send("POST", base+":5000/api/2.0/mlflow/runs/delete", `{"run_id": "`+foreign+`"}`, bearer(all)); strings.Contains(said, "error") {
		t.Error(said)
	}
}
