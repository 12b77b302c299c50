package projects

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
)

// Status is a project with what it does next and did last.
type Status struct {
	mlops.Project
	NextTraining time.Time       `json:"next_training,omitzero"`
	LastTraining *mlops.Training `json:"last_training,omitempty"`
}

func (s *section) apiProjects(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	projects, err := s.Loop.Projects(ctx)
	if err != nil {
		return err
	}
	out, err := s.projectStatuses(ctx, projects)
	if err != nil {
		return err
	}
	return c.JSONPretty(http.StatusOK, map[string]any{"projects": out}, "  ")
}

func (s *section) apiProject(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	p, err := s.findProject(ctx, c.Param("project"))
	if err != nil {
		return err
	}
	out, err := s.projectStatuses(ctx, []mlops.Project{p})
	if err != nil {
		return err
	}
	return c.JSONPretty(http.StatusOK, out[0], "  ")
}

// projectStatuses leaves out what a project that goes has no more. It asks once
// for all.
func (s *section) projectStatuses(ctx context.Context, projects []mlops.Project) ([]Status, error) {
	trainings, err := s.Registry.NewestTrainings(ctx, 1)
	if err != nil {
		return nil, err
	}
	next, err := s.Loop.NextTrainings(ctx)
	s.Problem("the schedules", err) // logged; the cluster may have none yet
	out := make([]Status, len(projects))
	for i, p := range projects {
		if out[i].Project = p; !p.Deleting {
			out[i].LastTraining, out[i].NextTraining = page.Find(trainings, func(t mlops.Training) bool { return t.Project == p.Name }), next[p.Name]
		}
	}
	return out, nil
}

func (s *section) apiAddProject(c echo.Context) error {
	var req mlops.ProjectRequest
	if err := page.DecodeBody(c, &req, `{"sample": "wine"} or {"name": "churn", "dataset": "churn"}`); err != nil {
		return err
	}
	p, err := s.Steps.AddProject(c.Request().Context(), req)
	if err != nil {
		return err
	}
	s.changedProject(c, "project added", p.Name)
	return c.JSONPretty(http.StatusCreated, p, "  ")
}

func (s *section) apiEditProject(c echo.Context) error {
	var edit mlops.ProjectEdit
	if err := page.DecodeBody(c, &edit, `{"dataset": "iris", "schedule": "0 * * * *", "time_zone": "UTC", "params": {"C": 0.5}, "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "2Gi"}}, "gpu": {"training": 1}, "environment": {"OMP_NUM_THREADS": "2", "OLD": null}}`); err != nil {
		return err
	}
	if edit == (mlops.ProjectEdit{}) {
		return mlops.Errorf(mlops.Invalid, "what should change? Expected dataset, schedule, time_zone, params, resources, gpu or environment")
	}
	p, err := s.Steps.EditProject(c.Request().Context(), c.Param("project"), edit)
	if err != nil {
		return err
	}
	s.changedProject(c, "project changed", p.Name)
	return c.JSONPretty(http.StatusOK, p, "  ")
}

func (s *section) apiDeleteProject(c echo.Context) error {
	p, err := s.Steps.DeleteProject(context.WithoutCancel(c.Request().Context()), c.Param("project"))
	if err != nil {
		return err
	}
	s.changedProject(c, "project is being deleted", p.Name)
	return c.JSONPretty(http.StatusAccepted, p, "  ")
}
