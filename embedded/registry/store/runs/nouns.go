package runs

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// This file gives runs as the nouns of the loop, for pages.

// SearchRuns returns a page of active runs.
func (s *Store) SearchRuns(ctx context.Context, q mlops.RunQuery) (mlops.RunPage, error) {
	if q.Max == 0 {
		q.Max = 100
	}
	if q.Max < 1 || q.Max > wire.MaxSearchRuns {
		return mlops.RunPage{}, mlops.Errorf(mlops.Invalid, "a page of runs has 1 to %d runs, not %d", wire.MaxSearchRuns, q.Max)
	}
	names, err := s.experiments.Names(ctx)
	if err != nil {
		return mlops.RunPage{}, err
	}
	if len(q.ExperimentIDs) == 0 {
		es, err := s.experiments.Experiments(ctx)
		if err != nil {
			return mlops.RunPage{}, err
		}
		for _, e := range es {
			q.ExperimentIDs = append(q.ExperimentIDs, e.ID)
		}
		// Page tokens belong to this list, and experiments come in the order
		// of their last change.
		slices.Sort(q.ExperimentIDs)
	}
	docs, next, err := s.SearchRunDocs(ctx, search.RunQuery{ExperimentIDs: q.ExperimentIDs, Filter: q.Filter, OrderBy: q.OrderBy, Max: q.Max, Token: q.PageToken})
	if err != nil {
		return mlops.RunPage{}, err
	}
	page := mlops.RunPage{Runs: make([]mlops.Run, 0, len(docs)), NextPageToken: next}
	for _, d := range docs {
		page.Runs = append(page.Runs, runNoun(d, names))
	}
	return page, nil
}

// Run returns one run.
func (s *Store) Run(ctx context.Context, id string) (mlops.Run, error) {
	d, err := s.RunByID(ctx, id)
	if err != nil {
		return mlops.Run{}, err
	}
	names, err := s.experiments.Names(ctx)
	return runNoun(d, names), err
}

// RunsByID returns those of the runs that are there, deleted ones too, in any
// order.
func (s *Store) RunsByID(ctx context.Context, runIDs []string) ([]mlops.Run, error) {
	list, err := json.Marshal(runIDs)
	if err != nil {
		return nil, err
	}
	var ids []int64
	if err := s.db.Rows(ctx, "SELECT id FROM runs WHERE run_id IN (SELECT value FROM json_each(?))", func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, string(list)); err != nil {
		return nil, err
	}
	docs, err := s.documents(ctx, ids)
	if err != nil {
		return nil, err
	}
	names, err := s.experiments.Names(ctx)
	out := make([]mlops.Run, 0, len(docs))
	for _, d := range docs {
		out = append(out, runNoun(d, names))
	}
	return out, err
}

func metricNouns(in []wire.Metric) []mlops.Metric {
	out := make([]mlops.Metric, len(in))
	for i, m := range in {
		out[i] = mlops.Metric{Key: m.Key, Value: float64(m.Value), Step: m.Step, Time: time.UnixMilli(m.Timestamp)}
	}
	return out
}

func runNoun(d *wire.Run, names map[string]string) mlops.Run {
	i := d.Info
	r := mlops.Run{ID: i.RunID, Name: i.RunName, ExperimentID: i.ExperimentID, Experiment: names[i.ExperimentID], Status: mlops.RunStatus(i.Status),
		StartedAt: db.TimeOf(i.StartTime), User: i.UserID, ArtifactURI: i.ArtifactURI, Deleted: i.LifecycleStage == wire.Deleted,
		Params: wire.KVNouns(d.Data.Params), Tags: wire.KVNouns(d.Data.Tags), Metrics: metricNouns(d.Data.Metrics)}
	if i.EndTime != nil {
		r.EndedAt = db.TimeOf(*i.EndTime)
	}
	for _, in := range d.Inputs.DatasetInputs {
		n := mlops.DatasetInput{Name: in.Dataset.Name, Digest: in.Dataset.Digest, SourceType: in.Dataset.SourceType, Source: in.Dataset.Source}
		for _, t := range in.Tags {
			if t.Key == TagContext {
				n.Context = t.Value
			}
		}
		r.Inputs = append(r.Inputs, n)
	}
	return r
}

// MetricHistory returns at most max points of a metric (all if max is 0) in
// order of step. It keeps extremes and thins out the points between them.
func (s *Store) MetricHistory(ctx context.Context, runID, key string, max int) ([]mlops.Metric, error) {
	points, err := s.downSampled(ctx, runID, key, max)
	return metricNouns(points), err
}
