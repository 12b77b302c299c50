package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// This file gives the registry's contents as the nouns of the loop, for pages.

func ms(t int64) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(t)
}

// Experiments returns the active experiments, those changed last first.
func (s *Store) Experiments(ctx context.Context) ([]mlops.Experiment, error) {
	es, _, err := s.SearchExperiments(ctx, ViewActive, PageQuery{Max: wire.MaxExperiments})
	out := make([]mlops.Experiment, 0, len(es))
	for _, e := range es {
		out = append(out, mlops.Experiment{ID: e.ID, Name: e.Name, ArtifactURI: e.ArtifactLocation, Deleted: e.LifecycleStage == wire.Deleted,
			CreatedAt: ms(e.CreationTime), LastUpdateAt: ms(e.LastUpdateTime)})
	}
	return out, err
}

// SearchRuns returns a page of active runs.
func (s *Store) SearchRuns(ctx context.Context, q mlops.RunQuery) (mlops.RunPage, error) {
	if q.Max == 0 {
		q.Max = 100
	}
	if q.Max < 1 || q.Max > wire.MaxSearchRuns {
		return mlops.RunPage{}, invalid("a page of runs has 1 to %d runs, not %d", wire.MaxSearchRuns, q.Max)
	}
	names, err := s.experimentNames(ctx)
	if err != nil {
		return mlops.RunPage{}, err
	}
	if len(q.ExperimentIDs) == 0 {
		es, err := s.Experiments(ctx)
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
	docs, next, err := s.SearchRunDocs(ctx, RunSearch{ExperimentIDs: q.ExperimentIDs, Filter: q.Filter, OrderBy: q.OrderBy, Max: q.Max, Token: q.PageToken})
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
	names, err := s.experimentNames(ctx)
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
	if err := s.rows(ctx, "SELECT id FROM runs WHERE run_id IN (SELECT value FROM json_each(?))", func(r *sql.Rows) error {
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
	names, err := s.experimentNames(ctx)
	out := make([]mlops.Run, 0, len(docs))
	for _, d := range docs {
		out = append(out, runNoun(d, names))
	}
	return out, err
}

func (s *Store) experimentNames(ctx context.Context) (map[string]string, error) {
	es, _, err := s.SearchExperiments(ctx, ViewAll, PageQuery{Max: wire.MaxExperiments})
	names := make(map[string]string, len(es))
	for _, e := range es {
		names[e.ID] = e.Name
	}
	return names, err
}

func kvNouns(kvs []wire.KV) []mlops.KV {
	out := make([]mlops.KV, len(kvs))
	for i, kv := range kvs {
		out[i] = mlops.KV(kv)
	}
	return out
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
		StartedAt: ms(i.StartTime), User: i.UserID, ArtifactURI: i.ArtifactURI, Deleted: i.LifecycleStage == wire.Deleted,
		Params: kvNouns(d.Data.Params), Tags: kvNouns(d.Data.Tags), Metrics: metricNouns(d.Data.Metrics)}
	if i.EndTime != nil {
		r.EndedAt = ms(*i.EndTime)
	}
	for _, in := range d.Inputs.DatasetInputs {
		n := mlops.DatasetInput{Name: in.Dataset.Name, Digest: in.Dataset.Digest, SourceType: in.Dataset.SourceType, Source: in.Dataset.Source}
		for _, t := range in.Tags {
			if t.Key == tagContext {
				n.Context = t.Value
			}
		}
		r.Inputs = append(r.Inputs, n)
	}
	return r
}

// MetricHistory returns at most max points of a metric (all if max is 0) in
// order of step. Extremes are kept; what lies between them is thinned out.
func (s *Store) MetricHistory(ctx context.Context, runID, key string, max int) ([]mlops.Metric, error) {
	points, err := s.downSampled(ctx, runID, key, max)
	return metricNouns(points), err
}

// Artifacts lists one level of a run's artifacts, below path.
func (s *Store) Artifacts(ctx context.Context, runID, path string) ([]mlops.Artifact, error) {
	r, err := s.RunByID(ctx, runID)
	if err != nil {
		return nil, err
	}
	files, err := s.ListArtifacts(ctx, r.Info.ArtifactURI, path)
	out := make([]mlops.Artifact, 0, len(files))
	for _, f := range files {
		a := mlops.Artifact{Path: f.Path, IsDir: f.IsDir}
		if f.FileSize != nil {
			a.Bytes = *f.FileSize
		}
		out = append(out, a)
	}
	return out, err
}

// OpenArtifact opens a file among a run's artifacts. The caller closes it.
func (s *Store) OpenArtifact(ctx context.Context, runID, path string) (io.ReadCloser, mlops.Artifact, error) {
	r, err := s.RunByID(ctx, runID)
	if err != nil {
		return nil, mlops.Artifact{}, err
	}
	rc, info, err := s.OpenFile(ctx, r.Info.ArtifactURI, path)
	if err != nil {
		return nil, mlops.Artifact{}, err
	}
	return rc, mlops.Artifact{Path: path, Bytes: info.Bytes}, nil
}
