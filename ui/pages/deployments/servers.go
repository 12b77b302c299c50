package deployments

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/serving"
	"github.com/benchtop-lab/benchtop/ui/view"
)

func (s *section) apiDeploy(c echo.Context) error {
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
	out, err := s.Steps.Deploy(c.Request().Context(), mlops.DeployRequest{Model: in.Model, Alias: in.Alias, Version: in.Version, Name: in.Name, Replicas: in.Replicas, Act: page.ActOf(c, in.Reason)})
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

func (s *section) apiScale(c echo.Context) error {
	var in struct {
		Replicas *int `json:"replicas"`
	}
	if err := page.DecodeBody(c, &in, `{"replicas": 2}`); err != nil {
		return err
	}
	if in.Replicas == nil {
		return mlops.Errorf(mlops.Invalid, "what should change? Expected replicas")
	}
	d, err := s.Steps.Scale(c.Request().Context(), c.Param("name"), *in.Replicas)
	if err != nil {
		return err
	}
	s.desk.Deployed(c, mlops.Deployed{Deployment: d, Changed: true})
	return c.JSONPretty(http.StatusOK, d, "  ")
}

func (s *section) apiUndeploy(c echo.Context) error {
	d, err := s.Steps.Undeploy(context.WithoutCancel(c.Request().Context()), c.Param("name"))
	if err != nil {
		return err
	}
	s.Log().Info("deployment is being deleted", "deployment", d.Name, "by", page.VisitorOf(c).Principal.Name)
	return c.JSONPretty(http.StatusAccepted, d, "  ")
}

// servers is the part of a deployment's page about its servers and its end,
// with what was refused.
func (s *section) servers(c echo.Context, d mlops.Deployment, refused view.Servers) view.Servers {
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

func (s *section) setReplicas(c echo.Context) error {
	d, _, err := s.desk.ChangeOf(c, c.Param("name"))
	if err != nil {
		return err
	}
	text := strings.TrimSpace(c.FormValue("replicas"))
	n, err := serving.ReplicasOf(text)
	if err == nil {
		d, err = s.Steps.Scale(c.Request().Context(), d.Name, n)
	}
	if err != nil {
		return s.refuseDeployment(c, deploymentForms{servers: view.Servers{Replicas: text, Error: s.desk.Refusal(err)}}, page.StatusOf(err))
	}
	s.desk.Deployed(c, mlops.Deployed{Deployment: d, Changed: true})
	return c.Redirect(http.StatusSeeOther, paths.WithQuery(paths.Deployment(d.Name), "done", serving.DoneScaled)+"#servers")
}

func (s *section) undeploy(c echo.Context) error {
	d, _, err := s.desk.ChangeOf(c, c.Param("name"))
	if err != nil {
		return err
	}
	if strings.TrimSpace(c.FormValue("confirm")) != d.Name {
		return s.refuseDeployment(c, deploymentForms{servers: view.Servers{DeleteError: fmt.Sprintf("Nothing was deleted: type %s to delete it.", d.Name)}}, http.StatusBadRequest)
	}
	if _, err := s.Steps.Undeploy(context.WithoutCancel(c.Request().Context()), d.Name); err != nil {
		return s.refuseDeployment(c, deploymentForms{servers: view.Servers{DeleteError: s.desk.Refusal(err)}}, page.StatusOf(err))
	}
	s.Log().Info("deployment is being deleted", "deployment", d.Name, "by", page.VisitorOf(c).Principal.Name)
	return c.Redirect(http.StatusSeeOther, "/deployments")
}
