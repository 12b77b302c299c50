package ui

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// gatherTimeout bounds how long a page waits for the ports it reads. What
// has not answered by then is shown as a problem of its part of the page.
const gatherTimeout = 5 * time.Second

// page is what a page's handler makes of a request. The same value serves
// the first rendering and, through parts and charts, every live update.
type page struct {
	status int // 200 if zero
	title  string
	nav    string // which entry of the navigation is current
	bare   bool   // without navigation
	body   templ.Component
	parts  []part       // what changes while the page is open
	charts []view.Chart // their data travels apart from the markup
	view   string       // what kind of page this is, where one address has several
}

// part is a piece of a page that is replaced as a whole when it changes.
type part struct {
	name string
	body templ.Component
}

type pageFunc func(c echo.Context) (*page, error)

// gather bounds the time that reading for a page may take.
func gather(c echo.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.Request().Context(), gatherTimeout)
}

// together runs the functions at the same time and waits for all of them. A
// panic in one of them becomes the caller's, which is recovered; in its own
// goroutine it would end the process.
func together(fs ...func()) {
	var wg sync.WaitGroup
	var first atomic.Value
	for _, f := range fs {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					first.CompareAndSwap(nil, fmt.Sprintf("%v\n%s", r, debug.Stack()))
				}
			}()
			f()
		})
	}
	wg.Wait()
	if r := first.Load(); r != nil {
		panic(r)
	}
}

// readers bounds what a page reads at once; the registry has as many
// connections for reading.
const readers = 4

// each calls f with 0 … n-1, a few at the same time, and waits for all.
func each(n int, f func(i int)) {
	var next atomic.Int64
	worker := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	together(slices.Repeat([]func(){worker}, min(n, readers))...)
}

// show serves a page.
func (s *Server) show(f pageFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		p, err := f(c)
		if err != nil {
			return err
		}
		return s.render(c, p)
	}
}

func (s *Server) render(c echo.Context, p *page) error {
	v := visitorOf(c)
	frame := view.Frame{
		Title: p.title, Nav: p.nav, Bare: p.bare || v.id == "", Version: s.cfg.Version,
		Script: s.static.url(s.cfg.Assets.Script), Style: s.static.url(s.cfg.Assets.Style), Icon: s.static.url(s.cfg.Assets.Icon),
	}
	if theme, err := c.Cookie(themeCookie); err == nil && (theme.Value == "light" || theme.Value == "dark") {
		frame.Theme = theme.Value
	}
	if v.id != "" {
		frame.User, frame.CSRF, frame.Admin = v.principal.Name, csrf(c), v.principal.Role.May(mlops.Administer)
		frame.Limited = v.principal.Limited()
	}
	if len(p.parts) > 0 {
		frame.Live, frame.View = "/live"+c.Request().URL.RequestURI(), p.view
	}
	if p.status == 0 {
		p.status = http.StatusOK
	}
	var out bytes.Buffer
	if err := view.Document(frame, p.body).Render(c.Request().Context(), &out); err != nil {
		return err
	}
	return c.HTMLBlob(p.status, out.Bytes())
}

// renderFragment answers with a piece of a page.
func (s *Server) renderFragment(c echo.Context, status int, body templ.Component) error {
	var out bytes.Buffer
	if err := body.Render(c.Request().Context(), &out); err != nil {
		return err
	}
	return c.HTMLBlob(status, out.Bytes())
}
