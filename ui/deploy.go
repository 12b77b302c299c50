package ui

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/serving"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// This file is how people and programs make further deployments, change how
// many servers they have, and delete them.

func (s *Server) deployRoutes(api *echo.Group, may echo.MiddlewareFunc) {
	api.Match([]string{http.MethodGet, http.MethodHead}, "/deployments", s.apiDeployments)
	api.POST("/deployments", s.apiDeploy, may)
	refuseOthers(api, "/deployments", "GET, HEAD, POST", http.MethodPut, http.MethodPatch, http.MethodDelete)
	api.Match([]string{http.MethodGet, http.MethodHead}, "/deployments/:name", s.apiDeployment)
	api.PATCH("/deployments/:name", s.apiScale, may)
	api.DELETE("/deployments/:name", s.apiUndeploy, may)
	refuseOthers(api, "/deployments/:name", "GET, HEAD, PATCH, DELETE", http.MethodPost, http.MethodPut)
}

// refuseOthers tells programs which methods an address has.
func refuseOthers(at *echo.Group, path, allow string, methods ...string) {
	at.Match(methods, path, func(c echo.Context) error {
		c.Response().Header().Set("Allow", allow)
		return echo.ErrMethodNotAllowed
	})
}

func (s *Server) apiDeploy(c echo.Context) error {
	var in struct {
		Model    string `json:"model"`
		Alias    string `json:"alias"`
		Version  int    `json:"version"`
		Name     string `json:"name"`
		Replicas *int   `json:"replicas"`
		Reason   string `json:"reason"`
	}
	if err := page.DecodeBody(c, &in, `{"model": "iris", "version": 3, "name": "iris-old", "replicas": 1}`); err != nil {
		return err
	}
	out, err := s.site.Steps.Deploy(c.Request().Context(), mlops.DeployRequest{Model: in.Model, Alias: in.Alias, Version: in.Version, Name: in.Name, Replicas: in.Replicas, Act: page.ActOf(c, in.Reason)})
	if err != nil {
		return err
	}
	s.desk.Deployed(c, out)
	status := http.StatusOK
	if out.Created {
		status = http.StatusCreated
	}
	return c.JSONPretty(status, out, "  ")
}

func (s *Server) apiScale(c echo.Context) error {
	var in struct {
		Replicas *int `json:"replicas"`
	}
	if err := page.DecodeBody(c, &in, `{"replicas": 2}`); err != nil {
		return err
	}
	if in.Replicas == nil {
		return mlops.Errorf(mlops.Invalid, "what should change? Expected replicas")
	}
	d, err := s.site.Steps.Scale(c.Request().Context(), c.Param("name"), *in.Replicas)
	if err != nil {
		return err
	}
	s.desk.Deployed(c, mlops.Deployed{Deployment: d, Changed: true})
	return c.JSONPretty(http.StatusOK, d, "  ")
}

func (s *Server) apiUndeploy(c echo.Context) error {
	d, err := s.site.Steps.Undeploy(context.WithoutCancel(c.Request().Context()), c.Param("name"))
	if err != nil {
		return err
	}
	s.site.Log().Info("deployment is being deleted", "deployment", d.Name, "by", page.VisitorOf(c).Principal.Name)
	return c.JSONPretty(http.StatusAccepted, d, "  ")
}

// deployForm is the form of a version's page, as it was sent if it was. It
// suggests the name that an empty field would mean.
func (s *Server) deployForm(c echo.Context, model string, version int, deployed []mlops.Deployment, sent *view.DeployForm) *view.DeployForm {
	f := view.DeployForm{Replicas: "1"}
	if sent != nil {
		f = *sent
	}
	f.Action, f.CSRF, f.Version = paths.Version(model, version)+"/deploy", page.VisitorOf(c).CSRF, paths.VersionText(version)
	f.Suggests = mlops.DeploymentName(model, "")
	if slices.ContainsFunc(deployed, func(d mlops.Deployment) bool { return d.Name == f.Suggests }) {
		f.Suggests = mlops.DeploymentName(model, strconv.Itoa(version))
	}
	return &f
}

// deploy makes a deployment of the version of the page and leads to it.
func (s *Server) deploy(c echo.Context) error {
	version, err := versionNumber(c.Param("version"))
	if err != nil {
		return err
	}
	form := view.DeployForm{Name: strings.TrimSpace(c.FormValue("name")), Replicas: strings.TrimSpace(c.FormValue("replicas"))}
	replicas, err := serving.ReplicasOf(form.Replicas)
	var out mlops.Deployed
	if err == nil {
		out, err = s.site.Steps.Deploy(c.Request().Context(), mlops.DeployRequest{Model: c.Param("name"), Version: version, Name: form.Name, Replicas: &replicas, Act: page.ActOf(c, "")})
	}
	if err != nil {
		form.Error = s.desk.Refusal(err)
		p, pageErr := s.versionPage(c, versionForms{deploy: &form})
		if pageErr != nil {
			return pageErr
		}
		p.Status, p.Parts = page.StatusOf(err), nil // the address of the event stream is that of the plain page
		return s.site.Render(c, p)
	}
	s.desk.Deployed(c, out)
	done := []string{"done", serving.DoneDeployed, "revision", "1"}
	if !out.Created {
		done = []string{"done", serving.DoneScaled}
	}
	return c.Redirect(http.StatusSeeOther, paths.WithQuery(paths.Deployment(out.Deployment.Name), done...))
}

// servers is the part of a deployment's page about its servers and its end,
// with what was refused.
func (s *Server) servers(c echo.Context, d mlops.Deployment, refused view.Servers) view.Servers {
	v := refused
	v.Operator, v.Name, v.Own, v.Project, v.Deleting, v.Max = page.May(c, mlops.Operate), d.Name, d.Own, d.Project, d.Deleting, mlops.MaxReplicas
	if v.Operator {
		v.CSRF = page.VisitorOf(c).CSRF
	}
	if v.Error == "" {
		v.Replicas = strconv.Itoa(d.Replicas)
	}
	if c.QueryParam("done") == serving.DoneScaled {
		v.Notice = &view.Notice{Kind: view.Good, Text: fmt.Sprintf("It ought to have %d servers, and %d are ready.", d.Replicas, d.Ready)}
	}
	return v
}

func (s *Server) setReplicas(c echo.Context) error {
	d, _, err := s.desk.ChangeOf(c, c.Param("name"))
	if err != nil {
		return err
	}
	text := strings.TrimSpace(c.FormValue("replicas"))
	n, err := serving.ReplicasOf(text)
	if err == nil {
		d, err = s.site.Steps.Scale(c.Request().Context(), d.Name, n)
	}
	if err != nil {
		return s.refuseDeployment(c, deploymentForms{servers: view.Servers{Replicas: text, Error: s.desk.Refusal(err)}}, page.StatusOf(err))
	}
	s.desk.Deployed(c, mlops.Deployed{Deployment: d, Changed: true})
	return c.Redirect(http.StatusSeeOther, paths.WithQuery(paths.Deployment(d.Name), "done", serving.DoneScaled)+"#servers")
}

func (s *Server) undeploy(c echo.Context) error {
	d, _, err := s.desk.ChangeOf(c, c.Param("name"))
	if err != nil {
		return err
	}
	if strings.TrimSpace(c.FormValue("confirm")) != d.Name {
		return s.refuseDeployment(c, deploymentForms{servers: view.Servers{DeleteError: fmt.Sprintf("Nothing was deleted: type %s to delete it.", d.Name)}}, http.StatusBadRequest)
	}
	if _, err := s.site.Steps.Undeploy(context.WithoutCancel(c.Request().Context()), d.Name); err != nil {
		return s.refuseDeployment(c, deploymentForms{servers: view.Servers{DeleteError: s.desk.Refusal(err)}}, page.StatusOf(err))
	}
	s.site.Log().Info("deployment is being deleted", "deployment", d.Name, "by", page.VisitorOf(c).Principal.Name)
	return c.Redirect(http.StatusSeeOther, "/deployments")
}
