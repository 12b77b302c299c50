package ui

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
)

// requireSession lets signed-in browsers through. A page that was asked for
// without a session leads to the sign-in form and back.
func (s *Server) requireSession(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		v, err := s.session(c)
		if mlops.CodeOf(err) == mlops.Unauthorized && navigates(c.Request()) {
			at := c.Request().URL.RequestURI()
			if at == "/" {
				// Relative, so that who has come through a proxy below a path
				// gets to the sign-in page, which says that this cannot work.
				return c.Redirect(http.StatusSeeOther, "login")
			}
			return c.Redirect(http.StatusSeeOther, "/login?next="+url.QueryEscape(at))
		}
		if err != nil {
			return err
		}
		admit(c, v)
		return next(c)
	}
}

// navigates reports whether the request is for a page, and not for an event
// stream, a fragment, a terminal or a change.
func navigates(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("HX-Request") == "" && r.Header.Get("Upgrade") == "" && r.URL.Path != "/session" &&
		!strings.HasPrefix(r.URL.Path, "/live/") && !strings.HasPrefix(r.URL.Path, "/logs/")
}

// require lets those through who are signed in and may do something.
func (s *Server) require(p mlops.Permission) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if who := page.VisitorOf(c).Principal; !who.Role.May(p) {
				return mlops.Errorf(mlops.Denied, "%s may not do this: its role is %s. It takes %s.", who.Name, who.Role, rolesWith(p))
			}
			return next(c)
		}
	}
}

// rolesWith names the roles that may do something, the least first.
func rolesWith(p mlops.Permission) string {
	var names []string
	for _, r := range mlops.Roles() {
		if r.May(p) {
			names = append([]string{string(r)}, names...)
		}
	}
	return "role " + strings.Join(names, " or ")
}

func (s *Server) requireCSRF(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !csrfValid(visitorOf(c).id, c.FormValue("csrf")) {
			return mlops.Errorf(mlops.Denied, "The form has expired: go back, reload the page and send it again.")
		}
		return next(c)
	}
}

// requireCredentials lets in programs, by password or token, and signed-in
// browsers, if they may do something.
func (s *Server) requireCredentials(needs mlops.Permission) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			v, err := s.credentials(c)
			if mlops.CodeOf(err) == mlops.Unauthorized {
				c.Response().Header().Set("WWW-Authenticate", `Basic realm="Benchtop", charset="UTF-8"`)
			}
			if err != nil {
				return err
			}
			admit(c, v)
			return s.require(needs)(next)(c)
		}
	}
}

func (s *Server) credentials(c echo.Context) (visitor, error) {
	header := c.Request().Header.Get("Authorization")
	if header == "" {
		if cookie(c, sessionCookie) != "" {
			return s.session(c)
		}
		return visitor{}, mlops.Errorf(mlops.Unauthorized, "Credentials are required: send a user name and password, or a token as Authorization: Bearer.")
	}
	address := c.RealIP()
	if err := s.attempts.check(address); err != nil {
		return visitor{}, err
	}
	p, err := mlops.Principal{}, mlops.ErrCredentials
	if name, password, basic := c.Request().BasicAuth(); basic {
		p, err = s.cfg.Auth.Password(name, password)
	} else if token, bearer := strings.CutPrefix(header, "Bearer "); bearer {
		p, err = s.cfg.Auth.Token(token)
	}
	if errors.Is(err, mlops.ErrCredentials) {
		s.attempts.failed(address)
		s.logger().Warn("credentials refused", "address", address, "path", c.Request().URL.Path)
	}
	if err != nil {
		return visitor{}, page.Sentence(err)
	}
	return visitor{principal: p}, nil
}

// localPath returns target if it is a path on this server, "/" otherwise:
// whoever makes a link to the sign-in form must not choose where it leads.
func localPath(target string) string {
	if len(target) == 0 || target[0] != '/' || strings.ContainsAny(target, "\\\r\n\t\x00") || strings.HasPrefix(target, "//") {
		return "/"
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	for _, r := range target {
		if r < 0x20 || r == 0x7f {
			return "/"
		}
	}
	return target
}
