package appliance

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// addOne is what to do in a lab without projects.
const addOne = "add one with `benchtop project add " + DefaultProject + "`"

// Train requests a training. A project that is not there is answered with
// those that are.
func (s steps) Train(ctx context.Context, project string) (mlops.Training, error) {
	t, err := s.Loop.Train(ctx, project)
	if mlops.CodeOf(err) == mlops.NotFound {
		err = s.port.noProject(ctx, project)
	}
	return t, err
}

// noProject says that a project is not there, and what is.
func (p loopPort) noProject(ctx context.Context, name string) error {
	projects, err := p.Projects(ctx)
	if err != nil {
		return err
	}
	if len(projects) == 0 {
		return mlops.Errorf(mlops.NotFound, "there is no project %q, the lab has none yet: %s", name, addOne)
	}
	names := make([]string, 0, len(projects))
	for _, p := range projects {
		names = append(names, p.Name)
	}
	return mlops.Errorf(mlops.NotFound, "there is no project %q: expected one of %s", name, strings.Join(names, ", "))
}

// Project returns one project.
func (p loopPort) Project(ctx context.Context, name string) (mlops.Project, error) {
	store, err := p.rows()
	if err != nil {
		return mlops.Project{}, err
	}
	out, err := store.Projects.Project(ctx, name)
	if mlops.CodeOf(err) == mlops.NotFound {
		err = p.noProject(ctx, name)
	}
	return out, err
}

// packages are what the environment of a project's code holds.
func (p loopPort) packages(ctx context.Context, project mlops.Project) ([]mlops.EnvironmentPackage, error) {
	if project.CodeEnvironment == "" {
		return nil, nil
	}
	store, err := p.rows()
	if err != nil {
		return nil, err
	}
	e, err := store.Projects.Environment(ctx, project.Name, project.CodeEnvironment)
	if mlops.CodeOf(err) == mlops.NotFound { // the next training asks anew
		err = nil
	}
	return e.Packages, err
}

// AddProject makes a project.
func (s steps) AddProject(ctx context.Context, req mlops.ProjectRequest) (mlops.Project, error) {
	return s.Loop.Add(ctx, req)
}

// EditProject changes a project.
func (s steps) EditProject(ctx context.Context, name string, edit mlops.ProjectEdit) (mlops.Project, error) {
	out, err := s.Loop.Edit(ctx, name, edit)
	if mlops.CodeOf(err) == mlops.NotFound {
		err = s.port.noProject(ctx, name)
	}
	return out, err
}

// DeleteProject begins to delete a project.
func (s steps) DeleteProject(ctx context.Context, name string) (mlops.Project, error) {
	out, err := s.Loop.Delete(ctx, name)
	if mlops.CodeOf(err) == mlops.NotFound {
		err = s.port.noProject(ctx, name)
	}
	return out, err
}

// ProjectDetails is a project with what it does next and did last.
type ProjectDetails struct {
	mlops.Project
	NextTraining time.Time         `json:"next_training,omitzero"`
	LastTraining *mlops.Training   `json:"last_training,omitempty"`
	Deployment   *mlops.Deployment `json:"deployment,omitempty"`
	// Packages are what its code has besides the lab's Python.
	Packages []mlops.EnvironmentPackage `json:"packages,omitempty"`
}

func (c *control) projectCalls(mux *http.ServeMux) {
	port := c.a.loopPort
	mux.HandleFunc("GET /v1/projects", func(w http.ResponseWriter, r *http.Request) {
		projects, err := port.Projects(r.Context())
		deployments, _ := port.Deployments(r.Context())
		next, _ := port.NextTrainings(r.Context())
		out := make([]ProjectDetails, 0, len(projects))
		for _, p := range projects {
			out = append(out, c.details(r.Context(), p, deployments, next))
		}
		c.answer(w, http.StatusOK, out, err)
	})
	mux.HandleFunc("GET /v1/projects/{project}", func(w http.ResponseWriter, r *http.Request) {
		p, err := port.Project(r.Context(), r.PathValue("project"))
		if err != nil {
			c.fail(w, err)
			return
		}
		deployments, _ := port.Deployments(r.Context())
		next, _ := port.NextTrainings(r.Context())
		out := c.details(r.Context(), p, deployments, next)
		out.Packages, err = port.packages(r.Context(), p)
		c.answer(w, http.StatusOK, out, err)
	})
	mux.HandleFunc("POST /v1/projects", func(w http.ResponseWriter, r *http.Request) {
		var req mlops.ProjectRequest
		if err := decodeCall(r, &req); err != nil {
			c.fail(w, err)
			return
		}
		c.answerStep(w, http.StatusCreated, func(s steps) (any, error) { return s.AddProject(r.Context(), req) })
	})
	mux.HandleFunc("PATCH /v1/projects/{project}", func(w http.ResponseWriter, r *http.Request) {
		var edit mlops.ProjectEdit
		if err := decodeCall(r, &edit); err != nil {
			c.fail(w, err)
			return
		}
		c.answerStep(w, http.StatusOK, func(s steps) (any, error) { return s.EditProject(r.Context(), r.PathValue("project"), edit) })
	})
	mux.HandleFunc("DELETE /v1/projects/{project}", func(w http.ResponseWriter, r *http.Request) {
		c.answerStep(w, http.StatusAccepted, func(s steps) (any, error) { return s.DeleteProject(r.Context(), r.PathValue("project")) })
	})
}

func (c *control) details(ctx context.Context, p mlops.Project, deployments []mlops.Deployment, next map[string]time.Time) ProjectDetails {
	s := c.a.projectStatus(ctx, p, deployments)
	return ProjectDetails{Project: p, NextTraining: next[p.Name], LastTraining: s.Training, Deployment: s.Deployment}
}

func decodeCall(r *http.Request, v any) error {
	dec := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		if mlops.CodeOf(err) != mlops.Internal {
			return err
		}
		return mlops.Errorf(mlops.Invalid, "the request cannot be read: %v", err)
	}
	return nil
}

// Projects returns all projects.
func (c *Control) Projects(ctx context.Context) ([]ProjectDetails, error) {
	var all []ProjectDetails
	return all, c.call(ctx, http.MethodGet, "/v1/projects", nil, &all)
}

// Project returns one project.
func (c *Control) Project(ctx context.Context, name string) (ProjectDetails, error) {
	var p ProjectDetails
	return p, c.call(ctx, http.MethodGet, "/v1/projects/"+url.PathEscape(name), nil, &p)
}

// AddProject makes a project.
func (c *Control) AddProject(ctx context.Context, req mlops.ProjectRequest) (mlops.Project, error) {
	return c.changeProject(ctx, http.MethodPost, "", req)
}

// EditProject changes a project.
func (c *Control) EditProject(ctx context.Context, name string, edit mlops.ProjectEdit) (mlops.Project, error) {
	return c.changeProject(ctx, http.MethodPatch, "/"+url.PathEscape(name), edit)
}

func (c *Control) changeProject(ctx context.Context, method, path string, v any) (mlops.Project, error) {
	var p mlops.Project
	return p, c.send(ctx, method, "/v1/projects"+path, v, &p)
}

// DeleteProject deletes a project and waits until it is gone, or ctx ends:
// the appliance goes on with it.
func (c *Control) DeleteProject(ctx context.Context, name string) error {
	var p mlops.Project
	if err := c.call(ctx, http.MethodDelete, "/v1/projects/"+url.PathEscape(name), nil, &p); err != nil {
		return err
	}
	return untilGone(ctx, "project "+name, "benchtop project list", p.ID, func() (int64, error) {
		now, err := c.Project(ctx, name)
		return now.ID, err
	})
}

// untilGone waits until what is being deleted is not found any more, or another
// has its name; command shows it until then.
func untilGone(ctx context.Context, what, command string, id int64, idOf func() (int64, error)) error {
	for {
		now, err := idOf()
		if mlops.CodeOf(err) == mlops.NotFound || err == nil && now != id {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return mlops.Errorf(mlops.Unavailable, "%s is still being deleted: `%s` shows it until it is gone", what, command)
		}
	}
}
