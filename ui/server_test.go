package ui_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/assets/web"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/ports"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	good := func() ui.Config {
		c := uitest.Empty(visit.AtNoon).Config()
		c.Assets = uitest.Assets()
		return c
	}
	if _, err := ui.New(good()); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*ui.Config){
		"Address": func(c *ui.Config) { c.Address = "" }, "Auth": func(c *ui.Config) { c.Auth = nil }, "Sessions": func(c *ui.Config) { c.Sessions = nil },
		"Registry": func(c *ui.Config) { c.Registry = nil }, "Loop": func(c *ui.Config) { c.Loop = nil }, "Steps": func(c *ui.Config) { c.Steps = nil }, "Cluster": func(c *ui.Config) { c.Cluster = nil },
		"Metrics": func(c *ui.Config) { c.Metrics = nil }, "Machine": func(c *ui.Config) { c.Machine = nil }, "Units": func(c *ui.Config) { c.Units = nil },
		`mount "x/"`:      func(c *ui.Config) { c.Mounts = map[string]ui.Mount{"x/": {Handler: http.NotFoundHandler()}} },
		"not be the root": func(c *ui.Config) { c.Mounts = map[string]ui.Mount{"/": {Handler: http.NotFoundHandler()}} },
		"has no handler":  func(c *ui.Config) { c.Mounts = map[string]ui.Mount{"/x/": {}} },
		"style-TEST.css": func(c *ui.Config) {
			c.Assets = uitest.Assets()
			delete(c.Assets.Files.(fstest.MapFS), "style-TEST.css.gz")
		},
		"unpack icon-TEST.svg": func(c *ui.Config) {
			c.Assets = uitest.Assets()
			c.Assets.Files.(fstest.MapFS)["icon-TEST.svg.gz"].Data = []byte("not packed")
		},
	} {
		c := good()
		spoil(&c)
		if _, err := ui.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// TestNewWithoutBundle holds whether or not the bundle is built: either the
// embedded one is complete, or the error says how to build it.
func TestNewWithoutBundle(t *testing.T) {
	c := uitest.Empty(visit.AtNoon).Config()
	_, err := ui.New(c)
	_, loadErr := web.Load()
	if (err == nil) != (loadErr == nil) || err != nil && !errors.Is(err, web.ErrNotBuilt) {
		t.Errorf("New: %v, Load: %v", err, loadErr)
	}
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	c := uitest.Empty(visit.AtNoon).Config()
	c.Assets, c.Address = uitest.Assets(), taken.Addr().String()
	s, err := ui.New(c)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := supervise.NewHandle(io.Discard)
	err = s.Run(context.Background(), h)
	if mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(mlops.MessageOf(err), "another program uses that port") || !strings.Contains(mlops.MessageOf(err), c.Address) {
		t.Errorf("got %v", err)
	}
	c.Address = "not an address"
	if s, err = ui.New(c); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background(), h); err == nil {
		t.Error("an address that is none was accepted")
	}
}

func TestUnitStopsPromptlyWithOpenStreams(t *testing.T) {
	c := uitest.Full(time.Now).Config()
	c.Assets = uitest.Assets()
	s, err := ui.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name() != "web" || s.Address() != nil {
		t.Error("name or address before the start")
	}
	ctx, cancel := context.WithCancel(context.Background())
	var log bytes.Buffer // read once Run has returned
	h, ready := supervise.NewHandle(&log)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, h) }()
	<-ready
	l := &visit.Lab{T: t, URL: "http://" + s.Address().String(), Client: visit.NewBrowser(t)}
	l.AsAdmin()
	for _, path := range []string{"/live/", "/live/deployments/iris", "/logs/pods/iris/iris-7c9d8b6f54-q2x7k"} {
		next := l.Stream(path)
		next()
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if text := log.String(); strings.Contains(text, "still busy") || strings.Contains(text, "still open") {
		t.Errorf("the streams kept it waiting: %s", text)
	}
}

func TestHeadersAndCaching(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon))
	resp, _ := l.Get("/login")
	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy without %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http:") || strings.Contains(policy, "*") {
		t.Errorf("policy too wide: %s", policy)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "no-store"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	resp, body := l.Get("/assets/app-TEST.js", "Accept-Encoding", "gzip")
	l.Expect(resp, body, 200, "// a script")
	if resp.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/javascript") {
		t.Errorf("asset: %v", resp.Header)
	}
	resp, body = l.Get("/assets/app-TEST.js", "Accept-Encoding", "identity")
	l.Expect(resp, body, 200, "// a script")
	if resp.Header.Get("Content-Encoding") != "" {
		t.Error("compressed although that was not wanted")
	}
	for _, path := range []string{"/assets/manifest.json", "/assets/..%2f..%2fgo.mod", "/assets/app-OLD.js"} {
		resp, body = l.Get(path)
		l.Expect(resp, body, 404)
	}
	resp, _ = l.Get("/favicon.ico")
	if resp.Header.Get("Location") != "/assets/icon-TEST.svg" {
		t.Errorf("favicon: %s", resp.Header.Get("Location"))
	}
	l.AsAdmin()
	resp, _ = l.Get("/", "Accept-Encoding", "gzip")
	if resp.Header.Get("Content-Encoding") != "gzip" {
		t.Error("pages are not compressed")
	}
}

func TestTheme(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	_, body := l.Get("/")
	if strings.Contains(body, "data-theme=") {
		t.Error("a theme without a choice")
	}
	r, err := http.NewRequest(http.MethodGet, l.URL+"/login", nil)
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]bool{"dark": true, "light": true, `x" onload="`: false} {
		r.Header.Set("Cookie", "benchtop_theme="+value)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := bytes.Contains(raw, []byte(`data-theme="`+value)); got != want {
			t.Errorf("theme %q: %v", value, got)
		}
	}
}

func TestHealth(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w)
	resp, body := l.Get("/healthz")
	l.Expect(resp, body, 200, `{"ready":7,"status":"ready","total":7}`)
	w.Change(func() { w.Units[5].State = supervise.Failed })
	resp, body = l.Get("/healthz")
	l.Expect(resp, body, 503, `"status":"degraded"`)
	w.Change(func() { w.SetBoot(3) })
	resp, body = l.Get("/healthz")
	l.Expect(resp, body, 503, `{"ready":3,"status":"starting","total":7}`)
	w.Change(func() {
		for i := range w.Units {
			w.Units[i].State = supervise.Stopping
		}
	})
	resp, body = l.Get("/healthz")
	l.Expect(resp, body, 503, `"status":"stopping"`)
	resp, _ = l.Do(l.Client, http.MethodHead, "/healthz", nil)
	if resp.StatusCode != 503 {
		t.Error("HEAD:", resp.Status)
	}
}

func TestStatus(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/api/status")
	l.Expect(resp, body, 200, `"version": "0.1.0"`, `"state": "ready"`, `"name": "minio"`, `"memory_total_bytes": 25769803776`, `"last_training"`, `"deployments"`, `"K3s"`)
	w.Down["loop"] = uitest.Starting("The loop")
	resp, body = l.Get("/api/status")
	l.Expect(resp, body, 200, `"projects: The loop is not ready yet`, `"projects": []`)
	resp, body = l.Get("/api/nothing")
	l.Expect(resp, body, 404, `"message"`)
}

func TestErrorPages(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	l := visit.Start(t, w).AsAdmin()
	resp, body := l.Get("/runs/unknown")
	l.Expect(resp, body, 404, "Not found", "There is no run", "<nav")
	resp, body = l.Get("/trainings/x")
	l.Expect(resp, body, 404, "expected a number")
	resp, body = l.Get("/trainings/4711")
	l.Expect(resp, body, 404, "There is no training 4711.")
	resp, body = l.Get("/models/unknown")
	l.Expect(resp, body, 404, "There is no registered model")
	resp, body = l.Get("/deployments/unknown")
	l.Expect(resp, body, 404, "There is no deployment")
	resp, body = l.Get("/system/pods/iris/unknown")
	l.Expect(resp, body, 404, "it may have been replaced")
	resp, body = l.Do(l.Client, http.MethodDelete, "/runs", nil)
	l.Expect(resp, body, 404)
	resp, body = l.Do(l.Client, http.MethodPost, "/login", url.Values{"name": {strings.Repeat("x", 2<<20)}})
	l.Expect(resp, body, 413, "The request is too large: at most 1 MB is expected here.")
	resp, body = l.Get("/runs/unknown", "Accept", "application/json")
	l.Expect(resp, body, 404, `"error_code":"RESOURCE_DOES_NOT_EXIST"`)

	w.Down["registry"] = errors.New("sqlite: the secret cause")
	resp, body = l.Get("/runs/x")
	l.Expect(resp, body, 500, "Something went wrong", "internal error: see the log")
	if strings.Contains(body, "secret cause") {
		t.Error("the page shows the cause")
	}
	if !strings.Contains(l.Log.String(), "secret cause") {
		t.Error("the log lacks the cause:", l.Log.String())
	}
}

// panicking is a port that can break.
type panicking struct {
	ports.Loop
	broken *atomic.Bool
}

func (p panicking) Deployments(ctx context.Context) ([]mlops.Deployment, error) {
	if p.broken.Load() {
		panic("the port broke")
	}
	return p.Loop.Deployments(ctx)
}

func TestPanicIsAnErrorPage(t *testing.T) {
	var broken atomic.Bool
	l := visit.Start(t, uitest.Full(visit.AtNoon), func(c *ui.Config) { c.Loop = panicking{c.Loop, &broken} }).AsAdmin()
	broken.Store(true)
	resp, body := l.Get("/deployments/iris")
	l.Expect(resp, body, 500, "Something went wrong")
	if !strings.Contains(l.Log.String(), "the port broke") {
		t.Error("the log lacks the panic")
	}
	// The overview reads its ports in goroutines; those must not end us either.
	resp, body = l.Get("/")
	l.Expect(resp, body, 500)
	resp, body = l.Get("/runs")
	l.Expect(resp, body, 200)
}

func TestTLS(t *testing.T) {
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	defer certificates.Close()
	c := uitest.Empty(visit.AtNoon).Config()
	c.Assets, c.TLS = uitest.Assets(), &tls.Config{Certificates: certificates.TLS.Certificates}
	s, err := ui.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h, ready := supervise.NewHandle(io.Discard)
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, h) }()
	<-ready
	client := certificates.Client()
	resp, err := client.Get("https://" + s.Address().String() + "/login")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if len(resp.Cookies()) != 1 || !resp.Cookies()[0].Secure || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("cookies %v, headers %v", resp.Cookies(), resp.Header)
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
