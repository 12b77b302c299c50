package ui

import (
	"context"
	"fmt"
	"net/url"
	"sort"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// models is the list of registered models.
func (s *Server) models(c echo.Context) (*page, error) {
	ctx, cancel := gather(c)
	defer cancel()
	var v view.Models
	models, err := s.cfg.Registry.RegisteredModels(ctx)
	v.Problem = s.problem("the models", err)
	for _, m := range models {
		row, err := s.modelRow(ctx, m)
		if err != nil {
			v.Problem = s.problem("the model versions", err)
			break
		}
		v.Rows = append(v.Rows, row)
	}
	return &page{title: "Models", nav: "models", body: view.ModelsPage(v), parts: []part{{"rows", view.ModelRows(v)}}}, nil
}

func (s *Server) modelRow(ctx context.Context, m mlops.RegisteredModel) (view.ModelRow, error) {
	row := view.ModelRow{Name: m.Name, URL: "/models/" + url.PathEscape(m.Name), Description: m.Description}
	for _, a := range m.Aliases {
		row.Aliases = append(row.Aliases, view.Alias{Name: a.Alias, Version: "v" + strconv.Itoa(a.Version)})
	}
	versions, err := s.versions(ctx, m.Name)
	if err != nil {
		return row, err
	}
	row.Versions = len(versions)
	if len(versions) > 0 {
		row.Latest, row.LatestAt = fmt.Sprintf("v%d", versions[0].Version), versions[0].CreatedAt
		row.Accuracy, _ = s.accuracyOf(ctx, versions[0].RunID)
	}
	return row, nil
}

// versions returns the versions of a model, newest first.
func (s *Server) versions(ctx context.Context, model string) ([]mlops.ModelVersion, error) {
	vs, err := s.cfg.Registry.ModelVersions(ctx, model)
	sort.SliceStable(vs, func(i, j int) bool { return vs[i].Version > vs[j].Version })
	return vs, err
}

// accuracyOf returns the accuracy of a run as text, "" if it has none or is
// gone.
func (s *Server) accuracyOf(ctx context.Context, runID string) (string, float64) {
	if runID == "" {
		return "", 0
	}
	r, err := s.cfg.Registry.Run(ctx, runID)
	if err != nil {
		return "", 0
	}
	if a, ok := accuracy(r); ok {
		return view.Number(a), a
	}
	return "", 0
}

// model is the page of one registered model.
func (s *Server) model(c echo.Context) (*page, error) {
	ctx, cancel := gather(c)
	defer cancel()
	name := c.Param("name")
	models, err := s.cfg.Registry.RegisteredModels(ctx)
	if err != nil {
		return nil, err
	}
	v := view.Model{Name: name}
	var found *mlops.RegisteredModel
	for i := range models {
		if models[i].Name == name {
			found = &models[i]
		}
	}
	if found == nil {
		return nil, mlops.Errorf(mlops.NotFound, "There is no registered model %q.", name)
	}
	v.Description = found.Description
	v.Facts = []view.Fact{{Name: "Created", Value: view.At(found.CreatedAt)}, {Name: "Last update", Value: view.At(found.LastUpdateAt)}}
	versions, err := s.versions(ctx, name)
	v.Problem = s.problem("the versions", err)
	served := s.servedBy(ctx, name)
	chart := view.Chart{ID: "accuracy", Title: "Accuracy by version", Unit: "number", Steps: true, Lines: []string{"accuracy"}, Y: [][]*float64{nil}}
	// Many versions: the runs of the newest are enough for the table and the chart.
	for i, mv := range versions {
		row := view.VersionRow{Version: strconv.Itoa(mv.Version), Pill: versionPill(mv.Status), Aliases: mv.Aliases, Created: mv.CreatedAt, Served: served[strconv.Itoa(mv.Version)]}
		if mv.RunID != "" {
			row.Run = &view.Link{Text: view.Short(mv.RunID), URL: "/runs/" + url.PathEscape(mv.RunID)}
		}
		if i < 60 {
			text, value := s.accuracyOf(ctx, mv.RunID)
			if row.Accuracy = text; text != "" {
				chart.X = append([]float64{float64(mv.Version)}, chart.X...)
				chart.Y[0] = append([]*float64{finite(value)}, chart.Y[0]...)
			}
		}
		v.Versions = append(v.Versions, row)
	}
	p := &page{title: name, nav: "models"}
	if len(chart.X) > 1 {
		chart.Now = view.Number(*chart.Y[0][len(chart.X)-1])
		chart.Summary = "latest " + chart.Now
		v.Chart = &chart
		p.charts = []view.Chart{chart}
	}
	p.body = view.ModelPage(v)
	p.parts = []part{{"detail", view.ModelDetail(v)}}
	return p, nil
}

// servedBy maps a version of a model to the deployments that serve it. It is
// empty while nobody can say.
func (s *Server) servedBy(ctx context.Context, model string) map[string][]view.Link {
	out := map[string][]view.Link{}
	ds, err := s.cfg.Loop.Deployments(ctx)
	if err != nil {
		s.problem("the deployments", err) // logged; the column stays empty
		return out
	}
	for _, d := range ds {
		if d.Model == model && d.Version != "" {
			out[d.Version] = append(out[d.Version], view.Link{Text: d.Name, URL: deploymentURL(d.Name)})
		}
	}
	return out
}
