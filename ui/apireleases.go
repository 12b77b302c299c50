package ui

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// releaseRoutes are what programs change and read of what is served.
func (s *Server) releaseRoutes(api *echo.Group) {
	endpoint(api, "/deployments/:name/revisions", s.apiRevisions)
	may := s.require(mlops.Operate)
	s.deployRoutes(api, may)
	api.POST("/deployments/:name/promote", s.apiPromote, may)
	api.POST("/deployments/:name/rollback", s.apiRollback, may)
	api.POST("/deployments/:name/approve", s.apiDecide(Loop.Approve), may)
	api.POST("/deployments/:name/reject", s.apiDecide(Loop.Reject), may)
	yes, no := true, false
	for path, hold := range map[string][2]*bool{"pin": {&yes, nil}, "unpin": {&no, nil}, "pause": {nil, &yes}, "resume": {nil, &no}} {
		api.POST("/deployments/:name/"+path, s.apiHold(hold[0], hold[1]), may)
	}
	api.GET("/projects/:project/gates", s.apiGates)
	api.PUT("/projects/:project/gates", s.apiSetGates, may)
}

func (s *Server) apiDeployments(c echo.Context) error {
	ctx, cancel := gather(c)
	defer cancel()
	ds, err := s.cfg.Loop.Deployments(ctx)
	if err != nil {
		return err
	}
	if ds == nil {
		ds = []mlops.Deployment{}
	}
	return c.JSONPretty(http.StatusOK, map[string]any{"deployments": ds}, "  ")
}

func (s *Server) apiDeployment(c echo.Context) error {
	ctx, cancel := gather(c)
	defer cancel()
	d, err := s.findDeployment(ctx, c.Param("name"))
	if err != nil {
		return err
	}
	return c.JSONPretty(http.StatusOK, d, "  ")
}

// maxRevisions bounds how much history one answer shows.
const maxRevisions = 1000

func (s *Server) apiRevisions(c echo.Context) error {
	ctx, cancel := gather(c)
	defer cancel()
	rs, err := s.cfg.Loop.Revisions(ctx, c.Param("name"), maxRevisions)
	if err != nil {
		return err
	}
	if rs == nil {
		rs = []mlops.Revision{}
	}
	return c.JSONPretty(http.StatusOK, map[string]any{"revisions": rs}, "  ")
}

// readJSON reads the body of a change, of which nothing need be said: no body at
// all is an empty one.
func readJSON(c echo.Context, into any, example string) error {
	if err := decodeBody(c, into, example); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func actOf(c echo.Context, reason string) mlops.Act {
	return mlops.Act{By: visitorOf(c).principal.Name, Reason: reason}
}

func (s *Server) apiPromote(c echo.Context) error {
	var in struct {
		Version  int    `json:"version"`
		Override bool   `json:"override"`
		Reason   string `json:"reason"`
	}
	if err := readJSON(c, &in, `{"version": 3, "reason": "…", "override": false}`); err != nil {
		return err
	}
	if in.Version < 1 {
		return mlops.Errorf(mlops.Invalid, "version is %d: expected the number of a model version, from 1", in.Version)
	}
	return s.answerRevision(c)(s.cfg.Loop.Promote(c.Request().Context(), c.Param("name"), in.Version, in.Override, actOf(c, in.Reason)))
}

func (s *Server) apiRollback(c echo.Context) error {
	var in struct {
		To     int    `json:"to"`
		Reason string `json:"reason"`
	}
	if err := readJSON(c, &in, `{"to": 3, "reason": "…"}`); err != nil {
		return err
	}
	return s.answerRevision(c)(s.cfg.Loop.Rollback(c.Request().Context(), c.Param("name"), in.To, actOf(c, in.Reason)))
}

// decision is Loop.Approve or Loop.Reject.
type decision func(l Loop, ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error)

func (s *Server) apiDecide(how decision) echo.HandlerFunc {
	return func(c echo.Context) error {
		var in struct {
			Revision int    `json:"revision"`
			Reason   string `json:"reason"`
		}
		if err := readJSON(c, &in, `{"revision": 3, "reason": "…"}`); err != nil {
			return err
		}
		return s.answerRevision(c)(how(s.cfg.Loop, c.Request().Context(), c.Param("name"), in.Revision, actOf(c, in.Reason)))
	}
}

func (s *Server) answerRevision(c echo.Context) func(mlops.Revision, error) error {
	return func(r mlops.Revision, err error) error {
		if err != nil {
			return err
		}
		s.logger().Info("what is served was changed", "deployment", r.Deployment, "revision", r.Number, "version", r.Version, "state", r.State, "by", visitorOf(c).principal.Name)
		return c.JSONPretty(http.StatusOK, r, "  ")
	}
}

func (s *Server) apiHold(pinned, paused *bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		d, err := s.cfg.Loop.Hold(c.Request().Context(), c.Param("name"), pinned, paused)
		if err != nil {
			return err
		}
		s.logger().Info("deployment changed", "deployment", d.Name, "pinned", d.Pinned, "paused", d.Paused, "by", visitorOf(c).principal.Name)
		return c.JSONPretty(http.StatusOK, d, "  ")
	}
}

// apiSetGates takes gates as JSON, in the layout of quality_gates.yaml.
func (s *Server) apiSetGates(c echo.Context) error {
	var g mlops.Gates
	// No gates are an empty object; no body at all is a mistake.
	if err := decodeBody(c, &g, `{"metrics": {"accuracy": {"minimum": 0.9}}, "approval": "required"}`); errors.Is(err, io.EOF) {
		return mlops.Errorf(mlops.Invalid, `the body is empty: expected a JSON object such as {"metrics": {"accuracy": {"minimum": 0.9}}}, or {} for no gates`)
	} else if err != nil {
		return err
	}
	if err := s.cfg.Loop.SetGates(c.Request().Context(), c.Param("project"), g); err != nil {
		return err
	}
	s.logger().Info("gates changed", "project", c.Param("project"), "by", visitorOf(c).principal.Name)
	return c.JSONPretty(http.StatusOK, g, "  ")
}

func (s *Server) apiGates(c echo.Context) error {
	ctx, cancel := gather(c)
	defer cancel()
	ps, err := s.cfg.Loop.Projects(ctx)
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
