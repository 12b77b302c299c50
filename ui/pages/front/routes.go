// Package front is what the ingress shows where nothing is.
package front

import (
	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/serving"
)

type section struct {
	*page.Site
	desk    serving.Desk
	pagesAt func(echo.Context) string
	offered offered
}

// Routes brings the page, which strangers may see; pagesAt is where all others
// are for whoever asks.
func Routes(r page.Routes, site *page.Site, desk serving.Desk, pagesAt func(echo.Context) string) {
	s := &section{Site: site, desk: desk, pagesAt: pagesAt}
	r.Open(Prefix, s.front)
	r.Open(Prefix+"/*", s.front)
}
