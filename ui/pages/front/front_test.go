package front_test

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
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

// TestFrontPage asks what the ingress passes on: any address, below /front.
func TestFrontPage(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon))
	at := []string{"Accept", "text/html,application/xhtml+xml", "Host", "lab.example"}
	resp, body := l.Get("/front/", at...)
	port := l.URL[strings.LastIndex(l.URL, ":"):]
	l.Expect(resp, body, 200, "A lab runs on this machine", `href="http://lab.example`+port+`/"`,
		"curl &#39;http://lab.example/models/iris/predict?x=5.1,3.5,1.4,0.2&#39;", `href="http://lab.example/models/iris/predict?x=5.1,3.5,1.4,0.2"`)
	if len(resp.Cookies()) != 0 || resp.Header.Get("Cache-Control") != "no-store" || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("headers %v", resp.Header)
	}
	resp, body = l.Get("/front", at...)
	l.Expect(resp, body, 200)
	resp, body = l.Get("/front/models/wine/<b>", at...)
	l.Expect(resp, body, 404, "Nothing answers at <code>/models/wine/&lt;b&gt;</code>", "/models/iris/predict?x=")
	resp, body = l.Get("/front/assets/style-TEST.css")
	l.Expect(resp, body, 200)

	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		resp, body = l.Do(l.Client, method, "/front/x", nil, "Host", "lab.example:80", "Sec-Fetch-Site", "cross-site", "Origin", "https://a.example")
		l.Expect(resp, body, 404, "There is nothing at /x on this lab's ingress. The web UI is at http://lab.example"+port+"/; iris answers at http://lab.example/models/iris/predict?x=5.1,3.5,1.4,0.2")
		if resp.Header.Get("Content-Type") != "text/plain; charset=UTF-8" {
			t.Errorf("type %s", resp.Header.Get("Content-Type"))
		}
	}
	resp, body = l.Get("/front/", "Accept", "*/*")
	l.Expect(resp, body, 404, "There is nothing at / on")
	resp, body = l.Get("/front/x", "Accept", "application/json")
	l.ExpectJSON(resp, body, 404, "ENDPOINT_NOT_FOUND", "There is nothing at /x")
	resp, body = l.Do(l.Client, "HEAD", "/front/x", nil, at...)
	l.Expect(resp, body, 404)
}

// TestFrontPageIsNoWayIn: no address below leads to another page.
func TestFrontPageIsNoWayIn(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	_, runs := l.Get("/runs")
	token := visit.CSRFField.FindStringSubmatch(runs)[1]
	for _, path := range []string{"/front/login", "/front/../runs", "/front/%2e%2e/runs", "/front/..%2fruns", "/front//runs", "/front/front/runs", "/front/api/status",
		"/front/healthz", "/front/assets/../runs", "/front/assets/..%2f..%2fruns"} {
		for _, method := range []string{"GET", "POST"} {
			resp, body := l.Do(l.Client, method, path, url.Values{"csrf": {token}}, "Accept", "text/html")
			if resp.StatusCode != 404 || strings.Contains(body, "Sign out") || len(resp.Cookies()) != 0 {
				t.Errorf("%s %s: %s %s", method, path, resp.Status, body)
			}
		}
	}
}

func TestFrontPageWithAPublicAddress(t *testing.T) {
	w := uitest.Empty(visit.AtNoon)
	l := visit.Start(t, w, func(c *ui.Config) { c.PublicURL, _ = url.Parse("https://lab.example"); c.IngressPort = 8081 })
	resp, body := l.Get("/front/", "Accept", "text/html", "Host", "[2001:db8::1]:8081")
	l.Expect(resp, body, 200, `href="https://lab.example/"`, "No model is served yet.")
	w.Change(func() {
		w.Deployments = []mlops.Deployment{{Name: "iris", Path: "/models/iris", FeatureNames: []string{"a"}}}
	})
	w.Clock = func() time.Time { return visit.Noon.Add(time.Hour) }
	l = visit.Start(t, w, func(c *ui.Config) { c.IngressPort = 8081 })
	resp, body = l.Get("/front/", "Accept", "text/html", "Host", "[2001:db8::1]:8081")
	l.Expect(resp, body, 200, "It serves no model yet.", "http://[2001:db8::1]:8081/models/iris/predict?x=0")
	w.Down["loop"] = uitest.Starting("The loop")
	l = visit.Start(t, w)
	resp, body = l.Get("/front/", "Accept", "text/html")
	l.Expect(resp, body, 200, "Starting…")
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
	c := visit.NewClock()
	l := visit.Start(t, uitest.Full(c.Now), func(cfg *ui.Config) { cfg.Loop = counting{cfg.Loop, &asked} })
	before := asked.Load()
	for range 20 {
		l.Do(&http.Client{}, http.MethodGet, "/front/x", nil)
	}
	if n := asked.Load() - before; n != 1 {
		t.Errorf("20 strangers cost %d look-ups", n)
	}
	c.Forward(4 * time.Second)
	l.Get("/front/x")
	if n := asked.Load() - before; n != 2 {
		t.Errorf("it looked %d times, want again after a while", n)
	}
}
