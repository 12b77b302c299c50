package ui

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/ui/page"
)

// pageRoutes takes the addresses of the page packages. What a change needs is
// asked for before its token: who may not do it need not load the page again.
type pageRoutes struct {
	s        *Server
	e        *echo.Echo
	api      *echo.Group // who may read, with whatever credentials
	signedIn *echo.Group
	pages    *echo.Group // signedIn, compressed
}

var _ page.Routes = pageRoutes{}

func (r pageRoutes) needs(a page.Access, more ...echo.MiddlewareFunc) []echo.MiddlewareFunc {
	var mw []echo.MiddlewareFunc
	if a.Whole {
		mw = append(mw, requireWhole)
	}
	if a.Needs != "" {
		mw = append(mw, r.s.require(a.Needs))
	}
	return append(mw, more...)
}

// Page implements page.Routes.
func (r pageRoutes) Page(path string, f page.Func, a page.Access) {
	r.Still(path, f, a)
	r.signedIn.GET("/live"+path, r.s.live(f), r.needs(a)...)
}

// Still implements page.Routes.
func (r pageRoutes) Still(path string, f page.Func, a page.Access) {
	r.Get(path, r.s.show(f), a)
}

// Get implements page.Routes.
func (r pageRoutes) Get(path string, h echo.HandlerFunc, a page.Access) {
	r.pages.GET(path, h, r.needs(a)...)
}

// Raw implements page.Routes.
func (r pageRoutes) Raw(path string, h echo.HandlerFunc, a page.Access) {
	r.signedIn.GET(path, h, r.needs(a)...)
}

// Change implements page.Routes.
func (r pageRoutes) Change(path string, h echo.HandlerFunc, a page.Access) {
	r.pages.POST(path, h, r.needs(a, r.s.requireCSRF)...)
}

// Upload implements page.Routes.
func (r pageRoutes) Upload(path string, h echo.HandlerFunc, limit echo.MiddlewareFunc, a page.Access) {
	mw := append([]echo.MiddlewareFunc{refusePrefix, r.s.requireSession, limit}, r.needs(a, r.s.requireCSRF, compressed())...)
	r.e.POST(path, h, mw...)
}

// Call implements page.Routes.
func (r pageRoutes) Call(method, path string, h echo.HandlerFunc, a page.Access) {
	methods := []string{method}
	if method == http.MethodGet {
		methods = append(methods, http.MethodHead)
	}
	r.api.Match(methods, path, h, r.needs(a)...)
}

// ReadCall implements page.Routes.
func (r pageRoutes) ReadCall(path string, h echo.HandlerFunc) { endpoint(r.api, path, h) }

// Methods implements page.Routes.
func (r pageRoutes) Methods(path, allow string, others ...string) {
	r.api.Match(others, path, func(c echo.Context) error {
		c.Response().Header().Set("Allow", allow)
		return echo.ErrMethodNotAllowed
	})
}

// Open implements page.Routes.
func (r pageRoutes) Open(path string, h echo.HandlerFunc) { r.e.Any(path, h, compressed()) }
