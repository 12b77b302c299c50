// Package projects has the pages of projects, which say what is trained on what
// and when.
package projects

import (
	"net/http"

	"github.com/labstack/echo/v4"

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
	at      func(c echo.Context) string // where the pages are for whoever asks
}

// Routes brings the pages, what can be done on them, and the same for programs.
func Routes(r page.Routes, site *page.Site, samples []Sample, at func(c echo.Context) string) {
	s := &section{site, samples, at}
	r.Page("/projects", s.projects, page.Anybody)
	r.Page("/projects/:name", s.project, page.Anybody)
	r.Change("/projects", s.addProject, page.Operate)
	r.Change("/projects/:name/edit", s.editProject, page.Operate)
	r.Change("/projects/:name/delete", s.deleteProject, page.Administer)

	r.Call(http.MethodGet, "/projects", s.apiProjects, page.Anybody)
	r.Call(http.MethodPost, "/projects", s.apiAddProject, page.Operate)
	r.Call(http.MethodGet, "/projects/:project", s.apiProject, page.Anybody)
	r.Call(http.MethodPatch, "/projects/:project", s.apiEditProject, page.Operate)
	r.Call(http.MethodPost, "/projects/:project/code", s.apiPush, page.Operate)
	r.Call(http.MethodGet, "/projects/:project/pushes/:training", s.apiPushState, page.Anybody)
	r.Call(http.MethodGet, "/projects/:project/pushes/:training/log", s.apiPushLog, page.Anybody)
	r.Call(http.MethodDelete, "/projects/:project", s.apiDeleteProject, page.Administer)
}
