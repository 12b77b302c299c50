package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

type users struct{}

func (users) Password(name, password string) (mlops.Principal, error) {
	if password != "pw" {
		return mlops.Principal{}, mlops.ErrCredentials
	}
	return mlops.Principal{Name: name, Role: mlops.Role(name)}, nil
}

func (users) Token(token string) (mlops.Principal, error) {
	switch token {
	case "tok":
		return mlops.Principal{Name: "t", Role: mlops.RoleTrainer}, nil
	case "old":
		return mlops.Principal{}, mlops.Errorf(mlops.Unauthorized, "the access key ada has expired")
	case "early":
		return mlops.Principal{}, mlops.Errorf(mlops.Unavailable, "access keys are not known yet")
	}
	return mlops.Principal{}, mlops.ErrCredentials
}

// api is a registry behind HTTP.
type api struct {
	t     testing.TB
	url   string
	store *Store
	user  string
}

func newAPI(t testing.TB, auth mlops.Authenticator, artifacts bool) *api {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(context.Background(), filepath.Join(dir, "registry.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if artifacts {
		a, err := NewDirStore(filepath.Join(dir, "artifacts"))
		if err != nil {
			t.Fatal(err)
		}
		s.Artifacts.SetArtifacts(a)
	}
	srv := httptest.NewServer(NewHandler(s, auth, nil))
	t.Cleanup(func() {
		srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &api{t, srv.URL, s, ""}
}

func (a *api) do(method, path, body string, headers ...string) (int, map[string]any, http.Header) {
	a.t.Helper()
	req, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if a.user != "" {
		req.SetBasicAuth(a.user, "pw")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	var v map[string]any
	if json.Unmarshal(b, &v) != nil {
		v = map[string]any{"text": string(b)}
	}
	return resp.StatusCode, v, resp.Header
}

func (a *api) want(status int, method, path, body string, headers ...string) map[string]any {
	a.t.Helper()
	st, v, _ := a.do(method, path, body, headers...)
	if st != status {
		a.t.Errorf("%s %s %.100s: %d %v, want %d", method, path, body, st, v, status)
	}
	return v
}

func TestCredentials(t *testing.T) {
	a := newAPI(t, users{}, true)
	const create = `{"name": "x"}`
	a.want(200, "GET", "/health", "")
	if v := a.want(200, "GET", "/version", ""); !strings.HasPrefix(v["text"].(string), "3.") {
		t.Errorf("version: %v", v)
	}
	a.want(200, "GET", "/api/3.0/mlflow/server-info", "")
	st, v, h := a.do("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", "")
	if st != 401 || !strings.HasPrefix(h.Get("WWW-Authenticate"), "Basic") || v["error_code"] != "UNAUTHENTICATED" {
		t.Errorf("without credentials: %d %v %v", st, v, h)
	}
	a.want(401, "GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", "", "Authorization", "Bearer wrong")
	a.want(200, "GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", "", "Authorization", "Bearer tok")
	for token, want := range map[string]struct {
		status int
		text   string
	}{"old": {401, "has expired"}, "early": {503, "not known yet"}, "other": {401, "MLFLOW_TRACKING_TOKEN"}} {
		if v := a.want(want.status, "GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", "", "Authorization", "Bearer "+token); !strings.Contains(fmt.Sprint(v["message"]), want.text) {
			t.Errorf("token %s: %v, want %q", token, v, want.text)
		}
	}
	a.user = "nobody"
	a.want(403, "GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", "")
	a.user = "reader"
	a.want(200, "GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", "")
	a.want(200, "POST", "/api/2.0/mlflow/runs/search", `{"experiment_ids": ["0"]}`)
	for _, c := range [][2]string{{"POST", "/api/2.0/mlflow/experiments/create"}, {"PUT", "/api/2.0/mlflow-artifacts/artifacts/a"}, {"DELETE", "/api/2.0/mlflow-artifacts/artifacts/a"},
		{"POST", "/api/2.0/mlflow-artifacts/mpu/create/a"}, {"POST", "/v1/traces"}, {"GET", "/api/2.0/mlflow/webhooks"}, {"POST", "/api/registry/gc"}} {
		if v := a.want(403, c[0], c[1], create); v["error_code"] != "PERMISSION_DENIED" {
			t.Errorf("%v: %v", c, v)
		}
	}
	for _, role := range []string{"trainer", "editor"} {
		a.user = role
		a.want(200, "POST", "/api/2.0/mlflow/experiments/create", `{"name": "`+role+`"}`)
		a.want(403, "POST", "/api/registry/gc", "")
	}
	a.user = "admin"
	a.want(200, "POST", "/api/registry/gc", "")
}

// TestForgedRequests: a page of another site must not act with a password that
// the browser remembers. A client that sends its own credentials may.
func TestForgedRequests(t *testing.T) {
	a := newAPI(t, users{}, true)
	n := 0
	try := func(status int, headers ...string) {
		t.Helper()
		n++
		v := a.want(status, "POST", "/api/2.0/mlflow/experiments/create", fmt.Sprintf(`{"name": "e%d"}`, n), headers...)
		if status == 403 && (v["error_code"] != "PERMISSION_DENIED" || !strings.Contains(fmt.Sprint(v["message"]), "came from another site")) {
			t.Errorf("%v: %v", headers, v)
		}
	}
	const json, form = "application/json", "application/x-www-form-urlencoded"
	// Without credentials nothing has changed.
	try(401, "Sec-Fetch-Site", "cross-site")
	a.user = "admin"
	for _, site := range []string{"same-site", "cross-site"} {
		// A proxy that adds the password to its own pages' requests.
		try(200, "Sec-Fetch-Site", site)
		try(200, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "cors", "Content-Type", form)
		try(200, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "cors", "Content-Type", json, "Origin", "http://grafana.example:3000")
		try(200, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "cors", "Content-Type", form, "Origin", "http://grafana.example", "Authorization", "Bearer tok")
		// A browser's requests with a password that it remembers.
		try(403, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate", "Content-Type", form, "Origin", "https://evil.example")
		try(403, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate", "Content-Type", form)
		try(403, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "no-cors", "Content-Type", "text/plain", "Origin", "null")
		try(403, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "cors", "Content-Type", "text/plain;charset=UTF-8", "Origin", "https://evil.example")
		try(403, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "cors", "Origin", "https://evil.example")
	}
	try(403, "Origin", "https://evil.example", "Content-Type", form) // an old browser
	// Only the right password makes a request anybody's own.
	a.want(401, "POST", "/api/2.0/mlflow/experiments/create", `{"name": "y"}`, "Sec-Fetch-Site", "cross-site", "Authorization", "Bearer wrong")

	alone := newAPI(t, nil, false)
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site", "Content-Type", json}, {"Origin", "https://evil.example"}} {
		v := alone.want(403, "POST", "/api/2.0/mlflow/experiments/create", `{"name": "y"}`, header...)
		if !strings.Contains(fmt.Sprint(v["message"]), "came from another site") {
			t.Errorf("without credentials: %v", v)
		}
	}
}

func TestErrors(t *testing.T) {
	a := newAPI(t, nil, false)
	req, err := http.NewRequest("GET", a.url+"/version", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "rebound.example:5000"
	if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode != 403 {
		t.Errorf("a foreign name without credentials: %v %v", resp, err)
	}
	for _, c := range []struct {
		status             int
		method, path, body string
		code, text         string
	}{
		{404, "GET", "/api/2.0/mlflow/nothing", "", "ENDPOINT_NOT_FOUND", "no endpoint"},
		{404, "GET", "/api/2.0/mlflow/../x", "", "ENDPOINT_NOT_FOUND", ""},
		{405, "GET", "/api/2.0/mlflow/runs/create", "", "BAD_REQUEST", "POST"},
		{400, "POST", "/api/2.0/mlflow/experiments/create", "{", "INVALID_PARAMETER_VALUE", "not the JSON"},
		{400, "POST", "/api/2.0/mlflow/experiments/create", "[]", "INVALID_PARAMETER_VALUE", "must be a JSON object"},
		{400, "POST", "/api/2.0/mlflow/experiments/create", "{}", "INVALID_PARAMETER_VALUE", "required parameter 'name'"},
		{400, "POST", "/api/2.0/mlflow/experiments/create", `{"name": 5}`, "INVALID_PARAMETER_VALUE", "'name': expected a string"},
		{400, "POST", "/api/2.0/mlflow/runs/search", `{"experiment_ids": ["0"], "filter": "metrics.a OR b"}`, "INVALID_PARAMETER_VALUE", "comparison operator"},
		{400, "POST", "/api/2.0/mlflow/runs/search", `{"experiment_ids": ["0"], "filter": "metrics.a/b > 1"}`, "INVALID_PARAMETER_VALUE", "must be quoted"},
		{404, "GET", "/api/2.0/mlflow/runs/get?run_id=x", "", "RESOURCE_DOES_NOT_EXIST", "no run"},
		{503, "GET", "/api/2.0/mlflow-artifacts/artifacts/a", "", "TEMPORARILY_UNAVAILABLE", "not ready yet"},
		{400, "POST", "/v1/traces", "x", "INVALID_PARAMETER_VALUE", "content type"},
	} {
		st, v, h := a.do(c.method, c.path, c.body)
		if st != c.status || v["error_code"] != c.code || !strings.Contains(fmt.Sprint(v["message"]), c.text) {
			t.Errorf("%s %s %s: %d %v, want %d %s with %q", c.method, c.path, c.body, st, v, c.status, c.code, c.text)
		}
		if st == 503 && h.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
}

func TestArtifacts(t *testing.T) {
	a := newAPI(t, nil, true)
	const base = "/api/2.0/mlflow-artifacts/artifacts"
	a.want(200, "PUT", base+"/1/r/artifacts/dir/f%20ile.html", "<script>")
	st, v, h := a.do("GET", base+"/1/r/artifacts/dir/f%20ile.html", "")
	if st != 200 || v["text"] != "<script>" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") ||
		!strings.Contains(h.Get("Content-Disposition"), "f ile.html") || !strings.HasPrefix(h.Get("Content-Type"), "text/html") || h.Get("Content-Length") != "8" {
		t.Errorf("download: %d %v %v", st, v, h)
	}
	if st, v, _ := a.do("GET", base+"/1/r/artifacts/dir/f%20ile.html", "", "Range", "bytes=1-3"); st != 206 || v["text"] != "scr" {
		t.Errorf("range: %d %v", st, v)
	}
	for _, p := range []string{"/../x", "/a/%2e%2e/x", "/a/%252e%252e/x", "/%2fetc/passwd", "/a%5c..%5cx", "/C:/x", "/a%00b", "/"} {
		if st, v, _ := a.do("PUT", base+p, "x"); st != 400 && st != 404 || v["error_code"] == "INTERNAL_ERROR" {
			t.Errorf("PUT %s: %d %v", p, st, v)
		}
	}
	v = a.want(200, "POST", "/api/2.0/mlflow/runs/create", `{"experiment_id": "0"}`)
	folder := "/0/" + v["run"].(map[string]any)["info"].(map[string]any)["run_id"].(string) + "/artifacts"
	for _, c := range [][2]string{{folder, "no file name"}, {folder + "/", "no file name"}, {folder + "/d/", "no file name"}, {folder + "/d/.", "no file name"}, {folder + "/?x.txt", "ends at a '?'"},
		{folder + "/why?", "ends at a '?'"}, {"/1/r/artifacts/dir", "a folder with files"}, {"/1/r/artifacts/dir/f%20ile.html/x", "is a file"}} {
		if v := a.want(400, "PUT", base+c[0], "x"); !strings.Contains(fmt.Sprint(v["message"]), c[1]) {
			t.Errorf("PUT %s: %v, want it to say %q", c[0], v, c[1])
		}
	}
	for _, p := range []string{folder + "/", folder + "/?x"} {
		a.want(400, "POST", "/api/2.0/mlflow-artifacts/mpu/create"+p, `{"path": "f", "num_parts": 2}`)
	}
	a.want(400, "DELETE", base+"/1/r/artifacts/dir/f%20ile.html?x", "")
	a.want(200, "PUT", base+folder+"/artifacts", "x")
	a.want(404, "GET", base+"/none", "")
	if v := a.want(501, "POST", "/api/2.0/mlflow-artifacts/mpu/create/a", `{"path": "f", "num_parts": 2}`); v["error_code"] != "NOT_IMPLEMENTED" || !strings.HasPrefix(fmt.Sprint(v["message"]), "Multipart upload is not supported for the current artifact repository") {
		t.Errorf("multipart: %v", v)
	}
	a.want(200, "DELETE", base+"/1/r/artifacts/dir", "")
	a.want(404, "GET", base+"/1/r/artifacts/dir/f%20ile.html", "")
}

// TestBigArtifactsAreStreamed moves a file of 2 GB through the server and looks
// at how much the process grows.
func TestBigArtifactsAreStreamed(t *testing.T) {
	a := newAPI(t, nil, true)
	const size = 2 << 30
	req, err := http.NewRequest("PUT", a.url+"/api/2.0/mlflow-artifacts/artifacts/big", io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = size
	residentPeak(t)
	before := residentPeak(t)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("upload: %v %v", resp, err)
	}
	resp.Body.Close()
	resp, err = http.Get(a.url + "/api/2.0/mlflow-artifacts/artifacts/big")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != size {
		t.Errorf("download: %d bytes, %v", n, err)
	}
	grown := residentPeak(t) - before
	t.Logf("%d MB more at the peak", grown>>20)
	if grown > 64<<20 {
		t.Errorf("the process grew by %d MB, want at most 64", grown>>20)
	}
}

func TestGC(t *testing.T) {
	a := newAPI(t, nil, true)
	ctx := t.Context()
	create := func(exp string) string {
		v := a.want(200, "POST", "/api/2.0/mlflow/runs/create", `{"experiment_id": "`+exp+`"}`)
		id := v["run"].(map[string]any)["info"].(map[string]any)["run_id"].(string)
		a.want(200, "PUT", "/api/2.0/mlflow-artifacts/artifacts/"+exp+"/"+id+"/artifacts/f", "12345")
		return id
	}
	kept, gone, registered := create("0"), create("0"), create("0")
	a.want(200, "POST", "/api/2.0/mlflow/registered-models/create", `{"name": "m"}`)
	a.want(200, "POST", "/api/2.0/mlflow/model-versions/create", `{"name": "m", "run_id": "`+registered+`", "source": "mlflow-artifacts:/0/`+registered+`/artifacts"}`)
	for _, id := range []string{gone, registered} {
		a.want(200, "POST", "/api/2.0/mlflow/runs/delete", `{"run_id": "`+id+`"}`)
	}
	a.want(400, "POST", "/api/registry/gc", `{"older_than": "x"}`)
	if v := a.want(200, "POST", "/api/registry/gc", `{"older_than": "1h"}`); v["runs"] != 0.0 {
		t.Errorf("what was deleted just now is gone: %v", v)
	}
	if v := a.want(200, "POST", "/api/registry/gc", ""); v["runs"] != 2.0 || v["files"] != 1.0 || v["bytes"] != 5.0 {
		t.Errorf("gc: %v", v)
	}
	if _, err := a.store.Runs.Run(ctx, kept); err != nil {
		t.Error(err)
	}
	if _, err := a.store.Runs.Run(ctx, gone); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("the deleted run: %v", err)
	}
	a.want(200, "GET", "/api/2.0/mlflow-artifacts/artifacts/0/"+kept+"/artifacts/f", "")
	a.want(404, "GET", "/api/2.0/mlflow-artifacts/artifacts/0/"+gone+"/artifacts/f", "")
	a.want(200, "GET", "/api/2.0/mlflow-artifacts/artifacts/0/"+registered+"/artifacts/f", "") // a version points at it
}

// TestRemoveOf removes what belongs to a name for good, and nothing beside it.
func TestRemoveOf(t *testing.T) {
	a := newAPI(t, nil, true)
	ctx := t.Context()
	runs := map[string]string{}
	for _, name := range []string{"lab-x", "lab-x/sweep", "lab-x.old", "lab-x-2", "lab"} {
		exp := a.want(200, "POST", "/api/2.0/mlflow/experiments/create", `{"name": "`+name+`"}`)["experiment_id"].(string)
		v := a.want(200, "POST", "/api/2.0/mlflow/runs/create", `{"experiment_id": "`+exp+`"}`)
		runs[name] = v["run"].(map[string]any)["info"].(map[string]any)["run_id"].(string)
		a.want(200, "PUT", "/api/2.0/mlflow-artifacts/artifacts/"+exp+"/"+runs[name]+"/artifacts/f", "12345")
		model := strings.ReplaceAll(name, "/", ".") // models' names have no '/'
		a.want(200, "POST", "/api/2.0/mlflow/registered-models/create", `{"name": "`+model+`"}`)
		a.want(200, "POST", "/api/2.0/mlflow/model-versions/create", `{"name": "`+model+`", "run_id": "`+runs[name]+`", "source": "mlflow-artifacts:/`+exp+`/`+runs[name]+`/artifacts"}`)
		if name == "lab-x.old" {
			a.want(200, "POST", "/api/2.0/mlflow/experiments/delete", `{"experiment_id": "`+exp+`"}`)
		}
	}
	for pass := range 2 { // it can be repeated
		n, err := a.store.Models.RemoveOf(ctx, "lab-x")
		if want := 3 * (1 - pass); err != nil || n != want {
			t.Errorf("pass %d: %d models removed, %v, want %d", pass, n, err, want)
		}
		rep, err := a.store.Artifacts.RemoveOf(ctx, "lab-x")
		if want := 3 * (1 - pass); err != nil || rep.Experiments != want || rep.Runs != want || rep.Files != want {
			t.Errorf("pass %d: %+v, %v, want %d of each", pass, rep, err, want)
		}
	}
	for name, id := range runs {
		_, err := a.store.Runs.Run(ctx, id)
		if there := name == "lab-x-2" || name == "lab"; there != (err == nil) {
			t.Errorf("the run of %s: %v", name, err)
		}
		if _, err := a.store.Models.RegisteredModel(ctx, strings.ReplaceAll(name, "/", ".")); (name == "lab-x-2" || name == "lab") != (err == nil) {
			t.Errorf("model %s: %v", name, err)
		}
	}
	a.want(200, "POST", "/api/2.0/mlflow/experiments/create", `{"name": "lab-x.old"}`) // its name is free again
}

func TestUnit(t *testing.T) {
	u := NewUnit(UnitConfig{Path: filepath.Join(t.TempDir(), "registry.db"), Addr: "127.0.0.1:0"})
	ctx, cancel := context.WithCancel(t.Context())
	h, ready := supervise.NewHandle(io.Discard)
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx, h) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("ended early: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("not ready")
	}
	a := &api{t: t, url: "http://" + u.Addr().String(), store: u.Store()}
	a.want(503, "PUT", "/api/2.0/mlflow-artifacts/artifacts/x", "y")
	objects, err := NewDirStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	u.SetArtifacts(objects)
	a.want(200, "PUT", "/api/2.0/mlflow-artifacts/artifacts/x", "y")
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("stopped with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("does not stop")
	}
	if u.Store() != nil {
		t.Error("a stopped unit gives its store away")
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	err = NewUnit(UnitConfig{Path: filepath.Join(t.TempDir(), "r.db"), Addr: busy.Addr().String()}).Run(t.Context(), h)
	if err == nil || !strings.Contains(err.Error(), "listen for MLflow clients") {
		t.Errorf("on a port in use: %v", err)
	}
}

func TestAloneNeedsLoopbackOrCredentials(t *testing.T) {
	for addr, code := range map[string]mlops.Code{":5000": mlops.Denied, "0.0.0.0:5000": mlops.Denied, "nonsense": mlops.Invalid} {
		if err := ServeAlone(t.Context(), AloneConfig{DataDir: t.TempDir(), Addr: addr}); mlops.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", addr, err, code)
		}
	}
}
