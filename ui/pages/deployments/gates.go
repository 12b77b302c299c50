package deployments

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/gatesfile"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// gatesOf returns the gates of a deployment's project, nil if there is no such
// project.
func (s *section) gatesOf(ctx context.Context, d mlops.Deployment) (*mlops.Gates, error) {
	ps, err := s.Loop.Projects(ctx)
	for _, p := range ps {
		if p.Name == d.Project {
			return &p.Gates, nil
		}
	}
	return nil, err
}

// gates shows the gates of a deployment's project, with the form as it was
// sent if it was.
func (s *section) gates(c echo.Context, d mlops.Deployment, g *mlops.Gates, err error, form *view.GatesForm) view.Gates {
	v := view.Gates{Operator: page.May(c, mlops.Operate), Problem: s.Problem("the gates", err)}
	if g == nil {
		return v
	}
	v.Project, v.Approval = d.Project, g.Approval == mlops.ApprovalRequired
	for _, name := range slices.Sorted(maps.Keys(g.Metrics)) {
		b := g.Metrics[name]
		v.Rows = append(v.Rows, view.GateRow{Metric: name, Minimum: boundText(b.Minimum), Maximum: boundText(b.Maximum),
			Comparison: map[string]string{mlops.CompareGTE: "not lower", mlops.CompareLTE: "not higher"}[b.Comparison]})
	}
	if c.QueryParam("gates") == gatesMark(*g) {
		v.Notice = &view.Notice{Kind: view.Good, Text: "The gates were saved. They judge what is put into service from now on."}
	}
	if form != nil {
		v.Form = *form
	} else {
		v.Form.Text = gatesfile.Print(*g)
	}
	if v.Operator {
		v.Form.Action, v.Form.CSRF = paths.Deployment(d.Name)+"/gates", page.VisitorOf(c).CSRF
	}
	return v
}

func boundText(b *float64) string {
	if b == nil {
		return ""
	}
	return strconv.FormatFloat(*b, 'g', -1, 64)
}

// gatesMark tells gates from others in an address.
func gatesMark(g mlops.Gates) string {
	sum := sha256.Sum256([]byte(gatesfile.Print(g)))
	return hex.EncodeToString(sum[:6])
}

// setGates changes the gates of a deployment's project and leads back. What is
// not understood is shown beside the text.
func (s *section) setGates(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	d, err := s.desk.Find(ctx, c.Param("name"))
	if err != nil {
		return err
	}
	form := view.GatesForm{Text: strings.ReplaceAll(c.FormValue("gates"), "\r\n", "\n")}
	g, err := gatesfile.Parse([]byte(form.Text))
	if err == nil {
		err = s.Loop.SetGates(c.Request().Context(), d.Project, g)
	}
	if err != nil {
		form.Error = s.desk.Refusal(err)
		return s.refuseDeployment(c, deploymentForms{gates: &form}, page.StatusOf(err))
	}
	s.Log().Info("gates changed", "project", d.Project, "by", page.VisitorOf(c).Principal.Name)
	return c.Redirect(http.StatusSeeOther, paths.WithQuery(paths.Deployment(d.Name), "gates", gatesMark(g))+"#gates")
}
