package models

import (
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

// deployForm is the form of a version's page, as it was sent if it was. It
// suggests the name that an empty field would mean.
func (s *section) deployForm(c echo.Context, model string, version int, deployed []mlops.Deployment, sent *view.DeployForm) *view.DeployForm {
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
func (s *section) deploy(c echo.Context) error {
	version, err := versionNumber(c.Param("version"))
	if err != nil {
		return err
	}
	form := view.DeployForm{Name: strings.TrimSpace(c.FormValue("name")), Replicas: strings.TrimSpace(c.FormValue("replicas"))}
	replicas, err := serving.ReplicasOf(form.Replicas)
	var out mlops.Deployed
	if err == nil {
		out, err = s.Steps.Deploy(c.Request().Context(), mlops.DeployRequest{Model: c.Param("name"), Version: version, Name: form.Name, Replicas: &replicas, Act: page.ActOf(c, "")})
	}
	if err != nil {
		form.Error = s.desk.Refusal(err)
		p, pageErr := s.versionPage(c, versionForms{deploy: &form})
		if pageErr != nil {
			return pageErr
		}
		return s.Render(c, p.Refused(page.StatusOf(err)))
	}
	s.desk.Deployed(c, out)
	done := []string{"done", serving.DoneDeployed, "revision", "1"}
	if !out.Created {
		done = []string{"done", serving.DoneScaled}
	}
	return c.Redirect(http.StatusSeeOther, paths.WithQuery(paths.Deployment(out.Deployment.Name), done...))
}
