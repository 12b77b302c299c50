package runs

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/runtable"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const runsPerPage = 50

// runs is the list of runs: of one experiment or of all, filtered and sorted
// by MLflow's search grammar, with the columns that the address chooses.
func (s *section) runs(c echo.Context) (*page.Page, error) {
	ctx, cancel := page.Gather(c)
	defer cancel()
	q := runtable.Parse(c)
	v := view.Runs{Filter: q.Filter, Order: q.Order, Chosen: len(q.Columns), Actions: view.Actions{CSRF: page.VisitorOf(c).CSRF}}
	p := &page.Page{Title: "Runs", Nav: "runs"}
	page.Together(
		func() {
			// Without projects the list is still worth showing; training can wait.
			if projects, err := s.Loop.Projects(ctx); err == nil && page.May(c, mlops.Operate) {
				for _, project := range projects {
					v.Actions.Projects = append(v.Actions.Projects, project.Name)
				}
			}
		},
		func() { p.Status = s.listRuns(ctx, q, &v) },
	)
	v.FilterForm, v.ColumnForm = q.Hidden("experiment", "filter"), q.Hidden("order", "column")
	if q.Filter != "" {
		v.Clear = q.Filtered("").URL()
	}
	if len(q.Columns) > 0 || q.Order != "" {
		v.Reset = q.WithColumns(nil).Ordered("").URL()
	}
	for _, e := range v.Experiments {
		if e.Selected && e.Value != "" {
			p.Title = "Runs of " + e.Text
		}
	}
	p.Body = view.RunsPage(v)
	p.Parts = []page.Part{{Name: "actions", Body: view.TrainForms(v.Actions)}, {Name: "rows", Body: view.RunsTable(v.Table)}}
	return p, nil
}

// listRuns reads the table and the choices around it. It returns the status
// of the page: what is wrong in the address is said beside its control.
func (s *section) listRuns(ctx context.Context, q runtable.List, v *view.Runs) int {
	experiments, err := s.Registry.Experiments(ctx)
	if v.Table.Problem = s.Problem("the experiments", err); v.Table.Problem != nil {
		return http.StatusOK
	}
	project, status := s.chooseExperiment(ctx, q, experiments, v)
	columns, err := runtable.ParseColumns(q.Columns)
	if err != nil {
		v.ColumnError = mlops.MessageOf(err)
		v.Table.Empty = view.Empty{Icon: "runs", Title: "The columns are not valid", Text: "Choose others below “Columns and order”."}
		status = http.StatusBadRequest
	}
	var found []mlops.Run
	if status == http.StatusOK {
		found, columns, status = s.searchRuns(ctx, q, project, columns, v)
	}
	v.Columns = runtable.ColumnChoices(columns, found)
	v.Orders = q.Orders(columns)
	return status
}

// chooseExperiment fills the select and says what is wrong with the choice.
// It returns the experiment's name.
func (s *section) chooseExperiment(ctx context.Context, q runtable.List, active []mlops.Experiment, v *view.Runs) (name string, status int) {
	v.Experiments = []view.Option{{Text: "All experiments", Selected: q.Experiment == ""}}
	known := q.Experiment == ""
	for _, e := range active {
		v.Experiments = append(v.Experiments, view.Option{Value: e.ID, Text: e.Name, Selected: e.ID == q.Experiment})
		if e.ID == q.Experiment {
			known, name = true, e.Name
		}
	}
	slices.SortFunc(v.Experiments[1:], func(a, b view.Option) int { return cmp.Compare(a.Text, b.Text) })
	if known {
		return name, http.StatusOK
	}
	all, err := s.experimentSummaries(ctx)
	if v.Table.Problem = s.Problem("the experiments", err); v.Table.Problem != nil {
		return "", http.StatusOK
	}
	for _, e := range all {
		if e.ID == q.Experiment && e.Deleted {
			v.ExperimentError = fmt.Sprintf("Experiment %q is deleted: choose another.", e.Name)
			v.Experiments = append(v.Experiments, view.Option{Value: e.ID, Text: e.Name + " (deleted)", Selected: true})
			v.Table.Empty = view.Empty{Icon: "runs", Title: "This experiment is deleted", Text: "Its runs went with it. Until “benchtop registry gc” removes them for good, this brings them back:",
				Code: "mlflow experiments restore --experiment-id " + e.ID}
			return "", http.StatusNotFound
		}
	}
	v.ExperimentError = fmt.Sprintf("There is no experiment with the id %q: choose one from the list.", view.Clip(q.Experiment))
	v.Table.Empty = view.Empty{Icon: "runs", Title: "There is no such experiment", Text: "Choose another one, or look at all experiments."}
	return "", http.StatusNotFound
}

// searchRuns reads the rows. project is the experiment's name: the built-in
// trainer's experiments are named after their projects. The columns are those
// that the table has.
func (s *section) searchRuns(ctx context.Context, q runtable.List, project string, columns []runtable.Column, v *view.Runs) ([]mlops.Run, []runtable.Column, int) {
	found, err := s.Registry.SearchRuns(ctx, q.Query(runsPerPage))
	if mlops.CodeOf(err) == mlops.Invalid {
		s.explain(ctx, q, err, v)
		return nil, columns, http.StatusBadRequest
	}
	if v.Table.Problem = s.Problem("the runs", err); v.Table.Problem != nil {
		return nil, columns, http.StatusOK
	}
	v.Table, columns = s.tables.Show(ctx, found.Runs, &q, columns)
	v.Table.Select = true
	if q.Filter != "" {
		v.Table.Empty = view.Empty{Icon: "runs", Title: "No run matches", Text: "Change the filter or clear it."}
	}
	// The first page of everything starts with the trainings without a run.
	if q.Filter == "" && q.Token == "" && q.Order == "" && v.Table.Problem == nil {
		rows, err := s.tables.Waiting(ctx, project, time.Time{}, v.Table.Columns)
		if v.Table.Problem = s.Problem("the trainings", err); v.Table.Problem != nil {
			return nil, columns, http.StatusOK
		}
		v.Table.Rows = append(rows, v.Table.Rows...)
	}
	if q.Token != "" {
		v.Table.Pager.First = q.Page("").URL()
	}
	if found.NextPageToken != "" {
		v.Table.Pager.Next = q.Page(found.NextPageToken).URL()
	}
	return found.Runs, columns, http.StatusOK
}

// explain finds out which part of the address a search was refused for, by
// asking again for each alone. The page token is what is left.
func (s *section) explain(ctx context.Context, q runtable.List, err error, v *view.Runs) {
	refused := func(q runtable.List) (string, bool) {
		_, err := s.Registry.SearchRuns(ctx, q.Query(1))
		return mlops.MessageOf(err), mlops.CodeOf(err) == mlops.Invalid
	}
	if message, wrong := refused(q.Page("").Ordered("")); wrong {
		v.FilterError = message
		v.Table.Empty = view.Empty{Icon: "runs", Title: "The filter is not valid", Text: "Change it and search again. An example:", Code: "metrics.accuracy > 0.9"}
	}
	if message, wrong := refused(q.Page("").Filtered("").Ordered(q.Order)); wrong {
		v.OrderError = message
		v.Table.Empty = view.Empty{Icon: "runs", Title: "The order is not valid", Text: "Choose another one below “Columns and order”. An example:", Code: "metrics.accuracy DESC"}
	}
	if v.FilterError == "" && v.OrderError == "" {
		v.Table.Empty = view.Empty{Icon: "runs", Title: "This page of the list is gone", Text: "Its address belongs to another filter, order or set of experiments than the list has now. " + mlops.MessageOf(err) + "."}
		v.Table.Pager.First = q.Page("").URL()
	}
}

// train starts a training and leads to its page.
func (s *section) train(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	t, err := s.Steps.Train(ctx, c.Param("project"))
	if err != nil {
		return err
	}
	s.Log().Info("training requested", "project", t.Project, "training", t.ID, "by", page.VisitorOf(c).Principal.Name)
	return c.Redirect(http.StatusSeeOther, "/trainings/"+strconv.FormatInt(t.ID, 10))
}

// apiTrain starts a training, for programs.
func (s *section) apiTrain(c echo.Context) error {
	ctx, cancel := page.Gather(c)
	defer cancel()
	t, err := s.Steps.Train(ctx, c.Param("project"))
	if err != nil {
		return err
	}
	s.Log().Info("training requested", "project", t.Project, "training", t.ID, "by", page.VisitorOf(c).Principal.Name)
	return c.JSONPretty(http.StatusCreated, t, "  ")
}
