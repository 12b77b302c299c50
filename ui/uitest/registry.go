package uitest

import (
	"context"
	"io"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

type registry struct{ w *World }

func (r registry) Changed() <-chan struct{} {
	r.w.Lock()
	defer r.w.Unlock()
	return r.w.changed
}

func (r registry) Experiments(context.Context) ([]mlops.Experiment, error) {
	r.w.Lock()
	defer r.w.Unlock()
	var out []mlops.Experiment
	for _, e := range r.w.Experiments {
		if !e.Deleted {
			out = append(out, e)
		}
	}
	return out, nil
}

func (r registry) ExperimentSummaries(context.Context) ([]mlops.ExperimentSummary, error) {
	r.w.Lock()
	defer r.w.Unlock()
	var out []mlops.ExperimentSummary
	for _, e := range r.w.Experiments {
		x := mlops.ExperimentSummary{Experiment: e}
		for _, run := range r.w.Runs {
			if run.ExperimentID == e.ID && run.Deleted == e.Deleted {
				x.Runs++
				if run.StartedAt.After(x.NewestRunAt) {
					x.NewestRunAt = run.StartedAt
				}
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// all returns the runs that can be found by their id.
func (r registry) all() []mlops.Run {
	return append(slices.Clip(r.w.Runs), r.w.Unlisted...)
}

func (r registry) Run(_ context.Context, id string) (mlops.Run, error) {
	r.w.Lock()
	defer r.w.Unlock()
	for _, run := range r.all() {
		if run.ID == id {
			return run, nil
		}
	}
	return mlops.Run{}, mlops.Errorf(mlops.NotFound, "There is no run %q.", id)
}

func (r registry) RunsByID(_ context.Context, ids []string) ([]mlops.Run, error) {
	r.w.Lock()
	defer r.w.Unlock()
	var out []mlops.Run
	for _, run := range r.all() {
		if slices.Contains(ids, run.ID) {
			out = append(out, run)
		}
	}
	return out, nil
}

func (r registry) MetricHistory(_ context.Context, runID, key string, limit int) ([]mlops.Metric, error) {
	r.w.Lock()
	defer r.w.Unlock()
	points := r.w.History[runID+"/"+key]
	return points[:min(limit, len(points))], nil
}

func (r registry) NewestTrainings(_ context.Context, each int) ([]mlops.Training, error) {
	r.w.Lock()
	defer r.w.Unlock()
	kept := map[string]int{}
	return slices.DeleteFunc(slices.Clone(r.w.Trainings), func(t mlops.Training) bool {
		kept[t.Project]++
		return kept[t.Project] > each
	}), nil
}

func (r registry) NewestVersions(_ context.Context, models []string) ([]mlops.ModelVersion, error) {
	r.w.Lock()
	defer r.w.Unlock()
	newest := map[string]mlops.ModelVersion{}
	for _, v := range r.w.Versions {
		if slices.Contains(models, v.Model) && v.Version > newest[v.Model].Version {
			newest[v.Model] = v
		}
	}
	return slices.Collect(maps.Values(newest)), nil
}

func (r registry) LoggedModels(_ context.Context, runID string) ([]mlops.LoggedModel, error) {
	r.w.Lock()
	defer r.w.Unlock()
	return r.w.Logged[runID], nil
}

func (r registry) Artifacts(_ context.Context, runID, dir string) ([]mlops.Artifact, error) {
	r.w.Lock()
	defer r.w.Unlock()
	found := map[string]mlops.Artifact{}
	for name, contents := range r.w.Files[runID] {
		rest, below := name, dir == ""
		if dir != "" {
			rest, below = strings.CutPrefix(name, dir+"/")
		}
		if !below {
			continue
		}
		if first, _, nested := strings.Cut(rest, "/"); nested {
			found[first] = mlops.Artifact{Path: path.Join(dir, first), IsDir: true}
		} else {
			found[first] = mlops.Artifact{Path: path.Join(dir, first), Bytes: int64(len(contents))}
		}
	}
	var out []mlops.Artifact
	for _, a := range found {
		out = append(out, a)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out, nil
}

func (r registry) OpenArtifact(_ context.Context, runID, name string) (io.ReadCloser, mlops.Artifact, error) {
	r.w.Lock()
	defer r.w.Unlock()
	contents, ok := r.w.Files[runID][name]
	if !ok {
		return nil, mlops.Artifact{}, mlops.Errorf(mlops.NotFound, "There is no artifact %q.", name)
	}
	return io.NopCloser(strings.NewReader(contents)), mlops.Artifact{Path: name, Bytes: int64(len(contents))}, nil
}

func (r registry) Datasets(context.Context) ([]mlops.Dataset, error) {
	r.w.Lock()
	defer r.w.Unlock()
	return append([]mlops.Dataset(nil), r.w.Datasets...), nil
}

func (r registry) Trainings(_ context.Context, project string, limit int) ([]mlops.Training, error) {
	r.w.Lock()
	defer r.w.Unlock()
	var out []mlops.Training
	for _, t := range r.w.Trainings {
		if t.Project == project && len(out) < limit {
			out = append(out, t)
		}
	}
	return out, nil
}
