package compare

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/runtable"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// compare shows runs side by side. All its choices are in the address.
func (s *section) compare(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	ch, notices, err := parseCompare(c.QueryParams())
	if err != nil {
		return nil, err
	}
	p := &page.Page{Nav: "runs"}
	if len(notices) > 0 {
		p.Status = http.StatusBadRequest
	}
	runs, missing, err := s.comparedRuns(ctx, ch.runs)
	if err != nil {
		return nil, err
	}
	if missing != nil {
		notices = append(notices, *missing)
	}
	shown := comparedColumns(runs)
	fields := fieldsOf(runs)
	ch.tags, notices = knownTags(ch.tags, runs, notices)
	v := view.Compare{Title: fmt.Sprintf("Compare %d runs", len(runs)), IDs: ch.runs, Hidden: hiddenChoices(ch)}
	made, err := s.tables.VersionsOf(ctx, runs)
	if err != nil {
		v.Problem = s.Problem("the model versions", err)
	}
	v.Table = compareTable(ch, runs, shown, fields, made, s.Now())
	var more []view.Notice
	v.Curves, more = s.curvesPlot(ctx, ch, runs, shown, fields)
	notices = append(notices, more...)
	v.Parallel, more = parallelPlot(ch, shown, fields)
	notices = append(notices, more...)
	v.Scatter, more = scatterPlot(ch, shown, fields)
	v.Notices = append(notices, more...)
	p.Title, p.Body = v.Title, view.ComparePage(v)
	p.Parts = []page.Part{{Name: "notices", Body: view.CompareNotices(v)}, {Name: "table", Body: view.CompareTableBox(v.Table)}, {Name: "curves", Body: view.CurvesFigure(v.Curves)},
		{Name: "parallel", Body: view.ParallelFigure(v.Parallel)}, {Name: "scatter", Body: view.ScatterFigure(v.Scatter)}}
	return p, nil
}

// comparedRuns reads the runs; missing says which are not there any more.
func (s *section) comparedRuns(ctx context.Context, ids []string) (runs []mlops.Run, missing *view.Notice, err error) {
	found, err := s.Registry.RunsByID(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	byID := map[string]mlops.Run{}
	for _, r := range found {
		byID[r.ID] = r
	}
	var gone, deleted []string
	for _, id := range ids {
		switch r, ok := byID[id]; {
		case !ok:
			gone = append(gone, cutTo(id, 40))
		case r.Deleted:
			deleted = append(deleted, runtable.Name(r))
		default:
			runs = append(runs, r)
		}
	}
	text := ""
	if len(gone) > 0 {
		text = fmt.Sprintf("There is no run %s. ", quoteAll(gone))
	}
	if len(deleted) > 0 {
		text += fmt.Sprintf("Deleted: %s. ", quoteAll(deleted))
	}
	if len(runs) < 2 {
		return nil, nil, mlops.Errorf(mlops.NotFound, "%sThat leaves %s, and a comparison needs at least two. Choose others in the table of runs.", text, view.Plural(len(runs), "run", "runs"))
	}
	if text != "" {
		missing = &view.Notice{Kind: view.Warn, Text: fmt.Sprintf("%sThe other %d are compared.", text, len(runs))}
	}
	return runs, missing, nil
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = "“" + name + "”"
	}
	return countNames(quoted)
}

func comparedColumns(runs []mlops.Run) []view.ComparedRun {
	out := make([]view.ComparedRun, len(runs))
	for i, r := range runs {
		out[i] = view.ComparedRun{Index: i, Name: runtable.Name(r), URL: paths.Run(r.ID), Pill: pills.Run(r.Status)}
		if len(runs) > 2 {
			out[i].Without = r.ID
		}
	}
	return out
}

// knownTags drops the tags that none of the runs has, and says so.
func knownTags(tags []string, runs []mlops.Run, notices []view.Notice) ([]string, []view.Notice) {
	var known []string
	for _, key := range tags {
		if slices.ContainsFunc(runs, func(r mlops.Run) bool {
			return slices.ContainsFunc(r.Tags, func(t mlops.KV) bool { return t.Key == key })
		}) {
			known = append(known, key)
			continue
		}
		notices = append(notices, view.Notice{Kind: view.Warn, Text: fmt.Sprintf("None of these runs has the tag %q that the address names: it is left out. Choose another in the list.", key)})
	}
	return known, notices
}

// hiddenChoices are those that the form has no field for.
func hiddenChoices(ch compareChoices) []view.Choice {
	var out []view.Choice
	q := ch.values()
	for _, name := range []string{"only", "over", "scale"} {
		if value := q.Get(name); value != "" {
			out = append(out, view.Choice{Text: name, Value: value})
		}
	}
	return out
}
