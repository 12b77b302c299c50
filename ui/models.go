package ui

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const (
	modelsPerPage = 50
	// aliasesInList bounds what one row of a list shows of a model that has
	// very many.
	aliasesInList = 3
)

// models is the list of registered models, searched by name.
func (s *Server) models(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	q := mlops.ModelQuery{Name: strings.TrimSpace(c.QueryParam("name")), Max: modelsPerPage, PageToken: c.QueryParam("page")}
	v := view.Models{Query: q.Name, Empty: view.Empty{Icon: "models", Title: "No registered model yet",
		Text: "A run registers its model when it has finished. Start one on the Runs page, or in a terminal:", Code: "benchtop train iris"}}
	if q.Name != "" {
		v.Empty = view.Empty{Icon: "models", Title: "No model matches", Text: "No registered model has “" + q.Name + "” in its name. Change the search or clear it."}
	}
	p := &page.Page{Title: "Models", Nav: "models"}
	found, err := s.site.Registry.Models(ctx, q)
	if mlops.CodeOf(err) == mlops.Invalid {
		p.Status = http.StatusBadRequest
	}
	v.Problem = s.site.Problem("the models", err)
	runs, err := s.runsOf(ctx, newestVersions(found.Models))
	if v.Problem == nil {
		v.Problem = s.site.Problem("the runs of the models", err)
	}
	served := s.servedBy(ctx)
	for _, m := range found.Models {
		v.Rows = append(v.Rows, modelRow(m, runs, served))
	}
	if q.PageToken != "" {
		v.Pager.First = modelsURL(q.Name, "")
	}
	if found.NextPageToken != "" {
		v.Pager.Next = modelsURL(q.Name, found.NextPageToken)
	}
	p.Body, p.Parts = view.ModelsPage(v), []page.Part{{"rows", view.ModelRows(v)}}
	return p, nil
}

func modelsURL(name, page string) string {
	return withQuery("/models", "name", name, "page", page)
}

// withQuery adds the pairs of key and value whose value is not empty.
func withQuery(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
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
func (s *Server) runsOf(ctx context.Context, versions []mlops.ModelVersion) (map[string]mlops.Run, error) {
	var ids []string
	for _, v := range versions {
		if v.RunID != "" {
			ids = append(ids, v.RunID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	runs, err := s.site.Registry.RunsByID(ctx, ids)
	out := make(map[string]mlops.Run, len(runs))
	for _, r := range runs {
		out[r.ID] = r
	}
	return out, err
}

func modelRow(m mlops.RegisteredModel, runs map[string]mlops.Run, served served) view.ModelRow {
	row := view.ModelRow{Name: m.Name, URL: modelURL(m.Name), Description: m.Description, Versions: strconv.Itoa(m.Versions), Served: served.model(m.Name)}
	for i, a := range m.Aliases {
		if i == aliasesInList {
			row.More = fmt.Sprintf("and %d more", len(m.Aliases)-i)
			break
		}
		row.Aliases = append(row.Aliases, aliasRow(m.Name, a))
	}
	if l := m.Latest; l != nil {
		row.Latest, row.LatestAt = &view.Link{Text: versionText(l.Version), URL: versionURL(m.Name, l.Version)}, l.CreatedAt
		if r, ok := runs[l.RunID]; ok {
			key := mainMetric([]mlops.Run{r})
			if value, ok := r.Metric(key); ok {
				row.Metric, row.Value = key, view.Number(value)
			}
		}
	}
	return row
}

func modelURL(name string) string { return "/models/" + url.PathEscape(name) }

func versionURL(model string, version int) string {
	return modelURL(model) + "/versions/" + strconv.Itoa(version)
}

func versionText(version int) string { return "v" + strconv.Itoa(version) }

// served says which deployments serve what, or that nobody knows.
type served struct {
	deployments []mlops.Deployment
	problem     *view.Problem
}

// servedBy asks for the deployments.
func (s *Server) servedBy(ctx context.Context) served {
	ds, err := s.site.Loop.Deployments(ctx)
	return served{ds, s.site.Problem("the deployments", err)}
}

// model returns the deployments of a model, with the version that each serves.
func (d served) model(name string) []view.Value {
	return d.links(func(m mlops.Deployment) bool { return m.Model == name && m.Version != "" }, true)
}

// version returns the deployments that serve a version.
func (d served) version(model string, version int) []view.Value {
	return d.links(func(m mlops.Deployment) bool { return m.Model == model && m.Version == strconv.Itoa(version) }, false)
}

func (d served) links(match func(mlops.Deployment) bool, withVersion bool) []view.Value {
	if d.problem != nil {
		return []view.Value{{Text: "unknown", Title: d.problem.Message}}
	}
	var out []view.Value
	for _, m := range d.deployments {
		if !match(m) {
			continue
		}
		text := m.Name
		if withVersion {
			text += " (v" + m.Version + ")"
		}
		out = append(out, view.Ref(text, deploymentURL(m.Name)))
	}
	return out
}
