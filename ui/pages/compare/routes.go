// Package compare is the page that shows runs side by side.
package compare

import (
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/runtable"
)

type section struct {
	*page.Site
	tables    runtable.Tables
	histories histories
}

// Routes brings the page.
func Routes(r page.Routes, site *page.Site) {
	s := &section{Site: site, tables: runtable.Tables{Site: site}}
	r.Page("/compare", s.compare, page.Anybody)
}
