package models

import (
	"context"
	"fmt"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/serving"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// serving shows where a version is served, and what became of it where it is
// not.
func (s *section) serving(ctx context.Context, c echo.Context, served serving.Served, model string, version int, form view.ReleaseForm, deploy *view.DeployForm) view.Serving {
	v := view.Serving{Operator: page.May(c, mlops.Operate), Problem: served.Problem, Form: form}
	at := paths.Version(model, version) + "/serve"
	v.Form.ID, v.Form.Action = "serve-form", at
	if v.Operator {
		v.Form.CSRF = page.VisitorOf(c).CSRF
	}
	// A key of single projects deploys the models that these train.
	if v.Operator && (deploy != nil || page.VisitorOf(c).Principal.Reaches(model)) {
		v.Deploy = s.deployForm(c, model, version, served.Deployments, deploy)
	}
	var ds []mlops.Deployment
	for _, d := range served.Deployments {
		if d.Model == model {
			ds = append(ds, d)
		}
	}
	v.Rows = make([]view.ServingRow, len(ds))
	newest, err := s.Loop.RevisionsOf(ctx, model, version)
	problem := s.Problem("the history", err)
	for i, d := range ds {
		r := page.Find(newest, func(r mlops.Revision) bool { return r.Deployment == d.Name })
		row := servingRow(d, r)
		if problem != nil {
			row.Verdict, row.Findings = "unknown", []string{problem.Message}
		}
		if v.Operator {
			row.Buttons = servingButtons(at, d, r, version)
		}
		v.Rows[i] = row
	}
	// A form without a button is of no use to anybody.
	v.Operator = v.Operator && (len(ds) > 0 || form.Error != "")
	return v
}

// servingRow shows the newest revision of the version on a deployment, nil if
// there is none.
func servingRow(d mlops.Deployment, r *mlops.Revision) view.ServingRow {
	row := view.ServingRow{Deployment: view.Ref(d.Name, paths.Deployment(d.Name)), Serves: serving.Model(d)}
	if r == nil {
		row.Verdict = "was never put into service here"
		return row
	}
	pill := pills.Revision(r.State)
	row.Pill, row.Verdict, row.Findings = &pill, fmt.Sprintf("as revision %d", r.Number), serving.Findings(*r)
	return row
}

func servingButtons(at string, d mlops.Deployment, r *mlops.Revision, version int) []view.Release {
	if d.Deleting || d.Paused || d.Revision != nil && d.Revision.Version == version {
		return nil
	}
	if r != nil && (r.State == mlops.RevisionWaiting || r.State == mlops.RevisionJudging) {
		return nil // it is decided on the deployment's page
	}
	out := []view.Release{{Text: "Promote", Label: fmt.Sprintf("Promote v%d to %s", version, d.Name), URL: at, Name: "deployment", Value: d.Name}}
	if r != nil && serving.GateRefused(*r) {
		out = append(out, view.Release{Text: "Serve it anyway", Label: fmt.Sprintf("Serve it anyway, v%d on %s", version, d.Name), URL: at + "/override", Name: "deployment", Value: d.Name})
	}
	return out
}

// serve promotes the version of the page and leads to the deployment.
func (s *section) serve(override bool) echo.HandlerFunc {
	return func(c echo.Context) error {
		version, err := versionNumber(c.Param("version"))
		if err != nil {
			return err
		}
		d, act, err := s.desk.ChangeOf(c, c.FormValue("deployment"))
		if err != nil {
			return s.refuseServing(c, act.Reason, err)
		}
		if d.Model != c.Param("name") {
			return s.refuseServing(c, act.Reason, mlops.Errorf(mlops.Invalid, "Deployment %s serves the model %s: expected one that serves %s.", d.Name, strconv.Quote(d.Model), strconv.Quote(c.Param("name"))))
		}
		r, err := s.desk.PutIntoService(c.Request().Context(), d, version, override, act)
		if err != nil {
			return s.refuseServing(c, act.Reason, err)
		}
		return s.desk.Released(c, d, r, serving.DonePromoted)
	}
}

// refuseServing shows the page of the version again with what was typed.
func (s *section) refuseServing(c echo.Context, reason string, err error) error {
	p, pageErr := s.versionPage(c, versionForms{serve: view.ReleaseForm{Reason: reason, Error: s.desk.Refusal(err)}})
	if pageErr != nil {
		return pageErr
	}
	return s.Render(c, p.Refused(page.StatusOf(err)))
}
