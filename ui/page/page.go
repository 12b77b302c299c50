// Package page is the seam between the server and the pages: what a page is,
// what its handler gets, and how its routes are registered. See ../DESIGN.md.
package page

import (
	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/ui/view"
)

// Page is what a page's handler makes of a request. The same value serves
// the first rendering and, through parts and charts, every live update.
type Page struct {
	Status int // 200 if zero
	Title  string
	Nav    string // which entry of the navigation is current
	Bare   bool   // without navigation
	Body   templ.Component
	Parts  []Part       // what changes while the page is open
	Charts []view.Chart // their data travels apart from the markup
	View   string       // what kind of page this is, where one address has several
	// Terminal says that the page has one, and so needs its script.
	Terminal bool
	// Changed, if not nil, is closed when what the page shows has changed: its
	// readers see that at once. It was asked for before the rest was read.
	Changed <-chan struct{}
}

// Part is a piece of a page that is replaced as a whole when it changes.
type Part struct {
	Name string
	Body templ.Component
}

// Func is a page's handler.
type Func func(c echo.Context) (*Page, error)

// Refused turns a page into the answer to a form that was refused. It is not
// live: the address of the event stream would be that of the plain page.
func (p *Page) Refused(status int) *Page {
	p.Status, p.Parts = status, nil
	return p
}
