package runs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/runtable"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// experimentsShown bounds the list; a name finds the others.
const experimentsShown = 300

// experiments is the list of experiments, those with the newest runs first.
func (s *section) experiments(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	v := view.Experiments{Name: strings.TrimSpace(c.QueryParam("name")), Deleted: c.QueryParam("deleted") != ""}
	all, err := s.experimentSummaries(ctx)
	v.Problem = s.Problem("the experiments", err)
	var rows []mlops.ExperimentSummary
	for _, e := range all {
		if e.Deleted {
			v.DeletedCount++
		}
		if (!e.Deleted || v.Deleted) && strings.Contains(strings.ToLower(e.Name), strings.ToLower(v.Name)) {
			rows = append(rows, e)
		}
	}
	slices.SortStableFunc(rows, func(a, b mlops.ExperimentSummary) int {
		if a.Deleted != b.Deleted {
			return map[bool]int{true: 1, false: -1}[a.Deleted]
		}
		return b.NewestRunAt.Compare(a.NewestRunAt)
	})
	if len(rows) > experimentsShown {
		v.Shown = fmt.Sprintf("The first %d of %d experiments: type a part of the name to find the others.", experimentsShown, len(rows))
		rows = rows[:experimentsShown]
	}
	for _, e := range rows {
		v.Rows = append(v.Rows, view.ExperimentRow{ID: e.ID, Name: e.Name, URL: runtable.List{Experiment: e.ID}.URL(), Runs: e.Runs, Newest: e.NewestRunAt,
			Location: e.ArtifactURI, Created: e.CreatedAt, Deleted: e.Deleted})
	}
	v.Empty = view.Empty{Icon: "runs", Title: "No experiments yet", Text: "An experiment appears with its first run. In a script:", Code: `mlflow.set_experiment("name")`}
	if v.Name != "" {
		v.Empty = view.Empty{Icon: "runs", Title: "No experiment matches", Text: fmt.Sprintf("No name contains %q.", view.Clip(v.Name))}
	}
	return &page.Page{Title: "Experiments", Nav: "runs", Body: view.ExperimentsPage(v), Parts: []page.Part{{Name: "rows", Body: view.ExperimentRows(v)}}}, nil
}

// experimentSummaries counts the runs of all experiments, which is remembered
// because it takes some milliseconds for every hundred thousand of them.
func (s *section) experimentSummaries(ctx context.Context) ([]mlops.ExperimentSummary, error) {
	// What is remembered is the same for all who ask.
	all, err := s.summaries.get(s.Registry.Changed(), func() ([]mlops.ExperimentSummary, error) {
		return s.Registry.ExperimentSummaries(page.ByItself(ctx))
	})
	return page.Only(ctx, all, func(p mlops.Principal, e mlops.ExperimentSummary) bool { return p.Holds(e.Name) }), err
}
