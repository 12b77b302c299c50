package models

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

const (
	modelsPerPage = 50
	// aliasesInList bounds what one row of a list shows of a model that has
	// very many.
	aliasesInList = 3
)

// models is the list of registered models, searched by name.
func (s *section) models(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	q := mlops.ModelQuery{Name: strings.TrimSpace(c.QueryParam("name")), Max: modelsPerPage, PageToken: c.QueryParam("page")}
	v := view.Models{Query: q.Name, Empty: view.Empty{Icon: "models", Title: "No registered model yet",
		Text: "A run registers its model when it has finished. Start one on the Runs page, or in a terminal:", Code: "benchtop train iris"}}
	if q.Name != "" {
		v.Empty = view.Empty{Icon: "models", Title: "No model matches", Text: "No registered model has “" + q.Name + "” in its name. Change the search or clear it."}
	}
	p := &page.Page{Title: "Models", Nav: "models"}
	found, err := s.Registry.Models(ctx, q)
	if mlops.CodeOf(err) == mlops.Invalid {
		p.Status = http.StatusBadRequest
	}
	v.Problem = s.Problem("the models", err)
	runs, err := s.runsOf(ctx, newestVersions(found.Models))
	if v.Problem == nil {
		v.Problem = s.Problem("the runs of the models", err)
	}
	served := s.desk.By(ctx)
	for _, m := range found.Models {
		v.Rows = append(v.Rows, modelRow(m, runs, served))
	}
	if q.PageToken != "" {
		v.Pager.First = modelsURL(q.Name, "")
	}
	if found.NextPageToken != "" {
		v.Pager.Next = modelsURL(q.Name, found.NextPageToken)
	}
	p.Body, p.Parts = view.ModelsPage(v), []page.Part{{Name: "rows", Body: view.ModelRows(v)}}
	return p, nil
}

func modelsURL(name, page string) string {
	return paths.WithQuery("/models", "name", name, "page", page)
}

func newestVersions(models []mlops.RegisteredModel) []mlops.ModelVersion {
	var out []mlops.ModelVersion
	for _, m := range models {
		if m.Latest != nil {
			out = append(out, *m.Latest)
		}
	}
	return out
}

// runsOf returns the runs that made the versions, by their id.
func (s *section) runsOf(ctx context.Context, versions []mlops.ModelVersion) (map[string]mlops.Run, error) {
	var ids []string
	for _, v := range versions {
		if v.RunID != "" {
			ids = append(ids, v.RunID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	runs, err := s.Registry.RunsByID(ctx, ids)
	out := make(map[string]mlops.Run, len(runs))
	for _, r := range runs {
		out[r.ID] = r
	}
	return out, err
}

func modelRow(m mlops.RegisteredModel, runs map[string]mlops.Run, served serving.Served) view.ModelRow {
	row := view.ModelRow{Name: m.Name, URL: paths.Model(m.Name), Description: m.Description, Versions: strconv.Itoa(m.Versions), Served: served.Model(m.Name)}
	for i, a := range m.Aliases {
		if i == aliasesInList {
			row.More = fmt.Sprintf("and %d more", len(m.Aliases)-i)
			break
		}
		row.Aliases = append(row.Aliases, aliasRow(m.Name, a))
	}
	if l := m.Latest; l != nil {
		row.Latest, row.LatestAt = &view.Link{Text: paths.VersionText(l.Version), URL: paths.Version(m.Name, l.Version)}, l.CreatedAt
		if r, ok := runs[l.RunID]; ok {
			key := mainMetric([]mlops.Run{r})
			if value, ok := r.Metric(key); ok {
				row.Metric, row.Value = key, view.Number(value)
			}
		}
	}
	return row
}
