package runs

import (
	"context"
	"fmt"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/runtable"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// childrenShown is how many child runs a run's page lists; the list of runs
// has all of them.
const childrenShown = 20

// describeFamily shows the run that r is a child of, and those below r.
// MLflow's clients keep nested runs in one experiment and say by a tag whose
// children they are.
func (s *section) describeFamily(ctx context.Context, v *view.Run, r mlops.Run) {
	if id := r.Tag(mlops.TagParentRun); id != "" {
		v.Facts = append(v.Facts, s.parentFact(ctx, id))
	}
	q := runtable.List{Experiment: r.ExperimentID, Filter: fmt.Sprintf("tags.`%s` = '%s'", mlops.TagParentRun, strings.ReplaceAll(r.ID, "'", "''"))}
	found, err := s.Registry.SearchRuns(ctx, q.Query(childrenShown))
	if err != nil {
		v.Problem = s.Problem("the child runs", err)
		return
	}
	if len(found.Runs) == 0 {
		return
	}
	v.Children = &view.Children{All: view.Link{Text: "Show and compare them in the list of runs", URL: q.URL()}}
	v.Children.Table, _ = s.tables.Show(ctx, found.Runs, nil, nil)
	for i := range v.Children.Table.Rows {
		v.Children.Table.Rows[i].Parent = nil // the page says it
	}
	if found.NextPageToken != "" {
		v.Children.All.Text = fmt.Sprintf("The newest %d are shown: all in the list of runs", childrenShown)
	}
}

func (s *section) parentFact(ctx context.Context, id string) view.Fact {
	fact := view.Fact{Name: "Parent run", Value: view.Digest(id)}
	parent, err := s.Registry.Run(ctx, id)
	switch {
	case mlops.CodeOf(err) == mlops.NotFound:
		fact.Value.Title = "There is no run " + id + " any more."
	case err != nil:
		s.Problem("the parent run", err) // logged; the id is still right
	default:
		fact.Value = view.Ref(runtable.Name(parent), paths.Run(id))
	}
	return fact
}
