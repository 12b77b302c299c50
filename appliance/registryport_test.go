package appliance

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/registry"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/ports"
	"github.com/benchtop-lab/benchtop/ui/uitest"
)

// TestModelPagesOnARealRegistry shows a model version of the real store, and
// changes its alias from the page: clients of the registry's API see it.
func TestModelPagesOnARealRegistry(t *testing.T) {
	unit := registry.NewUnit(registry.UnitConfig{Path: filepath.Join(t.TempDir(), "registry.db"), Addr: "127.0.0.1:0"})
	if _, err := openRegistry(unit); mlops.CodeOf(err) != mlops.Unavailable {
		t.Errorf("before the registry is open: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h, ready := supervise.NewHandle(io.Discard)
	done := make(chan error, 1)
	go func() { done <- unit.Run(ctx, h) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	s := unit.Store()
	run, err := s.Runs.CreateRun(ctx, runs.NewRun{Name: "by-hand", Tags: []wire.KV{{Key: "mlflow.source.git.commit", Value: "c0ffee"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Models.CreateRegisteredModel(ctx, "m", "", nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "m", Source: "s3://b/m", RunID: run.Info.RunID}); err != nil {
			t.Fatal(err)
		}
	}

	w := uitest.Empty(time.Now)
	w.Deployments = []mlops.Deployment{{Name: "m-live", Model: "m", Version: "2", Replicas: 1, Ready: 1}}
	cfg := w.Config()
	cfg.Assets, cfg.Registry = uitest.Assets(), func() (ports.Registry, error) { return openRegistry(unit) }
	server, err := ui.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server.Handler())
	defer web.Close()
	b := browser{t: t, url: web.URL}
	b.post("/login", "/login", url.Values{"name": {"admin"}, "password": {uitest.Password}}, 200)

	b.want("/models/m/versions/2", 200, "m v2", "by-hand", "c0ffee", "m-live", "Also made by this run", `href="/models/m/versions/1"`)
	b.want("/models/m", 200, "by-hand", `href="/models/m/versions/1"`)
	b.want("/models?name=M", 200, "m-live (v2)")
	b.want("/models/m/versions/3", 404, "has no version 3")
	const at = "/models/m/versions/1"
	if body := b.post(at, at+"/aliases", url.Values{"alias": {"latest"}}, 400); !strings.Contains(body, "is reserved: it always means the newest version") {
		t.Errorf("a reserved alias: %s", body)
	}
	if body := b.post(at, at+"/aliases", url.Values{"alias": {"champion"}}, 200); !strings.Contains(body, "now points at v1.") {
		t.Errorf("set: %s", body)
	}
	if v, err := s.Models.VersionByAlias(ctx, "m", "champion"); err != nil || v.Version != "1" {
		t.Errorf("a client finds %+v, %v", v, err)
	}
	if body := b.post(at, at+"/aliases/remove", url.Values{"alias": {"champion"}}, 200); !strings.Contains(body, "was removed; it pointed at v1.") {
		t.Errorf("removed: %s", body)
	}
	if _, err := s.Models.VersionByAlias(ctx, "m", "champion"); err == nil {
		t.Error("a client still finds the alias")
	}
}

// browser keeps cookies and follows redirects.
type browser struct {
	t      *testing.T
	url    string
	client *http.Client
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]*)"`)

func (b *browser) answer(resp *http.Response, err error) (int, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	if b.client == nil {
		jar, err := cookiejar.New(nil)
		if err != nil {
			b.t.Fatal(err)
		}
		b.client = &http.Client{Jar: jar, Timeout: 20 * time.Second}
	}
	return b.answer(b.client.Get(b.url + path))
}

func (b *browser) want(path string, status int, texts ...string) {
	b.t.Helper()
	got, body := b.get(path)
	if got != status {
		b.t.Errorf("%s: status %d, want %d", path, got, status)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			b.t.Errorf("%s: %q is not in %s", path, text, body)
		}
	}
}

// post sends a form with the token of the page at from, and returns the page
// that it leads to.
func (b *browser) post(from, path string, form url.Values, status int) string {
	b.t.Helper()
	_, page := b.get(from)
	token := csrfField.FindStringSubmatch(page)
	if token == nil {
		b.t.Fatalf("%s has no form: %s", from, page)
	}
	form.Set("csrf", token[1])
	got, body := b.answer(b.client.PostForm(b.url+path, form))
	if got != status {
		b.t.Errorf("%s: status %d, want %d", path, got, status)
	}
	return body
}
