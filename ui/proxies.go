package ui

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// caller is who asks, as far as it can be known: with a reverse proxy in
// between, the connection comes from the proxy and not from the browser.
type caller struct {
	address string // of the client
	host    string // by which the client knows this server, with its port if that is unusual
	https   bool   // the client's side of the way is encrypted
}

const callerKey = "caller"

func callerOf(c echo.Context) caller {
	who, _ := c.Get(callerKey).(caller)
	return who
}

// know finds out who asks before anything else looks at the request. What
// comes after sees the host that the client has asked for.
func (s *Server) know(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		who := s.callerOf(c.Request())
		c.Request().Host = who.host
		if who.https {
			// Mounted handlers make addresses that clients come back to.
			c.Request().URL.Scheme = "https"
		}
		c.Set(callerKey, who)
		return next(c)
	}
}

// refusePrefix says that the pages do not work below a path. It is no matter
// of links only: pages of one host name share one origin, so whatever else the
// proxy serves there could act in the name of who is signed in to the lab.
func refusePrefix(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if prefix := strings.Trim(c.Request().Header.Get("X-Forwarded-Prefix"), "/"); prefix != "" {
			return mlops.Errorf(mlops.InvalidState, "A proxy serves these pages below the path /%s, where they do not work. Give the lab a host name of its own, such as lab.example.org, or use its own port.", prefix)
		}
		return next(c)
	}
}

// callerOf believes headers about the client only if the connection comes
// from a proxy that the configuration trusts: anybody can send them.
func (s *Server) callerOf(r *http.Request) caller {
	who := caller{address: peerOf(r), host: r.Host, https: r.TLS != nil}
	if !s.trusts(who.address) {
		return who
	}
	hops := forwarded(r.Header)
	// Each proxy adds a hop to the right. The client is the first from the
	// right that is no proxy of ours; what is left of it, it may have made up.
	for i := len(hops) - 1; i >= 0; i-- {
		hop := hops[i]
		if hop.address != "" {
			who.address = hop.address
		}
		if hop.host != "" {
			who.host = hop.host
		}
		if hop.proto != "" {
			who.https = hop.proto == "https"
		}
		if !s.trusts(hop.address) {
			break
		}
	}
	return who
}

func (s *Server) trusts(address string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(a.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// peerOf returns the address that the connection comes from.
func peerOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// hop is what one proxy says of the request that it got. What it does not say
// is empty.
type hop struct{ address, host, proto string }

// forwarded returns the hops, the one nearest to the client first. The
// standard header (RFC 7239) counts before the customary ones.
func forwarded(h http.Header) []hop {
	if lines := h.Values("Forwarded"); len(lines) > 0 {
		var hops []hop
		for _, element := range quotedSplit(strings.Join(lines, ","), ',') {
			var at hop
			for _, pair := range quotedSplit(element, ';') {
				name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
				value = strings.ReplaceAll(strings.Trim(value, `"`), `\`, "")
				switch strings.ToLower(name) {
				case "for":
					at.address = plainAddress(value)
				case "host":
					at.host = value
				case "proto":
					at.proto = strings.ToLower(value)
				}
			}
			hops = append(hops, at)
		}
		return hops
	}
	hosts, protos := listOf(h, "X-Forwarded-Host"), listOf(h, "X-Forwarded-Proto")
	addresses := listOf(h, "X-Forwarded-For")
	hops := make([]hop, max(len(addresses), 1))
	for i, a := range addresses {
		hops[i].address = plainAddress(a)
	}
	// Proxies append to the addresses, but most set the other two once.
	last := len(hops) - 1
	for i := range hops {
		hops[i].host, hops[i].proto = nth(hosts, i, last), strings.ToLower(nth(protos, i, last))
	}
	return hops
}

// nth returns the value of hop i: each its own, or the only one for the last.
func nth(values []string, i, last int) string {
	switch {
	case len(values) == last+1:
		return values[i]
	case len(values) > 0 && i == last:
		return values[0]
	}
	return ""
}

// listOf returns the comma-separated values of a header that may be repeated.
func listOf(h http.Header, name string) []string {
	var out []string
	for _, v := range strings.Split(strings.Join(h.Values(name), ","), ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

// plainAddress takes port and brackets from an address; "" if it is none.
func plainAddress(v string) string {
	if a, err := netip.ParseAddr(strings.Trim(v, "[]")); err == nil {
		return a.Unmap().String()
	}
	if a, err := netip.ParseAddrPort(v); err == nil {
		return a.Addr().Unmap().String()
	}
	return ""
}

// quotedSplit splits at sep outside of quotes.
func quotedSplit(s string, sep rune) []string {
	quoted := false
	return strings.FieldsFunc(s, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == sep && !quoted
	})
}
