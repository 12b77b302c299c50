package store

import (
	"context"
	"io"
	"slices"
	"strconv"
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

// RegisteredModels returns all registered models but prompts, by name.
func (s *Store) RegisteredModels(ctx context.Context) ([]mlops.RegisteredModel, error) {
	rs, _, err := s.SearchRegisteredModels(ctx, PageQuery{Max: 100_000})
	out := make([]mlops.RegisteredModel, 0, len(rs))
	for _, r := range rs {
		m := mlops.RegisteredModel{Name: r.Name, Description: r.Description, CreatedAt: ms(r.CreationTime), LastUpdateAt: ms(r.LastUpdated), Tags: kvNouns(r.Tags)}
		for _, a := range r.Aliases {
			v, _ := strconv.Atoi(a.Version)
			m.Aliases = append(m.Aliases, mlops.Alias{Alias: a.Alias, Version: v})
		}
		for _, v := range r.LatestVersions {
			m.Latest = append(m.Latest, versionNoun(v))
		}
		out = append(out, m)
	}
	return out, err
}

func versionNoun(v wire.ModelVersion) mlops.ModelVersion {
	n, _ := strconv.Atoi(v.Version)
	return mlops.ModelVersion{Model: v.Name, Version: n, RunID: v.RunID, Source: v.Source, Status: v.Status, Stage: v.CurrentStage,
		Description: v.Description, CreatedAt: ms(v.CreationTime), Aliases: v.Aliases, Tags: kvNouns(v.Tags)}
}

// ModelVersions returns the versions of a model, the newest first.
func (s *Store) ModelVersions(ctx context.Context, model string) ([]mlops.ModelVersion, error) {
	vs, err := s.versions(ctx, "WHERE m.name = ? ORDER BY v.version DESC", model)
	out := make([]mlops.ModelVersion, 0, len(vs))
	for _, v := range vs {
		out = append(out, versionNoun(v))
	}
	return out, err
}

// ModelVersion returns one version of a model.
func (s *Store) ModelVersion(ctx context.Context, model string, version int) (mlops.ModelVersion, error) {
	v, err := s.Version(ctx, model, strconv.Itoa(version))
	if err != nil {
		return mlops.ModelVersion{}, err
	}
	return versionNoun(v), nil
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
