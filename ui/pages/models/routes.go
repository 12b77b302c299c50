// Package models has the pages of registered models and of their versions, with
// aliases, lineage, and what puts a version into service.
package models

import (
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/serving"
)

type section struct {
	*page.Site
	desk serving.Desk
}

// Routes brings the pages, and what can be done on them.
func Routes(r page.Routes, site *page.Site, desk serving.Desk) {
	s := &section{site, desk}
	r.Page("/models", s.models, page.Anybody)
	r.Page("/models/:name", s.model, page.Anybody)
	const version = "/models/:name/versions/:version"
	r.Page(version, s.version, page.Anybody)
	for _, at := range []string{"/models/:name", version} {
		r.Change(at+"/aliases", s.setAlias, page.Operate)
		r.Change(at+"/aliases/remove", s.removeAlias, page.Operate)
	}
	r.Change(version+"/deploy", s.deploy, page.Operate)
	r.Change(version+"/serve", s.serve(false), page.Operate)
	r.Change(version+"/serve/override", s.serve(true), page.Operate)
}
