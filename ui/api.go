package ui

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/ui/health"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/pages/projects"
)

// healthz says whether everything serves, and nothing else, because it asks
// for no credentials.
func (s *Server) healthz(c echo.Context) error {
	ready, total, state := health.Readiness(s.site.Units.Status(0))
	status := http.StatusOK
	if state != "ready" {
		status = http.StatusServiceUnavailable
	}
	return c.JSON(status, map[string]any{"status": state, "ready": ready, "total": total})
}

// Status is the answer of GET /api/status.
type Status struct {
	Version     string               `json:"version"`
	Components  []Component          `json:"components,omitempty"`
	State       string               `json:"state"` // starting, ready, degraded or stopping
	Time        time.Time            `json:"time"`
	Units       []supervise.Status   `json:"units,omitempty"` // as Machine: not for keys of single projects
	Machine     *mlops.MachineSample `json:"machine,omitempty"`
	Projects    []projects.Status    `json:"projects"`
	Deployments []mlops.Deployment   `json:"deployments"`
	Problems    []string             `json:"problems,omitempty"` // what could not be read, and why
}

// apiStatus answers with the state of everything, for programs.
func (s *Server) apiStatus(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	units := s.site.Units.Status(0)
	_, _, state := health.Readiness(units)
	out := Status{Version: s.cfg.Version, Components: s.cfg.Components, State: state, Time: s.site.Now().UTC(), Units: units,
		Projects: []projects.Status{}, Deployments: []mlops.Deployment{}}
	if page.VisitorOf(c).Principal.Limited() {
		out.Units = nil
	} else if p, ok := s.machine.Sampler.Last(); ok {
		out.Machine = &p.MachineSample
	}
	note := func(what string, err error) {
		if p := s.site.Problem(what, err); p != nil {
			out.Problems = append(out.Problems, what+": "+p.Message)
		}
	}
	all, err := s.site.Loop.Projects(ctx)
	note("projects", err)
	next, err := s.site.Loop.NextTrainings(ctx)
	note("schedules", err)
	trainings, err := s.site.Registry.NewestTrainings(ctx, 1)
	note("trainings", err)
	for _, p := range all {
		out.Projects = append(out.Projects, projects.Status{Project: p, NextTraining: next[p.Name],
			LastTraining: page.Find(trainings, func(t mlops.Training) bool { return t.Project == p.Name })})
	}
	ds, err := s.site.Loop.Deployments(ctx)
	note("deployments", err)
	out.Deployments = append(out.Deployments, ds...)
	return c.JSONPretty(http.StatusOK, out, "  ")
}
