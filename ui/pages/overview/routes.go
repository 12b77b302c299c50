// Package overview is the first page: how far the start is, then the loop of each
// project.
package overview

import (
	"github.com/benchtop-lab/benchtop/ui/charts"
	"github.com/benchtop-lab/benchtop/ui/health"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/runtable"
)

type section struct {
	*page.Site
	health health.Machine
	charts *charts.Reader
	tables runtable.Tables
}

// Routes brings the page.
func Routes(r page.Routes, site *page.Site, machine health.Machine) {
	s := &section{site, machine, machine.Series, runtable.Tables{Site: site}}
	r.Page("/", s.overview, page.Anybody)
}
