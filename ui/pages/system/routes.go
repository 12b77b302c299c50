// Package system has the pages of what the lab runs on: units, pods, images,
// objects and events.
package system

import (
	"github.com/benchtop-lab/benchtop/ui/charts"
	"github.com/benchtop-lab/benchtop/ui/health"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// About is what the process is made of.
type About struct {
	Version    string
	Components []view.Fact // embedded systems and their versions
	Licenses   string      // address of the licences of what the browser gets
}

type section struct {
	*page.Site
	health health.Machine
	charts *charts.Reader
	about  About
}

// Routes brings the pages.
func Routes(r page.Routes, site *page.Site, machine health.Machine, about About) {
	s := &section{site, machine, machine.Series, about}
	r.Page("/system", s.systemUnits, page.WholeLab)
	r.Page("/system/pods", s.systemPods, page.WholeLab)
	r.Page("/system/pods/:namespace/:name", s.systemPod, page.WholeLab)
	r.Page("/system/images", s.systemImages, page.WholeLab)
	r.Page("/system/objects", s.systemObjects, page.WholeLab)
	r.Page("/system/events", s.systemEvents, page.WholeLab)
}
