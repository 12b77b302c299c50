package ui

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// loginPage shows the sign-in form, or signs in with a one-time link.
func (s *Server) loginPage(c echo.Context) error {
	if token := c.QueryParam("token"); token != "" {
		return s.loginWithToken(c, token)
	}
	next := localPath(c.QueryParam("next"))
	if _, err := s.session(c); err == nil {
		return c.Redirect(http.StatusSeeOther, next)
	}
	return s.showLogin(c, http.StatusOK, view.Login{Name: "admin", Next: next})
}

func (s *Server) loginWithToken(c echo.Context, token string) error {
	address := c.RealIP()
	if err := s.attempts.check(address); err != nil {
		return err
	}
	if !s.cfg.Auth.TakeLoginToken(token) {
		if _, err := s.session(c); err == nil {
			// The link was opened twice in the same browser: no reason to ask again.
			return c.Redirect(http.StatusSeeOther, "/")
		}
		s.attempts.failed(address)
		s.logger().Warn("login link refused", "address", address)
		return s.showLogin(c, http.StatusUnauthorized, view.Login{Name: "admin", Next: "/",
			Error: "This link was already used or has expired. Sign in with the admin password: “benchtop up” says where it is kept."})
	}
	if err := s.startSession(c, mlops.Principal{Name: "admin", Role: mlops.RoleAdmin}); err != nil {
		return err
	}
	s.logger().Info("signed in with a link", "address", address)
	return c.Redirect(http.StatusSeeOther, "/")
}

func (s *Server) login(c echo.Context) error {
	form := view.Login{Name: c.FormValue("name"), Next: localPath(c.FormValue("next"))}
	if !csrfValid(cookie(c, loginCookie), c.FormValue("csrf")) {
		form.Error = "The form has expired: please try again."
		return s.showLogin(c, http.StatusForbidden, form)
	}
	address := c.RealIP()
	if err := s.attempts.check(address); err != nil {
		return err
	}
	principal, err := s.cfg.Auth.Password(form.Name, c.FormValue("password"))
	if errors.Is(err, mlops.ErrCredentials) {
		s.attempts.failed(address)
		s.logger().Warn("sign-in refused", "address", address)
		form.Error = "Name or password is not right."
		return s.showLogin(c, http.StatusUnauthorized, form)
	}
	if err != nil { // an access key that has expired, or keys are not known yet
		err = page.Sentence(err)
		form.Error = mlops.MessageOf(err)
		return s.showLogin(c, page.StatusOf(err), form)
	}
	if !principal.Role.May(mlops.Browse) {
		form.Error = "This account is for programs; sign in as admin."
		return s.showLogin(c, http.StatusForbidden, form)
	}
	if err := s.startSession(c, principal); err != nil {
		return err
	}
	s.logger().Info("signed in", "name", principal.Name, "address", address)
	return c.Redirect(http.StatusSeeOther, form.Next)
}

func (s *Server) showLogin(c echo.Context, status int, form view.Login) error {
	secret := newSecret()
	if old := cookie(c, loginCookie); len(old) == len(secret) {
		secret = old // another tab's form stays valid
	}
	s.setCookie(c, loginCookie, secret, 3600)
	form.CSRF = csrfToken(secret)
	return s.render(c, &page.Page{Status: status, Title: "Sign in", Bare: true, Body: view.LoginPage(form)})
}

func (s *Server) logout(c echo.Context) error {
	if err := s.cfg.Sessions.Delete(c.Request().Context(), hashOf(visitorOf(c).id)); err != nil {
		return err
	}
	s.setCookie(c, sessionCookie, "", -1)
	return c.Redirect(http.StatusSeeOther, "/login")
}
