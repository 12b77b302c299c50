package ui

import (
	"bytes"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// show serves a page.
func (s *Server) show(f page.Func) echo.HandlerFunc {
	return func(c echo.Context) error {
		p, err := f(c)
		if err != nil {
			return err
		}
		return s.render(c, p)
	}
}

func (s *Server) render(c echo.Context, p *page.Page) error {
	v := visitorOf(c)
	frame := view.Frame{
		Title: p.Title, Nav: p.Nav, Bare: p.Bare || v.id == "", Version: s.cfg.Version,
		Script: s.static.url(s.cfg.Assets.Script), Style: s.static.url(s.cfg.Assets.Style), Icon: s.static.url(s.cfg.Assets.Icon), Build: s.cfg.Assets.Build(),
	}
	if theme, err := c.Cookie(themeCookie); err == nil && (theme.Value == "light" || theme.Value == "dark") {
		frame.Theme = theme.Value
	}
	if v.id != "" {
		frame.User, frame.CSRF, frame.Admin = v.principal.Name, page.VisitorOf(c).CSRF, v.principal.Role.May(mlops.Administer)
		frame.Limited = v.principal.Limited()
	}
	if p.Terminal {
		frame.Terminal, frame.TerminalStyle = s.static.url(s.cfg.Assets.Terminal), s.static.url(s.cfg.Assets.TerminalStyle)
	}
	if len(p.Parts) > 0 {
		frame.Live, frame.View = "/live"+c.Request().URL.RequestURI(), p.View
	}
	if p.Status == 0 {
		p.Status = http.StatusOK
	}
	var out bytes.Buffer
	if err := view.Document(frame, p.Body).Render(c.Request().Context(), &out); err != nil {
		return err
	}
	return c.HTMLBlob(p.Status, out.Bytes())
}
