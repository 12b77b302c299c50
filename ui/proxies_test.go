package ui_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func trustLoopback(c *ui.Config) {
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16")}
}

func publicURL(at string) func(*ui.Config) {
	return func(c *ui.Config) { c.PublicURL, _ = url.Parse(at) }
}

func TestSignInBehindAProxy(t *testing.T) {
	type headers = []string
	for _, c := range []struct {
		name    string
		config  func(*ui.Config)
		origin  string
		headers headers
		status  int
		cookie  string // its name, "" if nobody is signed in
	}{
		{"host hidden", nil, "http://lab.example:8088", nil, 403, ""},
		{"host hidden, browser says same origin", nil, "https://lab.example", headers{"Sec-Fetch-Site", "same-origin"}, 303, "benchtop_session"},
		{"host passed on", nil, "http://lab.example:8088", headers{"Host", "lab.example:8088"}, 303, "benchtop_session"},
		{"host without its port", nil, "http://lab.example:8088", headers{"Host", "lab.example"}, 403, ""},
		{"usual port named", nil, "https://lab.example", headers{"Host", "lab.example:443"}, 303, "benchtop_session"},
		{"public address", publicURL("http://lab.example:8088"), "http://lab.example:8088", nil, 303, "benchtop_session"},
		{"public address, HTTPS", publicURL("https://lab.example"), "https://lab.example", nil, 303, "__Host-benchtop_session"},
		{"public address, another scheme", publicURL("https://lab.example"), "http://lab.example", nil, 403, ""},
		{"public address, asked directly", publicURL("https://lab.example"), "http://192.0.2.7:8080", headers{"Host", "192.0.2.7:8080"}, 303, "benchtop_session"},
		{"public address, another site", publicURL("https://lab.example"), "https://evil.example", nil, 403, ""},
		{"trusted", trustLoopback, "https://lab.example", headers{"X-Forwarded-Host", "lab.example", "X-Forwarded-Proto", "https"}, 303, "__Host-benchtop_session"},
		{"trusted, RFC 7239", trustLoopback, "https://lab.example", headers{"Forwarded", `for="[2001:db8::1]:4711";host=lab.example;proto=https`}, 303, "__Host-benchtop_session"},
		{"trusted, two proxies", trustLoopback, "https://lab.example", headers{"X-Forwarded-For", "192.0.2.1, 10.1.2.3", "X-Forwarded-Host", "lab.example", "X-Forwarded-Proto", "https, http"}, 303, "__Host-benchtop_session"},
		{"trusted, HTTP", trustLoopback, "http://lab.example", headers{"X-Forwarded-Host", "lab.example", "X-Forwarded-Proto", "http"}, 303, "benchtop_session"},
		{"trusted, another site", trustLoopback, "https://evil.example", headers{"X-Forwarded-Host", "lab.example"}, 403, ""},
		{"nobody trusted", nil, "https://lab.example", headers{"X-Forwarded-Host", "lab.example", "X-Forwarded-Proto", "https"}, 403, ""},
		{"browser says cross-site", publicURL("http://other.example"), "https://lab.example", headers{"Sec-Fetch-Site", "cross-site", "Host", "lab.example"}, 403, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.config == nil {
				c.config = func(*ui.Config) {}
			}
			l := visit.Start(t, uitest.Empty(visit.AtNoon), c.config)
			resp, body := l.SignInFrom(c.origin, c.headers...)
			l.Expect(resp, body, c.status)
			got := ""
			for _, k := range resp.Cookies() {
				if strings.HasSuffix(k.Name, "benchtop_session") {
					got = k.Name
					if k.Secure != strings.HasPrefix(k.Name, "__Host-") || k.Path != "/" || k.Domain != "" {
						t.Errorf("cookie %+v", k)
					}
				}
			}
			if got != c.cookie {
				t.Errorf("signed in with %q, want %q", got, c.cookie)
			}
		})
	}
}

// TestAdviceForProxies: who is refused behind a proxy reads what to set.
func TestAdviceForProxies(t *testing.T) {
	l := visit.Start(t, uitest.Empty(visit.AtNoon))
	resp, body := l.SignInFrom("http://lab.example:8088")
	l.Expect(resp, body, 403, "came from another site", "page is from http://lab.example:8088, the lab was asked as 127.0.0.1:", "proxy_set_header Host $http_host;", "public_url: http://lab.example:8088")
	if strings.Contains(body, "trusted_proxies") {
		t.Error("advice about a header that nobody sent")
	}
	resp, body = l.SignInFrom("http://lab.example:8088", "X-Forwarded-Host", "lab.example:8088")
	l.Expect(resp, body, 403, "trusted_proxies: 127.0.0.1")
	resp, body = l.SignInFrom("http://lab.example:8088", "Accept", "application/json")
	l.ExpectJSON(resp, body, 403, "PERMISSION_DENIED", "page is from http://lab.example:8088")
	// A browser that says it itself: no proxy is to blame.
	resp, body = l.SignInFrom("http://evil.example", "Sec-Fetch-Site", "cross-site")
	l.Expect(resp, body, 403, "came from another site")
	if strings.Contains(body, "evil.example") || strings.Contains(body, "proxy") {
		t.Errorf("advice for a forger: %s", body)
	}
}

// TestBelowAPath: the pages say that they do not work there, programs do not
// mind.
func TestBelowAPath(t *testing.T) {
	l := visit.Start(t, uitest.Full(visit.AtNoon)).AsAdmin()
	for _, path := range []string{"/", "/login", "/runs", "/live/"} {
		resp, body := l.Get(path, "X-Forwarded-Prefix", "/lab")
		l.Expect(resp, body, 400, "below the path /lab, where they do not work. Give the lab a host name of its own")
	}
	resp, body := l.Get("/runs", "X-Forwarded-Prefix", "/")
	l.Expect(resp, body, 200)
	resp, body = l.Get("/api/status", "X-Forwarded-Prefix", "/lab")
	l.Expect(resp, body, 200)
	// A proxy that says nothing: the first redirect stays below the path, and
	// the page that it leads to knows whether its style sheet is there.
	stranger := visit.NewBrowser(t)
	resp, body = l.Do(stranger, http.MethodGet, "/", nil)
	l.Expect(resp, body, 303)
	if at, err := url.Parse("http://proxy.example/lab/"); err != nil || at.JoinPath(resp.Header.Get("Location")).Path != "/lab/login" {
		t.Errorf("/lab/ leads to %s", resp.Header.Get("Location"))
	}
	_, body = l.Do(stranger, http.MethodGet, "/login", nil)
	l.ExpectText(body, `<p class="astray"><strong>The style sheet of this page did not load.`)
}

// TestSessionsOfBothKinds: one browser may be signed in with and without HTTPS.
func TestSessionsOfBothKinds(t *testing.T) {
	l := visit.Start(t, uitest.Empty(visit.AtNoon), trustLoopback)
	https := []string{"X-Forwarded-Host", "lab.example", "X-Forwarded-Proto", "https"}
	resp, _ := l.SignInFrom("https://lab.example", https...)
	session := resp.Cookies()[0]
	plain := &http.Client{CheckRedirect: visit.NewBrowser(t).CheckRedirect}
	resp, body := l.Do(plain, http.MethodGet, "/runs", nil, append(https, "Cookie", session.Name+"="+session.Value)...)
	l.Expect(resp, body, 200, "Sign out")
	// The right session counts, whatever another page has set beside it.
	resp, body = l.Do(plain, http.MethodGet, "/runs", nil, append(https, "Cookie", "benchtop_session=forged; "+session.Name+"="+session.Value)...)
	l.Expect(resp, body, 200, "Sign out")
	token := visit.CSRFField.FindStringSubmatch(body)[1]
	resp, body = l.Do(plain, http.MethodPost, "/logout", url.Values{"csrf": {token}}, append(https, "Cookie", session.Name+"="+session.Value)...)
	l.Expect(resp, body, 303)
	if gone := resp.Cookies()[0]; gone.Name != session.Name || gone.MaxAge >= 0 || !gone.Secure {
		t.Errorf("signing out leaves %+v", gone)
	}
}

// TestAttemptsOfForwardedClients counts who is behind the proxy, and not what
// they say of themselves.
func TestAttemptsOfForwardedClients(t *testing.T) {
	c := visit.NewClock()
	guess := func(l *visit.Lab, status int, headers ...string) {
		t.Helper()
		resp, body := l.Do(&http.Client{}, http.MethodGet, "/api/status", nil, append(headers, "Authorization", "Bearer guess")...)
		l.Expect(resp, body, status)
	}
	l := visit.Start(t, uitest.Empty(c.Now), trustLoopback)
	for i := range 6 {
		guess(l, 401, "X-Forwarded-For", "203.0.113."+string(rune('1'+i))+", 192.0.2.1, 10.1.0.9") // made up, the client, a proxy
	}
	guess(l, 429, "X-Forwarded-For", "192.0.2.1")
	guess(l, 429, "X-Forwarded-For", "192.0.2.1:4711")
	guess(l, 429, "Forwarded", "for=192.0.2.1")
	guess(l, 429, "Forwarded", `for=203.0.113.1, for="192.0.2.1:80";by=x`)
	guess(l, 401, "X-Forwarded-For", "192.0.2.2")
	guess(l, 401, "Forwarded", `for="[2001:db8::1]"`)
	guess(l, 401, "Forwarded", "for=unknown") // then it is the proxy
	guess(l, 401)

	l = visit.Start(t, uitest.Empty(c.Now))
	for i := range 6 {
		guess(l, 401, "X-Forwarded-For", "192.0.2."+string(rune('1'+i)))
	}
	guess(l, 429, "X-Forwarded-For", "192.0.2.9")
}
