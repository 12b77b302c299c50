package projects

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
)

// apiPush takes the code of a project, a tar.gz of its folder.
func (s *section) apiPush(c echo.Context) error {
	req, err := mlops.ParsePush(c.Param("project"), c.QueryParams())
	if err != nil {
		return err
	}
	req.By = page.VisitorOf(c).Principal.Name
	answer, err := s.Pushes.Push(c.Request().Context(), req, c.Request().Body)
	if err != nil {
		return err
	}
	if answer.Pushed == nil {
		return c.JSONPretty(http.StatusOK, answer, "  ")
	}
	s.changedProject(c, "code pushed", req.Project)
	return c.JSONPretty(http.StatusCreated, answer, "  ")
}

// pushOf is the training that an address names.
func pushOf(c echo.Context) (project string, training int64, err error) {
	project = c.Param("project")
	training, err = strconv.ParseInt(c.Param("training"), 10, 64)
	if err != nil || training < 1 {
		return project, 0, mlops.Errorf(mlops.NotFound, "There is no training %q: expected its number.", c.Param("training"))
	}
	return project, training, nil
}

func (s *section) apiPushState(c echo.Context) error {
	project, training, err := pushOf(c)
	if err != nil {
		return err
	}
	state, err := s.Pushes.PushState(c.Request().Context(), project, training)
	if err != nil {
		return err
	}
	return c.JSONPretty(http.StatusOK, state, "  ")
}

// apiPushLog answers with what a training says, as it says it, until it ends.
func (s *section) apiPushLog(c echo.Context) error {
	project, training, err := pushOf(c)
	if err != nil {
		return err
	}
	w := c.Response()
	begin := func() {
		if !w.Committed {
			w.Header().Set(echo.HeaderContentType, "text/plain; charset=utf-8")
			w.Header().Set(echo.HeaderCacheControl, "no-store")
			w.WriteHeader(http.StatusOK)
			w.Flush()
		}
	}
	err = s.Pushes.PushLog(c.Request().Context(), project, training, func(lines []mlops.LogLine) error {
		begin()
		for _, l := range lines {
			if _, err := w.Write([]byte(l.Text + "\n")); err != nil {
				return err
			}
		}
		w.Flush()
		return nil
	})
	if err == nil {
		begin()
	}
	return err
}
