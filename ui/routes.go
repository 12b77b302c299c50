package ui

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
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
	e.GET(frontPrefix+"/assets/:name", s.static.serve)
	e.Any(frontPrefix, s.front, compressed())
	e.Any(frontPrefix+"/*", s.front, compressed())
	open.GET("/login", s.loginPage)
	open.POST("/login", s.login)

	// Programs come with a password or a token, browsers with a session.
	api := e.Group("/api", s.requireCredentials(mlops.Read), compressed())
	endpoint(api, "/status", s.apiStatus)
	api.POST("/projects/:project/train", s.apiTrain, s.require(mlops.Operate))
	s.releaseRoutes(api)
	s.datasetRoutes(e, api)
	api.RouteNotFound("/*", func(c echo.Context) error {
		return mlops.Errorf(mlops.EndpointError, "There is no endpoint %s %s.", c.Request().Method, c.Request().URL.Path)
	})

	signedIn := e.Group("", refusePrefix, s.requireSession, middleware.BodyLimit("1M"))
	pages := signedIn.Group("", compressed())
	page := func(path string, p page.Func, mw ...echo.MiddlewareFunc) {
		pages.GET(path, s.show(p), mw...)
		signedIn.GET("/live"+path, s.live(p), mw...)
	}
	page("/", s.overview)
	page("/runs", s.runs)
	page("/experiments", s.experiments)
	page("/runs/:id", s.run)
	page("/compare", s.compare)
	page("/trainings/:id", s.training)
	page("/models", s.models)
	page("/models/:name", s.model)
	page("/models/:name/versions/:version", s.version)
	page("/datasets", s.datasets, requireWhole)
	page("/datasets/:digest", s.dataset, requireWhole)
	page("/deployments", s.deployments)
	page("/deployments/:name", s.deployment)
	page("/system", s.systemUnits, requireWhole)
	page("/system/pods", s.systemPods, requireWhole)
	page("/system/pods/:namespace/:name", s.systemPod, requireWhole)
	page("/system/images", s.systemImages, requireWhole)
	page("/system/objects", s.systemObjects, requireWhole)
	page("/system/events", s.systemEvents, requireWhole)

	pages.GET("/runs/:id/artifacts", s.show(s.artifacts))
	signedIn.GET("/runs/:id/download", s.download)
	signedIn.GET("/runs/:id/image", s.image)
	signedIn.GET("/logs/pods/:namespace/:name", s.podLogs)
	signedIn.GET("/logs/deployments/:name", s.deploymentLogs)
	pages.GET("/deployments/:name/predict", s.predict)
	signedIn.GET("/session", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })

	changes := signedIn.Group("", s.require(mlops.Operate), s.requireCSRF)
	changes.POST("/projects/:project/train", s.train)
	for _, at := range []string{"/models/:name", "/models/:name/versions/:version"} {
		changes.POST(at+"/aliases", s.setAlias)
		changes.POST(at+"/aliases/remove", s.removeAlias)
	}
	s.releasePages(changes)
	s.accessRoutes(pages, signedIn)
	s.projectRoutes(api, pages, signedIn, changes)
	signedIn.POST("/logout", s.logout, s.requireCSRF)

	for path, m := range s.cfg.Mounts {
		h := echo.WrapHandler(m.Handler)
		var mw []echo.MiddlewareFunc
		if m.Needs != "" {
			// What it serves is not told apart by projects.
			mw = append(mw, s.requireCredentials(m.Needs), requireWhole)
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
