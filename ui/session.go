package ui

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
)

const (
	sessionCookie = "benchtop_session"
	loginCookie   = "benchtop_login" // ties the sign-in form to the browser that got it
	themeCookie   = "benchtop_theme" // "light" or "dark"; the script sets it
	sessionLength = 7 * 24 * time.Hour
)

// visitor is who a request comes from; it lies in the request's context.
type visitor struct {
	principal mlops.Principal
	id        string // the secret in the cookie, "" without a session
	expires   time.Time
}

const visitorKey = "visitor"

func visitorOf(c echo.Context) visitor {
	v, _ := c.Get(visitorKey).(visitor)
	return v
}

// admit makes a visitor the one who asks in this request. An event stream keeps
// its form token, else each update would look like a change.
func admit(c echo.Context, v visitor) {
	c.Set(visitorKey, v)
	out := page.Visitor{Principal: v.principal, HTTPS: callerOf(c).https}
	if v.id != "" {
		out.CSRF = csrfToken(v.id)
	}
	page.Admit(c, out)
}

func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: it ends the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

func hashOf(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// securePrefix makes the names of cookies differ that browsers keep for HTTPS
// only: they let no page without it replace one, so that nobody could sign in
// at http://host:8080 who has been at https://host.
const securePrefix = "__Host-"

func (s *Server) setCookie(c echo.Context, name, value string, maxAge int) {
	secure := s.secure(c)
	if secure {
		name = securePrefix + name
	}
	c.SetCookie(&http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		Secure: secure, SameSite: http.SameSiteLaxMode})
}

// cookie returns the value of a cookie that setCookie has set, "" if there is
// none.
func cookie(c echo.Context, name string) string {
	for _, n := range []string{securePrefix + name, name} {
		if found, err := c.Cookie(n); err == nil && found.Value != "" {
			return found.Value
		}
	}
	return ""
}

// secure reports whether the browser speaks HTTPS: to us, to a proxy that
// says so, or at the public address.
func (s *Server) secure(c echo.Context) bool {
	if callerOf(c).https {
		return true
	}
	public, r := s.cfg.PublicURL, c.Request()
	if public == nil || public.Scheme != "https" {
		return false
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && origin.Scheme == "https" && hostOf(origin) == hostOf(public) ||
		hostOf(&url.URL{Scheme: "https", Host: r.Host}) == hostOf(public)
}

// startSession signs the browser in.
func (s *Server) startSession(c echo.Context, p mlops.Principal) error {
	id, now := newSecret(), s.cfg.Now()
	session := Session{Hash: hashOf(id), Principal: p, CreatedAt: now, ExpiresAt: now.Add(sessionLength)}
	if err := s.cfg.Sessions.Create(c.Request().Context(), session); err != nil {
		return err
	}
	s.setCookie(c, sessionCookie, id, int(sessionLength.Seconds()))
	s.setCookie(c, loginCookie, "", -1)
	return nil
}

// session returns the visitor of a signed-in browser.
func (s *Server) session(c echo.Context) (visitor, error) {
	id := cookie(c, sessionCookie)
	if id == "" {
		return visitor{}, mlops.Errorf(mlops.Unauthorized, "Sign in first.")
	}
	session, err := s.cfg.Sessions.Check(c.Request().Context(), hashOf(id))
	if mlops.CodeOf(err) == mlops.NotFound || err == nil && !session.ExpiresAt.After(s.cfg.Now()) {
		return visitor{}, mlops.Errorf(mlops.Unauthorized, "Your session has ended: sign in again.")
	}
	if err != nil {
		return visitor{}, err
	}
	if err := s.cfg.Auth.Valid(session.Principal); err != nil {
		return visitor{}, page.Sentence(err)
	}
	return visitor{principal: session.Principal, id: id, expires: session.ExpiresAt}, nil
}

// csrfToken returns a token that only someone who knows secret can make. It
// differs each time, so that compressing the page gives nothing away.
func csrfToken(secret string) string {
	mac := csrfMAC(secret)
	mask := make([]byte, len(mac))
	_, _ = rand.Read(mask)
	out := make([]byte, 2*len(mac))
	copy(out, mask)
	subtle.XORBytes(out[len(mac):], mac, mask)
	return base64.RawURLEncoding.EncodeToString(out)
}

// csrfValid reports whether token was made with secret.
func csrfValid(secret, token string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	mac := csrfMAC(secret)
	if err != nil || secret == "" || len(raw) != 2*len(mac) {
		return false
	}
	got := make([]byte, len(mac))
	subtle.XORBytes(got, raw[:len(mac)], raw[len(mac):])
	return hmac.Equal(got, mac)
}

func csrfMAC(secret string) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("benchtop csrf"))
	return m.Sum(nil)
}
