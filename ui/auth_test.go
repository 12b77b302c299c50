package ui_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestSignInWithPassword(t *testing.T) {
	l := visit.Start(t, uitest.Empty(visit.AtNoon))
	resp, body := l.Get("/runs?filter=a%20b")
	l.Expect(resp, body, http.StatusSeeOther)
	at := resp.Header.Get("Location")
	if at != "/login?next=%2Fruns%3Ffilter%3Da%2520b" {
		t.Fatalf("without a session the page leads to %q", at)
	}
	resp, body = l.Post(at, "/login", url.Values{"name": {"admin"}, "password": {"wrong"}, "next": {"/runs?filter=a%20b"}})
	l.Expect(resp, body, http.StatusUnauthorized, "Name or password is not right.", `value="/runs?filter=a%20b"`)

	resp, body = l.Post(at, "/login", url.Values{"name": {"admin"}, "password": {uitest.Password}, "next": {"/runs?filter=a%20b"}})
	l.Expect(resp, body, http.StatusSeeOther)
	if got := resp.Header.Get("Location"); got != "/runs?filter=a%20b" {
		t.Errorf("sign-in leads to %q", got)
	}
	var session *http.Cookie
	for _, c := range resp.Cookies() {
		if c.Name == "benchtop_session" {
			session = c
		}
	}
	if session == nil || !session.HttpOnly || session.SameSite != http.SameSiteLaxMode || session.Path != "/" || session.MaxAge <= 0 {
		t.Fatalf("session cookie %+v", session)
	}
	for _, stored := range l.World.Sessions {
		if strings.Contains(stored.Hash, session.Value) {
			t.Error("the session's id is stored")
		}
	}
	resp, body = l.Get("/")
	l.Expect(resp, body, http.StatusOK, "Overview")
	resp, _ = l.Get("/login?next=/system")
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/system" {
		t.Error("the sign-in form is shown to one who is signed in")
	}
}

func TestSignInLeadsNowhereElse(t *testing.T) {
	for _, next := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "/\tevil", "\\\\evil.example", "evil.example",
		"/%2f..//evil@example\r\nX: y", "javascript:alert(1)", "///evil.example", "/\x00", ""} {
		l := visit.Start(t, uitest.Empty(visit.AtNoon))
		resp, body := l.Post("/login", "/login", url.Values{"name": {"admin"}, "password": {uitest.Password}, "next": {next}})
		l.Expect(resp, body, http.StatusSeeOther)
		if got := resp.Header.Get("Location"); got != "/" {
			t.Errorf("next=%q leads to %q", next, got)
		}
	}
}

func TestSignInWithLink(t *testing.T) {
	w := uitest.Empty(visit.AtNoon)
	l := visit.Start(t, w)
	w.Change(func() { w.LoginTokens["once"] = true })
	resp, body := l.Get("/login?token=once&next=https://evil.example")
	l.Expect(resp, body, http.StatusSeeOther)
	if resp.Header.Get("Location") != "/" {
		t.Errorf("the link leads to %q", resp.Header.Get("Location"))
	}
	resp, body = l.Get("/")
	l.Expect(resp, body, http.StatusOK, "Overview")
	if resp, _ = l.Get("/login?token=once"); resp.StatusCode != http.StatusSeeOther {
		t.Error("opening the link again in the same browser should lead to the overview, got", resp.Status)
	}
	// Another browser cannot use it again.
	resp, body = l.Do(visit.NewBrowser(t), http.MethodGet, "/login?token=once", nil)
	l.Expect(resp, body, http.StatusUnauthorized, "already used or has expired")
	if strings.Contains(l.Log.String(), "once") {
		t.Error("the token is in the log:", l.Log.String())
	}
}

func TestSignInForPeopleOnly(t *testing.T) {
	l := visit.Start(t, uitest.Empty(visit.AtNoon))
	resp, body := l.Post("/login", "/login", url.Values{"name": {"trainer"}, "password": {"trainer"}})
	l.Expect(resp, body, http.StatusForbidden, "This account is for programs")
}

func TestSignInNeedsItsForm(t *testing.T) {
	l := visit.Start(t, uitest.Empty(visit.AtNoon))
	form := url.Values{"name": {"admin"}, "password": {uitest.Password}}
	resp, body := l.Do(l.Client, http.MethodPost, "/login", form)
	l.Expect(resp, body, http.StatusForbidden, "The form has expired")

	// A token from another browser's form is worth nothing.
	_, page := l.Do(visit.NewBrowser(t), http.MethodGet, "/login", nil)
	form.Set("csrf", visit.CSRFField.FindStringSubmatch(page)[1])
	resp, body = l.Do(l.Client, http.MethodPost, "/login", form)
	l.Expect(resp, body, http.StatusForbidden, "The form has expired")
}

func TestTooManyAttempts(t *testing.T) {
	c := visit.NewClock()
	l := visit.Start(t, uitest.Empty(c.Now))
	for range 6 {
		resp, body := l.Post("/login", "/login", url.Values{"name": {"admin"}, "password": {"wrong"}})
		l.Expect(resp, body, http.StatusUnauthorized)
	}
	resp, body := l.Post("/login", "/login", url.Values{"name": {"admin"}, "password": {uitest.Password}})
	l.Expect(resp, body, http.StatusTooManyRequests, "wait 60 seconds")
	if resp.Header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
	}
	resp, body = l.Get("/login?token=guess")
	l.Expect(resp, body, http.StatusTooManyRequests)
	resp, body = l.Do(&http.Client{}, http.MethodGet, "/api/status", nil, "Authorization", "Bearer guess")
	l.Expect(resp, body, http.StatusTooManyRequests, `"message"`)

	c.Forward(61 * time.Second)
	l.AsAdmin()
}

func TestSignOut(t *testing.T) {
	l := visit.Start(t, uitest.Empty(visit.AtNoon)).AsAdmin()
	base, err := url.Parse(l.URL)
	if err != nil {
		t.Fatal(err)
	}
	kept := l.Client.Jar.Cookies(base)
	resp, body := l.Post("/", "/logout", nil)
	l.Expect(resp, body, http.StatusSeeOther)
	// The session is over at the server too, not only forgotten by the browser.
	l.Client.Jar.SetCookies(base, kept)
	resp, body = l.Get("/")
	l.Expect(resp, body, http.StatusSeeOther)
}

func TestSessionsEnd(t *testing.T) {
	c := visit.NewClock()
	l := visit.Start(t, uitest.Empty(c.Now)).AsAdmin()
	c.Forward(6 * 24 * time.Hour)
	resp, body := l.Get("/")
	l.Expect(resp, body, http.StatusOK)
	c.Forward(25 * time.Hour)
	resp, body = l.Get("/")
	l.Expect(resp, body, http.StatusSeeOther)
	resp, body = l.Get("/live/")
	l.Expect(resp, body, http.StatusUnauthorized, "Your session has ended")
	resp, body = l.Get("/session")
	l.Expect(resp, body, http.StatusUnauthorized)
}

func TestChangesNeedTokenAndRole(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	resp, body := l.Do(l.Client, http.MethodPost, "/projects/iris/train", url.Values{})
	l.Expect(resp, body, http.StatusForbidden, "The form has expired")
	resp, body = l.Do(l.Client, http.MethodPost, "/projects/iris/train", url.Values{"csrf": {"AAAA"}})
	l.Expect(resp, body, http.StatusForbidden, "The form has expired")
	resp, body = l.Do(l.Client, http.MethodPost, "/logout", url.Values{})
	l.Expect(resp, body, http.StatusForbidden, "The form has expired")

	_, page := l.Get("/runs")
	token := visit.CSRFField.FindStringSubmatch(page)[1]
	resp, body = l.Do(l.Client, http.MethodPost, "/projects/iris/train", url.Values{"csrf": {token}}, "Sec-Fetch-Site", "cross-site")
	l.Expect(resp, body, http.StatusForbidden, "came from another site")
	resp, body = l.Do(l.Client, http.MethodPost, "/projects/iris/train", url.Values{"csrf": {token}}, "Origin", "https://evil.example")
	l.Expect(resp, body, http.StatusForbidden, "came from another site")

	guest := visit.Start(t, uitest.Full(visit.AtNoon)).SignIn("guest", "guest")
	resp, body = guest.Post("/runs", "/projects/iris/train", nil)
	guest.Expect(resp, body, http.StatusForbidden, "guest may not do this: its role is reader. It takes role editor or admin.")
}

func TestCredentialsOfPrograms(t *testing.T) {
	w := uitest.Full(visit.AtNoon)
	w.Passwords["nobody:nobody"] = mlops.Principal{Name: "nobody", Role: "none"}
	w.Tokens["good-token"] = mlops.Principal{Name: "ci", Role: mlops.RoleReader}
	l := visit.Start(t, w)
	plain := &http.Client{}
	for _, c := range []struct {
		name, authorization string
		status              int
		text                string
	}{
		{"none", "", 401, "Credentials are required"},
		{"wrong password", "Basic YWRtaW46d3Jvbmc=", 401, "These credentials are not right."},
		{"trainer", "Basic dHJhaW5lcjp0cmFpbmVy", 200, `"projects"`},
		{"no role", "Basic bm9ib2R5Om5vYm9keQ==", 403, "nobody may not do this: its role is none. It takes role reader or trainer or editor or admin."},
		{"reader", "Basic Z3Vlc3Q6Z3Vlc3Q=", 200, `"projects"`},
		{"token", "Bearer good-token", 200, `"next_training"`},
		{"wrong token", "Bearer other", 401, "These credentials are not right."},
		{"other scheme", "Digest x", 401, "These credentials are not right."},
	} {
		resp, body := l.Do(plain, http.MethodGet, "/api/status", nil, "Authorization", c.authorization)
		if c.authorization == "" {
			resp, body = l.Do(plain, http.MethodGet, "/api/status", nil)
		}
		l.Expect(resp, body, c.status, c.text)
		if resp.StatusCode == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: no challenge", c.name)
		}
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: %s", c.name, resp.Header.Get("Content-Type"))
		}
	}
}

// basicAdmin are the admin's credentials as a program sends them.
var basicAdmin = "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:"+uitest.Password))

// TestProgramsGetJSON: whatever goes wrong, a program is not shown a page.
func TestProgramsGetJSON(t *testing.T) {
	breaks := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the handler broke") })
	l := visit.Start(t, uitest.Empty(visit.AtNoon), func(c *ui.Config) {
		c.Mounts = map[string]ui.Mount{"/prometheus/": {Handler: breaks, Needs: mlops.Administer}, "/version": {Handler: breaks}}
	})
	plain := &http.Client{}
	for _, c := range []struct {
		method, path, authorization string
		status                      int
		code, text                  string
	}{
		{"GET", "/api/status", "", 401, "UNAUTHENTICATED", "Credentials are required"},
		{"GET", "/prometheus/api/v1/query", "", 401, "UNAUTHENTICATED", "Credentials are required"},
		{"GET", "/prometheus", "Basic x", 401, "UNAUTHENTICATED", "These credentials are not right."},
		{"POST", "/prometheus/x", "Basic dHJhaW5lcjp0cmFpbmVy", 403, "PERMISSION_DENIED", "its role is trainer"},
		{"GET", "/api/nothing", basicAdmin, 404, "ENDPOINT_NOT_FOUND", "There is no endpoint GET /api/nothing."},
		{"POST", "/api/status", basicAdmin, 405, "BAD_REQUEST", "does not take requests of that kind"},
		{"DELETE", "/healthz", "", 405, "BAD_REQUEST", "does not take requests of that kind"},
		{"GET", "/prometheus/api/v1/query", basicAdmin, 500, "INTERNAL_ERROR", "internal error"},
		{"GET", "/version", "", 500, "INTERNAL_ERROR", "internal error"},
	} {
		for _, accept := range []string{"*/*", "text/html"} {
			resp, body := l.Do(plain, c.method, c.path, nil, "Authorization", c.authorization, "Accept", accept)
			l.ExpectJSON(resp, body, c.status, c.code, c.text)
			if c.status == 405 && resp.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s: Allow %q", c.path, resp.Header.Get("Allow"))
			}
		}
	}
}

func TestMounts(t *testing.T) {
	seen := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(name + " " + r.URL.Path)) })
	}
	l := visit.Start(t, uitest.Empty(visit.AtNoon), func(c *ui.Config) {
		c.Mounts = map[string]ui.Mount{"/api/2.0/mlflow/": {Handler: seen("registry")}, "/prometheus/": {Handler: seen("metrics"), Needs: mlops.Administer},
			"/version": {Handler: seen("registry")}}
	})
	plain := &http.Client{}
	resp, body := l.Do(plain, http.MethodPost, "/api/2.0/mlflow/runs/create", url.Values{})
	l.Expect(resp, body, 200, "registry /api/2.0/mlflow/runs/create")
	for _, site := range []string{"same-site", "cross-site"} {
		// The registry knows itself what is forged; the metrics are only read.
		resp, body = l.Do(plain, http.MethodPost, "/api/2.0/mlflow/runs/create", url.Values{}, "Sec-Fetch-Site", site)
		l.Expect(resp, body, 200)
		resp, body = l.Do(plain, http.MethodPost, "/prometheus/api/v1/query", url.Values{}, "Sec-Fetch-Site", site, "Authorization", basicAdmin)
		l.Expect(resp, body, 200, "metrics /prometheus/api/v1/query")
	}
	resp, body = l.Do(plain, http.MethodGet, "/prometheus/api/v1/query", nil)
	l.ExpectJSON(resp, body, 401, "UNAUTHENTICATED", "Credentials are required")
	resp, body = l.Do(plain, http.MethodGet, "/prometheus/api/v1/query", nil, "Authorization", "Basic Z3Vlc3Q6Z3Vlc3Q=")
	l.ExpectJSON(resp, body, 403, "PERMISSION_DENIED", "guest may not do this")
	l.AsAdmin()
	resp, body = l.Get("/prometheus/api/v1/query")
	l.Expect(resp, body, 200, "metrics /prometheus/api/v1/query")
	resp, body = l.Get("/prometheus")
	l.Expect(resp, body, 200, "metrics /prometheus")
	resp, body = l.Do(plain, http.MethodGet, "/version", nil)
	l.Expect(resp, body, 200, "registry /version")
	resp, body = l.Get("/version/more")
	l.Expect(resp, body, 404)
}

// TestMetricsOfRooms: the key of a guided lab's room reads the metrics of the
// whole lab, and nothing else that is about it.
func TestMetricsOfRooms(t *testing.T) {
	w := uitest.Empty(visit.AtNoon)
	w.Passwords["room:room"] = mlops.Principal{Name: "room", Role: mlops.RoleEditor, Projects: []string{"lab-volumes"}, Metrics: true}
	l := visit.Start(t, w, func(c *ui.Config) {
		answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("answer")) })
		c.Mounts = map[string]ui.Mount{"/prometheus/": {Handler: answers, Needs: mlops.Read, Metrics: true}, "/whole/": {Handler: answers, Needs: mlops.Read}}
	})
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("room:room"))
	resp, body := l.Do(&http.Client{}, http.MethodGet, "/prometheus/api/v1/query", nil, "Authorization", basic)
	l.Expect(resp, body, 200, "answer")
	resp, body = l.Do(&http.Client{}, http.MethodGet, "/whole/", nil, "Authorization", basic)
	l.ExpectJSON(resp, body, 403, "PERMISSION_DENIED", "this is about the whole lab")
}

func TestStrangersSeeNothing(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon))
	for _, path := range []string{"/", "/runs", "/models/iris", "/deployments/iris/predict", "/system", "/no/such/page", "/runs/x/download?path=a", "/runs/x/artifacts"} {
		resp, body := l.Get(path)
		l.Expect(resp, body, http.StatusSeeOther)
		if !strings.HasPrefix(strings.TrimPrefix(resp.Header.Get("Location"), "/"), "login") || strings.Contains(body, "iris") {
			t.Errorf("%s: %s %s", path, resp.Header.Get("Location"), body)
		}
	}
	for _, path := range []string{"/live/", "/live/runs", "/logs/pods/iris/x", "/session"} {
		resp, body := l.Get(path)
		l.Expect(resp, body, http.StatusUnauthorized)
	}
	resp, body := l.Do(l.Client, http.MethodPost, "/projects/iris/train", url.Values{})
	l.Expect(resp, body, http.StatusUnauthorized)
	resp, body = l.Get("/runs", "HX-Request", "true")
	l.Expect(resp, body, http.StatusUnauthorized)
}
