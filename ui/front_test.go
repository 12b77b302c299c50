package ui_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/ports"
	"github.com/benchtop-lab/benchtop/ui/uitest"
)

// TestFrontPage asks what the ingress passes on: any address, below /front.
func TestFrontPage(t *testing.T) {
	l := start(t, uitest.Full(atNoon))
	at := []string{"Accept", "text/html,application/xhtml+xml", "Host", "lab.example"}
	resp, body := l.get("/front/", at...)
	port := l.url[strings.LastIndex(l.url, ":"):]
	l.expect(resp, body, 200, "A lab runs on this machine", `href="http://lab.example`+port+`/"`,
		"curl &#39;http://lab.example/models/iris/predict?x=5.1,3.5,1.4,0.2&#39;", `href="http://lab.example/models/iris/predict?x=5.1,3.5,1.4,0.2"`)
	if len(resp.Cookies()) != 0 || resp.Header.Get("Cache-Control") != "no-store" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("headers %v", resp.Header)
	}
	resp, body = l.get("/front", at...)
	l.expect(resp, body, 200)
	resp, body = l.get("/front/models/wine/<b>", at...)
	l.expect(resp, body, 404, "Nothing answers at <code>/models/wine/&lt;b&gt;</code>", "/models/iris/predict?x=")
	resp, body = l.get("/front/assets/style-TEST.css")
	l.expect(resp, body, 200)

	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		resp, body = l.do(l.client, method, "/front/x", nil, "Host", "lab.example:80", "Sec-Fetch-Site", "cross-site", "Origin", "https://a.example")
		l.expect(resp, body, 404, "There is nothing at /x on this lab's ingress. The web UI is at http://lab.example"+port+"/; iris answers at http://lab.example/models/iris/predict?x=5.1,3.5,1.4,0.2")
		if resp.Header.Get("Content-Type") != "text/plain; charset=UTF-8" {
			t.Errorf("type %s", resp.Header.Get("Content-Type"))
		}
	}
	resp, body = l.get("/front/", "Accept", "*/*")
	l.expect(resp, body, 404, "There is nothing at / on")
	resp, body = l.get("/front/x", "Accept", "application/json")
	l.expectJSON(resp, body, 404, "ENDPOINT_NOT_FOUND", "There is nothing at /x")
	resp, body = l.do(l.client, "HEAD", "/front/x", nil, at...)
	l.expect(resp, body, 404)
}

// TestFrontPageIsNoWayIn: no address below leads to another page.
func TestFrontPageIsNoWayIn(t *testing.T) {
	l := start(t, uitest.Full(atNoon)).asAdmin()
	_, runs := l.get("/runs")
	token := csrfField.FindStringSubmatch(runs)[1]
	for _, path := range []string{"/front/login", "/front/../runs", "/front/%2e%2e/runs", "/front/..%2fruns", "/front//runs", "/front/front/runs", "/front/api/status",
		"/front/healthz", "/front/assets/../runs", "/front/assets/..%2f..%2fruns"} {
		for _, method := range []string{"GET", "POST"} {
			resp, body := l.do(l.client, method, path, url.Values{"csrf": {token}}, "Accept", "text/html")
			if resp.StatusCode != 404 || strings.Contains(body, "Sign out") || len(resp.Cookies()) != 0 {
				t.Errorf("%s %s: %s %s", method, path, resp.Status, body)
			}
		}
	}
}

func TestFrontPageWithAPublicAddress(t *testing.T) {
	w := uitest.Empty(atNoon)
	l := start(t, w, func(c *ui.Config) { c.PublicURL, _ = url.Parse("https://lab.example"); c.IngressPort = 8081 })
	resp, body := l.get("/front/", "Accept", "text/html", "Host", "[2001:db8::1]:8081")
	l.expect(resp, body, 200, `href="https://lab.example/"`, "No model is served yet.")
	w.Change(func() {
		w.Deployments = []mlops.Deployment{{Name: "iris", Path: "/models/iris", FeatureNames: []string{"a"}}}
	})
	w.Clock = func() time.Time { return noon.Add(time.Hour) }
	l = start(t, w, func(c *ui.Config) { c.IngressPort = 8081 })
	resp, body = l.get("/front/", "Accept", "text/html", "Host", "[2001:db8::1]:8081")
	l.expect(resp, body, 200, "It serves no model yet.", "http://[2001:db8::1]:8081/models/iris/predict?x=0")
	w.Down["loop"] = uitest.Starting("The loop")
	l = start(t, w)
	resp, body = l.get("/front/", "Accept", "text/html")
	l.expect(resp, body, 200, "Starting…")
}

// counting counts how often the deployments are looked up.
type counting struct {
	ports.Loop
	asked *atomic.Int32
}

func (p counting) Deployments(ctx context.Context) ([]mlops.Deployment, error) {
	p.asked.Add(1)
	return p.Loop.Deployments(ctx)
}

// TestStrangersCostLittle: the front page asks the cluster now and then only.
func TestStrangersCostLittle(t *testing.T) {
	var asked atomic.Int32
	c := &clock{now: noon}
	l := start(t, uitest.Full(c.Now), func(cfg *ui.Config) { cfg.Loop = counting{cfg.Loop, &asked} })
	before := asked.Load()
	for range 20 {
		l.do(&http.Client{}, http.MethodGet, "/front/x", nil)
	}
	if n := asked.Load() - before; n != 1 {
		t.Errorf("20 strangers cost %d look-ups", n)
	}
	c.forward(4 * time.Second)
	l.get("/front/x")
	if n := asked.Load() - before; n != 2 {
		t.Errorf("it looked %d times, want again after a while", n)
	}
}
