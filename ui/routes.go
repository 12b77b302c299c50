package ui

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/pages/access"
	"github.com/benchtop-lab/benchtop/ui/pages/compare"
	"github.com/benchtop-lab/benchtop/ui/pages/datasets"
	"github.com/benchtop-lab/benchtop/ui/pages/deployments"
	"github.com/benchtop-lab/benchtop/ui/pages/front"
	"github.com/benchtop-lab/benchtop/ui/pages/gpus"
	"github.com/benchtop-lab/benchtop/ui/pages/labs"
	"github.com/benchtop-lab/benchtop/ui/pages/logs"
	"github.com/benchtop-lab/benchtop/ui/pages/models"
	"github.com/benchtop-lab/benchtop/ui/pages/overview"
	"github.com/benchtop-lab/benchtop/ui/pages/projects"
	"github.com/benchtop-lab/benchtop/ui/pages/runs"
	"github.com/benchtop-lab/benchtop/ui/pages/system"
	"github.com/benchtop-lab/benchtop/ui/serving"
	"github.com/benchtop-lab/benchtop/ui/view"
)

func (s *Server) routes() {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = func(r *http.Request) string { return s.callerOf(r).address }
	e.HTTPErrorHandler = s.showError
	e.Pre(s.know)
	e.Use(s.recoverPanics, securityHeaders, s.refuseCrossOrigin)
	s.echo = e

	endpoint(e, "/healthz", s.healthz)
	e.GET("/assets/:name", s.static.serve)
	e.GET("/favicon.ico", func(c echo.Context) error {
		return c.Redirect(http.StatusMovedPermanently, s.static.url(s.cfg.Assets.Icon))
	})

	// Anybody may ask for these; compressed like every page.
	open := e.Group("", refusePrefix, middleware.BodyLimit("1M"), compressed())
	e.GET(front.Prefix+"/assets/:name", s.static.serve)
	open.GET("/login", s.loginPage)
	open.POST("/login", s.login)

	// Programs come with a password or a token, browsers with a session.
	api := e.Group("/api", s.requireCredentials(mlops.Read), compressed())
	endpoint(api, "/status", s.apiStatus)
	api.RouteNotFound("/*", func(c echo.Context) error {
		return mlops.Errorf(mlops.EndpointError, "There is no endpoint %s %s.", c.Request().Method, c.Request().URL.Path)
	})

	signedIn := e.Group("", refusePrefix, s.requireSession, middleware.BodyLimit("1M"))
	pages := signedIn.Group("", compressed())
	signedIn.GET("/session", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })

	s.pages(pageRoutes{s, e, api, signedIn, pages})
	signedIn.POST("/logout", s.logout, s.requireCSRF)

	for path, m := range s.cfg.Mounts {
		h := echo.WrapHandler(m.Handler)
		var mw []echo.MiddlewareFunc
		if m.Needs != "" {
			// What it serves is not told apart by projects.
			mw = append(mw, s.requireCredentials(m.Needs))
			if m.Metrics {
				mw = append(mw, requireMetrics)
			} else {
				mw = append(mw, requireWhole)
			}
		}
		exact, below := strings.CutSuffix(path, "/")
		e.Any(exact, h, mw...)
		if below {
			e.Any(path+"*", h, mw...)
		}
	}
	// Behind the session, so that a stranger learns nothing about addresses.
	pages.RouteNotFound("/*", func(echo.Context) error {
		return mlops.Errorf(mlops.NotFound, "There is no page at this address.")
	})
}

// pages lets each page package bring its own addresses.
func (s *Server) pages(r page.Routes) {
	desk := serving.Desk{Site: s.site, Examples: s.cfg.Examples, IngressPort: s.cfg.IngressPort}
	about := system.About{Version: s.cfg.Version, Licenses: s.static.url(s.cfg.Assets.Licenses)}
	for _, c := range s.cfg.Components {
		about.Components = append(about.Components, view.Fact{Name: c.Name, Value: view.Text(c.Version)})
	}
	overview.Routes(r, s.site, s.machine)
	runs.Routes(r, s.site)
	compare.Routes(r, s.site)
	models.Routes(r, s.site, desk)
	datasets.Routes(r, s.site, desk)
	deployments.Routes(r, s.site, desk, s.machine.Series)
	samples := make([]projects.Sample, 0, len(s.cfg.Samples))
	for _, p := range s.cfg.Samples {
		samples = append(samples, projects.Sample(p))
	}
	projects.Routes(r, s.site, samples, s.pagesURL)
	access.Routes(r, s.site, s.cfg.S3Port)
	gpus.Routes(r, s.site, s.machine.Series)
	labs.Routes(r, s.site)
	system.Routes(r, s.site, s.machine, about)
	logs.Routes(r, s.site, desk)
	front.Routes(r, s.site, desk, s.pagesURL)
}

// endpoint serves reading programs, and tells the others that they may only
// read.
func endpoint(at interface {
	Match(methods []string, path string, h echo.HandlerFunc, mw ...echo.MiddlewareFunc) []*echo.Route
}, path string, h echo.HandlerFunc) {
	at.Match([]string{http.MethodGet, http.MethodHead}, path, h)
	at.Match([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, path, func(c echo.Context) error {
		c.Response().Header().Set("Allow", "GET, HEAD")
		return echo.ErrMethodNotAllowed
	})
}

// programs reports whether a path is for programs and not for browsers.
func (s *Server) programs(path string) bool {
	return path == "/healthz" || path == "/api" || strings.HasPrefix(path, "/api/") || s.mounted(path)
}

// mounted reports whether another part of the process answers at a path.
func (s *Server) mounted(path string) bool {
	for at := range s.cfg.Mounts {
		if below, ok := strings.CutSuffix(at, "/"); path == at || ok && (path == below || strings.HasPrefix(path, at)) {
			return true
		}
	}
	return false
}
