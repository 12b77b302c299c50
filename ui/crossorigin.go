package ui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/ui/pages/front"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// refuseCrossOrigin is the second fence against forged requests, behind the
// token of each form and the SameSite cookie. Mounted handlers have their own:
// what is forged depends on what they take for credentials. The front page
// changes nothing.
func (s *Server) refuseCrossOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c echo.Context) error {
		r := c.Request()
		if s.mounted(r.URL.Path) || front.Below(r.URL.Path) || s.known(r.Header.Get("Origin"), r) || protection.Check(r) == nil {
			return next(c)
		}
		return foreignOf(r)
	}
}

// known reports whether the origin is the server's own, by its public address
// or by the name that it was asked by.
func (s *Server) known(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if s.cfg.PublicURL != nil && u.Scheme == s.cfg.PublicURL.Scheme && hostOf(u) == hostOf(s.cfg.PublicURL) {
		return true
	}
	// A browser that says whether it asks across sites knows best.
	return r.Header.Get("Sec-Fetch-Site") == "" && hostOf(u) == hostOf(&url.URL{Scheme: u.Scheme, Host: r.Host})
}

// hostOf returns host and port in lower case, without a port that the scheme
// has anyway.
func hostOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// foreign is the error of a request that a page of another origin has made,
// or so it looks: a proxy that hides the name that the browser asked for
// makes all requests look like it.
type foreign struct {
	origin, site, host, peer string
	named                    bool // a header names the host, but nobody believes it
}

func foreignOf(r *http.Request) *foreign {
	return &foreign{origin: r.Header.Get("Origin"), site: r.Header.Get("Sec-Fetch-Site"), host: r.Host, peer: peerOf(r),
		named: r.Header.Get("X-Forwarded-Host") != "" || r.Header.Get("Forwarded") != ""}
}

func (e *foreign) Error() string {
	text := "This request came from another site, so it was not carried out."
	if e.behindProxy() {
		text += " The browser's page is from " + e.origin + ", the lab was asked as " + e.host + "."
	}
	return text
}

// behindProxy reports whether a proxy may be what makes the request foreign.
// A browser that speaks of the site itself is right whatever the proxy does.
func (e *foreign) behindProxy() bool {
	u, err := url.Parse(e.origin)
	return err == nil && u.Host != "" && e.site == ""
}

// help says how to set a proxy up.
func (e *foreign) help() []view.Advice {
	if !e.behindProxy() {
		return nil
	}
	out := []view.Advice{{Text: "If " + e.origin + " is a reverse proxy of yours in front of the lab, let it pass on the name that the browser asked for, with the port. In nginx:",
		Code: "proxy_set_header Host $http_host;"}}
	if e.named {
		out = append(out, view.Advice{Text: e.peer + " did send a header with that name, but the configuration does not trust it. To trust it, start the lab again with:",
			Code: "trusted_proxies: " + e.peer})
	}
	return append(out,
		view.Advice{Text: "Or name the address in the lab’s configuration file, /etc/benchtop/config.yaml, and start the lab again:", Code: "public_url: " + e.origin},
		view.Advice{Text: "If there is no such proxy, a page of " + e.origin + " has tried to act in your name. Nothing was done."})
}
