// Package projects has the pages of projects, which say what is trained on what
// and when.
package projects

import (
	"net/http"

	"github.com/benchtop-lab/benchtop/ui/page"
)

// Sample is a project that comes with its data.
type Sample struct {
	Name, Title    string
	Rows, Features int
}

type section struct {
	*page.Site
	samples []Sample
}

// Routes brings the pages, what can be done on them, and the same for programs.
func Routes(r page.Routes, site *page.Site, samples []Sample) {
	s := &section{site, samples}
	r.Page("/projects", s.projects, page.Anybody)
	r.Page("/projects/:name", s.project, page.Anybody)
	r.Change("/projects", s.addProject, page.Operate)
	r.Change("/projects/:name/edit", s.editProject, page.Operate)
	r.Change("/projects/:name/delete", s.deleteProject, page.Administer)

	r.Call(http.MethodGet, "/projects", s.apiProjects, page.Anybody)
	r.Call(http.MethodPost, "/projects", s.apiAddProject, page.Operate)
	r.Call(http.MethodGet, "/projects/:project", s.apiProject, page.Anybody)
	r.Call(http.MethodPatch, "/projects/:project", s.apiEditProject, page.Operate)
	r.Call(http.MethodDelete, "/projects/:project", s.apiDeleteProject, page.Administer)
}
