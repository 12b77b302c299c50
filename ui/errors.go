package ui

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// showError answers a failed request: JSON where a program asked, a page
// otherwise. The user sees the message, the log the cause.
func (s *Server) showError(err error, c echo.Context) {
	if c.Response().Committed || errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil {
		return
	}
	var he *echo.HTTPError
	status, message := page.StatusOf(err), mlops.MessageOf(err)
	var limited *tooMany
	var other *foreign
	if errors.As(err, &limited) {
		status, message = http.StatusTooManyRequests, limited.Error()
		c.Response().Header().Set("Retry-After", limited.seconds())
	} else if errors.As(err, &other) {
		status, message = http.StatusForbidden, other.Error()
	} else if errors.As(err, &he) {
		status, message = he.Code, httpMessage(he.Code)
	}
	if status >= 500 && mlops.CodeOf(err) != mlops.Unavailable {
		s.logger().Error("request failed", "method", c.Request().Method, "path", c.Request().URL.Path, "err", err)
	} else {
		s.logger().Debug("request refused", "method", c.Request().Method, "path", c.Request().URL.Path, "status", status, "err", err)
	}
	var sendErr error
	switch {
	case c.Request().Method == http.MethodHead:
		sendErr = c.NoContent(status)
	case s.programs(c.Request().URL.Path) || strings.HasPrefix(c.Request().Header.Get("Accept"), "application/json"):
		code := mlops.CodeOf(err)
		switch {
		case other != nil:
			code = mlops.Denied
		case he != nil || limited != nil:
			code = mlops.BadRequest
		}
		sendErr = c.JSON(status, map[string]any{"error_code": code, "message": message})
	default:
		p := &page.Page{Status: status, Title: errorTitle(status)}
		failure := view.Failure{Status: status, Title: errorTitle(status), Message: message, Starting: status == http.StatusServiceUnavailable}
		if other != nil {
			failure.Help = other.help()
		}
		p.Body = view.ErrorPage(failure)
		sendErr = s.render(c, p)
	}
	if sendErr != nil {
		s.logger().Debug("cannot send the error", "err", sendErr)
	}
}

func errorTitle(status int) string {
	switch status {
	case http.StatusNotFound:
		return "Not found"
	case http.StatusForbidden:
		return "Not allowed"
	case http.StatusUnauthorized:
		return "Sign in first"
	case http.StatusServiceUnavailable:
		return "Starting…"
	case http.StatusTooManyRequests:
		return "Too many attempts"
	}
	if status < 500 {
		return "That did not work"
	}
	return "Something went wrong"
}

func httpMessage(status int) string {
	switch status {
	case http.StatusNotFound:
		return "There is no page at this address."
	case http.StatusMethodNotAllowed:
		return "This address does not take requests of that kind."
	case http.StatusRequestEntityTooLarge:
		return "The request is too large: at most 1 MB is expected here."
	}
	return http.StatusText(status)
}
