package labs

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
)

func (s *section) apiCatalogue(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	all, err := s.Labs.Catalogue(ctx, who(c))
	if err != nil {
		return err
	}
	return c.JSONPretty(http.StatusOK, map[string]any{"labs": all}, "  ")
}

func (s *section) apiLab(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	v, err := s.Labs.Lab(ctx, who(c), c.Param("lab"))
	if err != nil {
		return err
	}
	return c.JSONPretty(http.StatusOK, v, "  ")
}

func (s *section) apiExport(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	all, err := s.Labs.Export(ctx, who(c))
	if err != nil {
		return err
	}
	return c.JSONPretty(http.StatusOK, map[string]any{"user": who(c), "sessions": all}, "  ")
}

// call is a change that a program asks for.
type call struct {
	*page.Call
	user, lab string
}

func answerCall(h func(*call) (any, error)) echo.HandlerFunc {
	return page.AnswerCall(func(c *page.Call) (any, error) { return h(&call{c, who(c), c.Param("lab")}) })
}

// view is what has become of the lab, if err is nil.
func (s *section) view(c *call, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return s.Labs.Lab(c.Ctx, c.user, c.lab)
}

// ofTask is the body of what is about one task.
type ofTask struct {
	Task string `json:"task"`
}

func (s *section) apiStart(c *call) (any, error) {
	var in struct {
		Timed bool `json:"timed"`
	}
	if err := page.ReadJSON(c, &in, `{"timed": true}`); err != nil {
		return nil, err
	}
	return s.view(c, s.Labs.Start(c.Ctx, c.user, c.lab, in.Timed))
}

func (s *section) apiLeave(c *call) (any, error) {
	var in struct {
		Sure bool `json:"sure"`
	}
	if err := page.ReadJSON(c, &in, `{"sure": true}`); err != nil {
		return nil, err
	}
	return s.view(c, mlops.LabSure(s.Labs.Leave(c.Ctx, c.user, c.lab, in.Sure), `{"sure": true}`))
}

func (s *section) apiCheck(c *call) (any, error) {
	var in ofTask
	if err := page.ReadJSON(c, &in, `{"task": "service"}`); err != nil {
		return nil, err
	}
	return s.view(c, s.Labs.Check(c.Ctx, c.user, c.lab, in.Task))
}

func (s *section) apiHint(c *call) (any, error) {
	var in ofTask
	if err := page.ReadJSON(c, &in, `{"task": "service"}, or {} for the fault that is looked for`); err != nil {
		return nil, err
	}
	return s.Labs.Hint(c.Ctx, c.user, c.lab, in.Task)
}

func (s *section) apiAnswer(c *call) (any, error) {
	const example = `{"task": "service", "question": "many", "answer": "2"}`
	var in struct {
		ofTask
		Question string `json:"question"`
		Answer   string `json:"answer"`
	}
	if err := page.ReadJSON(c, &in, example); err != nil {
		return nil, err
	}
	if in.Task == "" || in.Question == "" || in.Answer == "" {
		return nil, mlops.Errorf(mlops.Invalid, "task, question and answer are expected, for example %s", example)
	}
	return s.Labs.Answer(c.Ctx, c.user, c.lab, in.Task, in.Question, in.Answer)
}

func (s *section) apiReset(c *call) (any, error) {
	var in ofTask
	if err := page.ReadJSON(c, &in, `{"task": "service"}, or {} for the whole lab`); err != nil {
		return nil, err
	}
	return s.view(c, s.Labs.Reset(c.Ctx, c.user, c.lab, in.Task))
}

func (s *section) apiBreak(c *call) (any, error) {
	var in struct {
		Seed  int64 `json:"seed"`
		Timed bool  `json:"timed"`
	}
	if err := page.ReadJSON(c, &in, `{"seed": 7, "timed": true}`); err != nil {
		return nil, err
	}
	return s.view(c, s.Labs.Break(c.Ctx, c.user, c.lab, in.Seed, in.Timed))
}

func (s *section) apiGiveUp(c *call) (any, error) {
	if err := page.ReadJSON(c, &struct{}{}, `{}`); err != nil {
		return nil, err
	}
	return s.view(c, s.Labs.GiveUp(c.Ctx, c.user, c.lab))
}

func (s *section) apiSolve(c *call) (any, error) {
	const example = `{"task": "service"}`
	var in ofTask
	if err := page.ReadJSON(c, &in, example); err != nil {
		return nil, err
	}
	if in.Task == "" {
		return nil, mlops.Errorf(mlops.Invalid, "which task? Expected %s", example)
	}
	out, err := s.Labs.Solve(c.Ctx, c.user, c.lab, in.Task)
	return map[string]string{"output": out}, err
}
