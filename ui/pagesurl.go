package ui

import (
	"net"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/ui/serving"
)

// pagesURL is where the pages are for whoever asks.
func (s *Server) pagesURL(c echo.Context) string {
	if s.cfg.PublicURL != nil {
		return s.cfg.PublicURL.String() + "/"
	}
	scheme := "http"
	if s.cfg.TLS != nil {
		scheme = "https"
	}
	_, port, _ := net.SplitHostPort(s.cfg.Address)
	if at := s.Address(); at != nil {
		port = strconv.Itoa(at.Port)
	}
	return scheme + "://" + net.JoinHostPort(serving.NameOf(c), port) + "/"
}
