package deployments

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

func (s *section) apiDeployments(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	ds, err := s.Loop.Deployments(ctx)
	if err != nil {
		return err
	}
	if ds == nil {
		ds = []mlops.Deployment{}
	}
	return c.JSONPretty(http.StatusOK, map[string]any{"deployments": ds}, "  ")
}

func (s *section) apiDeployment(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	d, err := s.desk.Find(ctx, c.Param("name"))
	if err != nil {
		return err
	}
	return c.JSONPretty(http.StatusOK, d, "  ")
}

// maxRevisions bounds how much history one answer shows.
const maxRevisions = 1000

func (s *section) apiRevisions(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	rs, err := s.Loop.Revisions(ctx, c.Param("name"), maxRevisions)
	if err != nil {
		return err
	}
	if rs == nil {
		rs = []mlops.Revision{}
	}
	return c.JSONPretty(http.StatusOK, map[string]any{"revisions": rs}, "  ")
}

func (s *section) apiPromote(c echo.Context) error {
	var in struct {
		Version  int    `json:"version"`
		Override bool   `json:"override"`
		Reason   string `json:"reason"`
	}
	if err := page.ReadJSON(c, &in, `{"version": 3, "reason": "…", "override": false}`); err != nil {
		return err
	}
	if in.Version < 1 {
		return mlops.Errorf(mlops.Invalid, "version is %d: expected the number of a model version, from 1", in.Version)
	}
	return s.answerRevision(c)(s.Steps.Promote(c.Request().Context(), c.Param("name"), in.Version, in.Override, page.ActOf(c, in.Reason)))
}

func (s *section) apiRollback(c echo.Context) error {
	var in struct {
		To     int    `json:"to"`
		Reason string `json:"reason"`
	}
	if err := page.ReadJSON(c, &in, `{"to": 3, "reason": "…"}`); err != nil {
		return err
	}
	return s.answerRevision(c)(s.Steps.Rollback(c.Request().Context(), c.Param("name"), in.To, page.ActOf(c, in.Reason)))
}

// decision is Loop.Approve or Loop.Reject.
type decision func(s ports.Steps, ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error)

func (s *section) apiDecide(how decision) echo.HandlerFunc {
	return func(c echo.Context) error {
		var in struct {
			Revision int    `json:"revision"`
			Reason   string `json:"reason"`
		}
		if err := page.ReadJSON(c, &in, `{"revision": 3, "reason": "…"}`); err != nil {
			return err
		}
		return s.answerRevision(c)(how(s.Steps, c.Request().Context(), c.Param("name"), in.Revision, page.ActOf(c, in.Reason)))
	}
}

func (s *section) answerRevision(c echo.Context) func(mlops.Revision, error) error {
	return func(r mlops.Revision, err error) error {
		if err != nil {
			return err
		}
		s.Log().Info("what is served was changed", "deployment", r.Deployment, "revision", r.Number, "version", r.Version, "state", r.State, "by", page.VisitorOf(c).Principal.Name)
		return c.JSONPretty(http.StatusOK, r, "  ")
	}
}

func (s *section) apiHold(pinned, paused *bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		d, err := s.Steps.Hold(c.Request().Context(), c.Param("name"), pinned, paused)
		if err != nil {
			return err
		}
		s.Log().Info("deployment changed", "deployment", d.Name, "pinned", d.Pinned, "paused", d.Paused, "by", page.VisitorOf(c).Principal.Name)
		return c.JSONPretty(http.StatusOK, d, "  ")
	}
}

// apiSetGates takes gates as JSON, in the layout of quality_gates.yaml.
func (s *section) apiSetGates(c echo.Context) error {
	var g mlops.Gates
	// No gates are an empty object; no body at all is a mistake.
	if err := page.DecodeBody(c, &g, `{"metrics": {"accuracy": {"minimum": 0.9}}, "approval": "required"}`); errors.Is(err, io.EOF) {
		return mlops.Errorf(mlops.Invalid, `the body is empty: expected a JSON object such as {"metrics": {"accuracy": {"minimum": 0.9}}}, or {} for no gates`)
	} else if err != nil {
		return err
	}
	if err := s.Loop.SetGates(c.Request().Context(), c.Param("project"), g); err != nil {
		return err
	}
	s.Log().Info("gates changed", "project", c.Param("project"), "by", page.VisitorOf(c).Principal.Name)
	return c.JSONPretty(http.StatusOK, g, "  ")
}

func (s *section) apiGates(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	ps, err := s.Loop.Projects(ctx)
	if err != nil {
		return err
	}
	for _, p := range ps {
		if p.Name == c.Param("project") {
			return c.JSONPretty(http.StatusOK, p.Gates, "  ")
		}
	}
	return mlops.Errorf(mlops.NotFound, "There is no project %s.", strconv.Quote(c.Param("project")))
}
