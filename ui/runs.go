package ui

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const runsPerPage = 50

var newestFirst = []string{"attributes.start_time DESC"}

// runs is the list of runs, filtered by MLflow's search grammar.
func (s *Server) runs(c echo.Context) (*page, error) {
	ctx, cancel := gather(c)
	defer cancel()
	filter, token := c.QueryParam("filter"), c.QueryParam("page")
	v := view.Runs{Filter: filter, Actions: view.Actions{CSRF: csrf(c)}}
	p := &page{title: "Runs", nav: "runs"}
	q := mlops.RunQuery{Filter: filter, OrderBy: newestFirst, Max: runsPerPage, PageToken: token}
	together(
		func() {
			// Without projects the list is still worth showing; training can wait.
			if projects, err := s.cfg.Loop.Projects(ctx); err == nil {
				for _, project := range projects {
					v.Actions.Projects = append(v.Actions.Projects, project.Name)
				}
			}
		},
		func() {
			// The filter is checked on its own, so that its error stands beside it.
			if filter != "" {
				_, err := s.cfg.Registry.SearchRuns(ctx, mlops.RunQuery{Filter: filter, Max: 1})
				if mlops.CodeOf(err) == mlops.Invalid {
					v.FilterError, p.status = mlops.MessageOf(err), http.StatusBadRequest
					v.Table.Empty = view.Empty{Icon: "runs", Title: "The filter is not valid", Text: "Change it and search again. An example:", Code: "metrics.accuracy > 0.9"}
					return
				}
			}
			v.Table = s.runTable(ctx, q)
		},
	)
	if token != "" {
		v.Table.Newer = runsURL(filter, "")
	}
	p.body = view.RunsPage(v)
	p.parts = []part{{"actions", view.TrainForms(v.Actions)}, {"rows", view.RunsTable(v.Table, false)}}
	return p, nil
}

func runsURL(filter, page string) string {
	q := url.Values{}
	if filter != "" {
		q.Set("filter", filter)
	}
	if page != "" {
		q.Set("page", page)
	}
	if len(q) == 0 {
		return "/runs"
	}
	return "/runs?" + q.Encode()
}

// runTable reads a page of runs. The first page without a filter starts with
// the trainings that have no run yet.
func (s *Server) runTable(ctx context.Context, q mlops.RunQuery) view.RunTable {
	t := view.RunTable{Empty: view.Empty{Icon: "runs", Title: "No runs yet",
		Text: "A run appears when a training starts: by its schedule, with “Train now”, or in a terminal:", Code: "benchtop train iris"}}
	if q.Filter != "" {
		t.Empty = view.Empty{Icon: "runs", Title: "No run matches", Text: "Change the filter or clear it."}
	}
	found, err := s.cfg.Registry.SearchRuns(ctx, q)
	if t.Problem = s.problem("the runs", err); t.Problem != nil {
		return t
	}
	made, err := s.versionsByRun(ctx, found.Runs)
	if t.Problem = s.problem("the model versions", err); t.Problem != nil {
		return t
	}
	if q.Filter == "" && q.PageToken == "" {
		rows, err := s.trainingsWithoutRun(ctx)
		if t.Problem = s.problem("the trainings", err); t.Problem != nil {
			return t
		}
		t.Rows = rows
	}
	for _, r := range found.Runs {
		t.Rows = append(t.Rows, s.runRow(r, made[r.ID]))
	}
	if found.NextPageToken != "" {
		t.Older = runsURL(q.Filter, found.NextPageToken)
	}
	return t
}

func (s *Server) runRow(r mlops.Run, made *view.Link) view.RunRow {
	row := view.RunRow{URL: runURL(r.ID), Name: runName(r), Pill: runPill(r.Status), Trigger: r.Tag(mlops.TagTrigger),
		Project: r.Tag(mlops.TagProject), Started: r.StartedAt, Version: made}
	if r.Status.Terminal() {
		row.Duration = view.Text(view.Duration(r.Duration(s.cfg.Now())))
	} else {
		row.Duration = view.Value{Since: r.StartedAt}
	}
	if a, ok := accuracy(r); ok {
		row.Accuracy = view.Number(a)
	}
	return row
}

func (s *Server) trainingsWithoutRun(ctx context.Context) ([]view.RunRow, error) {
	projects, err := s.cfg.Loop.Projects(ctx)
	if mlops.CodeOf(err) == mlops.Unavailable {
		return nil, nil // the runs can be shown before the loop serves
	}
	if err != nil {
		return nil, err
	}
	var rows []view.RunRow
	for _, p := range projects {
		ts, err := s.cfg.Registry.Trainings(ctx, p.Name, 5)
		if err != nil {
			return nil, err
		}
		for _, t := range ts {
			if t.RunID != "" {
				continue
			}
			row := view.RunRow{URL: trainingURL(t), Name: t.Job, Pill: trainingPill(t.State), Trigger: string(t.Trigger), Project: t.Project, Started: t.CreatedAt}
			if row.Name == "" {
				row.Name = fmt.Sprintf("training %d", t.ID)
			}
			if t.State.Terminal() {
				row.Duration = view.Text(view.Duration(t.EndedAt.Sub(t.CreatedAt)))
			} else {
				row.Duration = view.Value{Since: t.CreatedAt}
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// train starts a training and leads to its page.
func (s *Server) train(c echo.Context) error {
	ctx, cancel := gather(c)
	defer cancel()
	t, err := s.cfg.Loop.Train(ctx, c.Param("project"))
	if err != nil {
		return err
	}
	s.logger().Info("training requested", "project", t.Project, "training", t.ID, "by", visitorOf(c).principal.Name)
	return c.Redirect(http.StatusSeeOther, "/trainings/"+strconv.FormatInt(t.ID, 10))
}

// accuracyKeys are the metrics that lists compare by, the first that is there.
var accuracyKeys = []string{"accuracy", "test_accuracy", "val_accuracy", "eval_accuracy"}

// accuracy returns the metric that lists compare runs by.
func accuracy(r mlops.Run) (float64, bool) {
	for _, key := range accuracyKeys {
		if v, ok := r.Metric(key); ok {
			return v, true
		}
	}
	return 0, false
}

func runName(r mlops.Run) string {
	if r.Name != "" {
		return r.Name
	}
	return view.Short(r.ID)
}

func trainingURL(t mlops.Training) string {
	if t.RunID != "" {
		return runURL(t.RunID)
	}
	return "/trainings/" + strconv.FormatInt(t.ID, 10)
}

func runURL(id string) string { return "/runs/" + url.PathEscape(id) }

func deploymentURL(name string) string { return "/deployments/" + url.PathEscape(name) }
