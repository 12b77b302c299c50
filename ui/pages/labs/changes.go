package labs

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// visit is a form of a learner. What it has begun goes on when the browser hangs
// up.
type visit struct {
	echo.Context
	ctx       context.Context
	user, lab string
	task      string
}

// change takes a form. Errors are sentences; the script shows them at the head of
// the bench, without it they are a page.
func (s *section) change(h func(*visit) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		return page.Sentence(h(&visit{c, context.WithoutCancel(c.Request().Context()), who(c), c.Param("lab"), c.FormValue("task")}))
	}
}

// back leads to where the form was.
func (v *visit) back() error {
	at := breakURL(v.lab)
	if v.task != "" {
		at = taskURL(v.lab, v.task)
	}
	return v.Redirect(http.StatusSeeOther, at)
}

// taskURL is the address of a task.
func taskURL(lab, task string) string { return pathOf(lab) + "?task=" + url.QueryEscape(task) }

// breakURL is the address of the search for a fault.
func breakURL(lab string) string { return pathOf(lab) + "?show=" + breakStep }

// then leads back if the change was made.
func (v *visit) then(err error) error {
	if err != nil {
		return err
	}
	return v.back()
}

func (s *section) start(v *visit) error {
	if err := s.Labs.Start(v.ctx, v.user, v.lab, v.FormValue("timed") != ""); err != nil {
		return err
	}
	s.Log().Info("a lab was started", "lab", v.lab, "by", v.user)
	return v.Redirect(http.StatusSeeOther, pathOf(v.lab))
}

// leave asks first if there is work in the lab.
func (s *section) leave(v *visit) error {
	err := s.Labs.Leave(v.ctx, v.user, v.lab, v.FormValue("sure") != "")
	if errors.Is(err, mlops.ErrUnsure) {
		if found, lookErr := s.Labs.Lab(v.ctx, v.user, v.lab); lookErr == nil {
			return s.Render(v, &page.Page{Status: page.StatusOf(err), Title: "Leave " + found.Title, Nav: "labs", Body: view.LabLeavePage(view.LabLeave{Title: "Leave " + found.Title + "?",
				Text: mlops.MessageOf(page.Sentence(err)), URL: pathOf(v.lab), CSRF: page.VisitorOf(v).CSRF})})
		}
	}
	if err != nil {
		return err
	}
	s.Log().Info("a lab was left", "lab", v.lab, "by", v.user)
	return v.Redirect(http.StatusSeeOther, "/labs")
}

func (s *section) check(v *visit) error {
	return v.then(s.Labs.Check(v.ctx, v.user, v.lab, v.task))
}

func (s *section) hint(v *visit) error {
	_, err := s.Labs.Hint(v.ctx, v.user, v.lab, v.task)
	return v.then(err)
}

func (s *section) answer(v *visit) error {
	given := strings.TrimSpace(v.FormValue("answer"))
	if given == "" {
		return mlops.Errorf(mlops.Invalid, "the answer is empty: choose one, or type a value")
	}
	_, err := s.Labs.Answer(v.ctx, v.user, v.lab, v.task, v.FormValue("question"), given)
	return v.then(err)
}

func (s *section) reset(v *visit) error {
	if err := s.Labs.Reset(v.ctx, v.user, v.lab, v.task); err != nil {
		return err
	}
	if v.task == "" {
		return v.Redirect(http.StatusSeeOther, pathOf(v.lab))
	}
	return v.back()
}

func (s *section) breakIt(v *visit) error {
	return v.then(s.Labs.Break(v.ctx, v.user, v.lab, 0, v.FormValue("timed") != ""))
}

func (s *section) giveUp(v *visit) error {
	return v.then(s.Labs.GiveUp(v.ctx, v.user, v.lab))
}

// solve answers with what the solution has printed, as it is kept nowhere.
func (s *section) solve(v *visit) error {
	if v.task == "" {
		return mlops.Errorf(mlops.Invalid, "which task? The form names none: reload the page and send it again")
	}
	out, err := s.Labs.Solve(v.ctx, v.user, v.lab, v.task)
	if err != nil {
		return err
	}
	if strings.HasPrefix(v.Request().Header.Get("Accept"), "application/json") {
		return v.JSON(http.StatusOK, map[string]string{"output": out})
	}
	v.QueryParams().Set("task", v.task) // what the page opens with
	p, err := s.labPage(v, &view.LabSolved{Task: v.task, Output: out})
	if err != nil {
		return err
	}
	return s.Render(v, p.Refused(http.StatusOK))
}
