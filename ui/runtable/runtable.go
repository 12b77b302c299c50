// Package runtable is the table of runs with its columns, the address of the list
// of runs, and how a run is named, timed and judged wherever one is shown.
package runtable

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Tables shows runs.
type Tables struct{ *page.Site }

// Show shows runs with columns, with those that suit them if there are
// none, and returns which it has taken. Its headers sort the list q; without
// one they are no links.
func (s Tables) Show(ctx context.Context, runs []mlops.Run, q *List, columns []Column) (view.RunTable, []Column) {
	t := view.RunTable{Empty: view.Empty{Icon: "runs", Title: "No runs yet",
		Text: "A run appears when a training starts: by its schedule, with “Train now”, or in a terminal:", Code: "benchtop train iris"}}
	made, err := s.VersionsOf(ctx, runs)
	if t.Problem = s.Problem("the model versions", err); t.Problem != nil {
		return t, columns
	}
	if len(columns) == 0 {
		columns = defaultColumns(runs, made)
	}
	t.Name, t.Status = q.head(nameColumn, "Run"), q.head(statusColumn, "Status")
	for _, c := range columns {
		head := q.head(c, c.title())
		head.Column = c.String()
		if slices.ContainsFunc(columns, func(o Column) bool { return o != c && o.title() == c.title() }) {
			head.Kind = strings.TrimSuffix(c.Entity, "s")
		}
		t.Columns = append(t.Columns, head)
	}
	names := map[string]string{}
	for _, r := range runs {
		names[r.ID] = Name(r)
	}
	for _, r := range runs {
		row := view.RunRow{RunID: r.ID, ElementID: "run-" + r.ID, URL: paths.Run(r.ID), Name: Name(r), Pill: pills.Run(r.Status)}
		if parent := r.Tag(mlops.TagParentRun); parent != "" {
			row.Parent = &view.Link{Text: cmp.Or(names[parent], view.Short(parent)), URL: paths.Run(parent)}
		}
		for _, c := range columns {
			row.Cells = append(row.Cells, s.value(c, r, made[r.ID]))
		}
		t.Rows = append(t.Rows, row)
	}
	return t, columns
}

// waitingOfEach is how many of a project's newest trainings may have logged
// nothing yet.
const waitingOfEach = 5

// Waiting returns rows for the trainings that have logged nothing yet, of one
// project or of all, and that are newer than since.
func (s Tables) Waiting(ctx context.Context, project string, since time.Time, columns []view.RunColumn) ([]view.RunRow, error) {
	trainings, err := s.Registry.NewestTrainings(ctx, waitingOfEach)
	if err != nil {
		return nil, err
	}
	var rows []view.RunRow
	for _, t := range trainings {
		if t.RunID == "" && t.CreatedAt.After(since) && (project == "" || project == t.Project) {
			rows = append(rows, trainingRow(t, columns))
		}
	}
	return rows, nil
}

func trainingRow(t mlops.Training, columns []view.RunColumn) view.RunRow {
	row := view.RunRow{ElementID: fmt.Sprintf("training-%d", t.ID), URL: paths.Training(t), Name: t.Job, Pill: pills.Training(t.State), Waits: t.Waits()}
	if row.Name == "" {
		row.Name = fmt.Sprintf("training %d", t.ID)
	}
	for _, c := range columns {
		var v view.Value
		switch c.Column {
		case "tags." + mlops.TagTrigger:
			v = view.Text(string(t.Trigger))
		case "tags." + mlops.TagProject:
			v = view.Text(t.Project)
		case "attributes.experiment":
			v = view.Text(t.Project) // which its run will be in
		case Started.String():
			v = view.At(t.CreatedAt)
		case "attributes.duration":
			v = view.Value{Since: t.CreatedAt}
			if t.State.Terminal() {
				v = view.Text(view.Duration(t.EndedAt.Sub(t.CreatedAt)))
			}
		}
		row.Cells = append(row.Cells, v)
	}
	return row
}

// VersionsOf maps runs to the newest model version that each has made.
func (s Tables) VersionsOf(ctx context.Context, runs []mlops.Run) (map[string]*view.Link, error) {
	if len(runs) == 0 {
		return nil, nil
	}
	ids := make([]string, len(runs))
	for i, r := range runs {
		ids[i] = r.ID
	}
	versions, err := s.Registry.VersionsOfRuns(ctx, ids)
	if err != nil {
		return nil, err
	}
	made := map[string]*view.Link{}
	for _, v := range versions {
		made[v.RunID] = &view.Link{Text: fmt.Sprintf("%s v%d", v.Model, v.Version), URL: paths.Version(v.Model, v.Version)}
	}
	return made, nil
}
