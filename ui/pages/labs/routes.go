// Package labs has the guided labs: the catalogue, and the bench that one works at
// with text, terminal and a view of what is there.
package labs

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
)

type section struct {
	*page.Site
}

// Routes brings the pages, the terminal, what learners do on them, and the same
// for programs.
func Routes(r page.Routes, site *page.Site) {
	s := &section{site}
	operate := page.Access{Needs: mlops.Operate, Whole: true}
	r.Page("/labs", s.catalogue, page.WholeLab)
	r.Page("/labs/:lab", s.lab, page.WholeLab)
	r.Raw("/labs/:lab/terminal", s.terminal, operate)
	for name, h := range map[string]func(*visit) error{"start": s.start, "leave": s.leave, "check": s.check, "hint": s.hint, "answer": s.answer, "reset": s.reset,
		"break": s.breakIt, "give-up": s.giveUp, "solve": s.solve} {
		r.Change("/labs/:lab/"+name, s.change(h), operate)
	}

	browse := page.Access{Needs: mlops.Browse, Whole: true}
	read := func(path string, h echo.HandlerFunc) {
		r.Call(http.MethodGet, path, h, browse)
		r.Methods(path, "GET, HEAD", http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete)
	}
	read("/labs", s.apiCatalogue)
	read("/labs/export", s.apiExport)
	read("/labs/:lab", s.apiLab)
	for name, h := range map[string]func(*call) (any, error){"start": s.apiStart, "leave": s.apiLeave, "check": s.apiCheck, "hint": s.apiHint, "answer": s.apiAnswer,
		"reset": s.apiReset, "break": s.apiBreak, "give-up": s.apiGiveUp, "solve": s.apiSolve} {
		path := "/labs/:lab/" + name
		r.Call(http.MethodPost, path, answerCall(h), operate)
		r.Methods(path, "POST", http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete)
	}
}

// who is the name that labs know the one who asks by.
func who(c echo.Context) string { return page.VisitorOf(c).Principal.Name }

func (s *section) terminal(c echo.Context) error {
	user, lab := who(c), c.Param("lab")
	return s.Terminal(c, func(ctx context.Context, t mlops.LabTerminal) error { return s.Labs.Terminal(ctx, user, lab, t) })
}
