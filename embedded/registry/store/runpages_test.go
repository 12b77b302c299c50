package store

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

func TestExperimentSummaries(t *testing.T) {
	s, ctx := open(t), t.Context()
	a := must(s.CreateExperiment(ctx, "a", "", nil))(t)
	b := must(s.CreateExperiment(ctx, "b", "", nil))(t)
	for i, exp := range []string{a, a, a, b} {
		must(s.CreateRun(ctx, NewRun{ExperimentID: exp, StartTime: int64(1000 * (i + 1))}))(t)
	}
	gone := must(s.CreateRun(ctx, NewRun{ExperimentID: a, StartTime: 9000}))(t).Info.RunID
	if err := s.DeleteRun(ctx, gone); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteExperiment(ctx, b); err != nil {
		t.Fatal(err)
	}
	got := map[string]mlops.ExperimentSummary{}
	for _, x := range must(s.ExperimentSummaries(ctx))(t) {
		got[x.Name] = x
	}
	if x := got["a"]; x.ID != a || x.Deleted || x.Runs != 3 || !x.NewestRunAt.Equal(time.UnixMilli(3000)) || x.ArtifactURI == "" || x.CreatedAt.IsZero() {
		t.Errorf("a: %+v", x)
	}
	if x := got["b"]; !x.Deleted || x.Runs != 1 || !x.NewestRunAt.Equal(time.UnixMilli(4000)) {
		t.Errorf("b, deleted with its run: %+v", x)
	}
	if x := got["Default"]; x.Runs != 0 || !x.NewestRunAt.IsZero() {
		t.Errorf("Default: %+v", x)
	}
}

// TestPagesOfAllRunsOutliveChanges pages through all experiments while one of
// them is renamed.
func TestPagesOfAllRunsOutliveChanges(t *testing.T) {
	s, ctx := open(t), t.Context()
	a := must(s.CreateExperiment(ctx, "a", "", nil))(t)
	must(s.CreateExperiment(ctx, "b", "", nil))(t)
	first, second := newRun(t, s, a), newRun(t, s, a)
	page := must(s.SearchRuns(ctx, mlops.RunQuery{Max: 1}))(t)
	time.Sleep(2 * time.Millisecond) // so that the change is later than what was before
	if err := s.RenameExperiment(ctx, a, "c"); err != nil {
		t.Fatal(err)
	}
	rest := must(s.SearchRuns(ctx, mlops.RunQuery{Max: 1, PageToken: page.NextPageToken}))(t)
	if len(page.Runs) != 1 || len(rest.Runs) != 1 || rest.NextPageToken != "" || !slices.Contains([]string{first + second, second + first}, page.Runs[0].ID+rest.Runs[0].ID) {
		t.Errorf("pages: %+v, then %+v", page, rest)
	}
}

func TestVersionsOfRuns(t *testing.T) {
	s, ctx := open(t), t.Context()
	first, second, none := newRun(t, s, "0"), newRun(t, s, "0"), newRun(t, s, "0")
	must(s.CreateRegisteredModel(ctx, "m", "", nil))(t)
	for _, run := range []string{first, second, first, ""} {
		must(s.CreateModelVersion(ctx, NewVersion{Name: "m", Source: "s3://mlflow/x", RunID: run}))(t)
	}
	var got []string
	for _, v := range must(s.VersionsOfRuns(ctx, []string{none, first, second, ""}))(t) {
		got = append(got, fmt.Sprint(v.Version, v.RunID))
	}
	if want := []string{"1" + first, "2" + second, "3" + first}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if vs := must(s.VersionsOfRuns(ctx, nil))(t); len(vs) != 0 {
		t.Errorf("no runs have %v", vs)
	}
}

func TestRunModels(t *testing.T) {
	s, ctx := open(t), t.Context()
	run := newRun(t, s, "0")
	var ids []string
	for _, name := range []string{"z", "a", "deleted"} {
		m := must(s.CreateLoggedModel(ctx, NewLoggedModel{ExperimentID: "0", Name: name, ModelType: "sklearn", SourceRunID: run}))(t)
		ids = append(ids, m.Info.ModelID)
		if err := s.LogOutputs(ctx, run, []wire.ModelOutput{{ModelID: m.Info.ModelID, Step: 7}}); err != nil {
			t.Fatal(err)
		}
	}
	must(s.FinalizeLoggedModel(ctx, ids[0], "LOGGED_MODEL_READY"))(t)
	if err := s.DeleteLoggedModel(ctx, ids[2]); err != nil {
		t.Fatal(err)
	}
	want := []mlops.LoggedModel{{ID: ids[0], Name: "z", Type: "sklearn", Status: "READY", Step: 7}, {ID: ids[1], Name: "a", Type: "sklearn", Status: "PENDING", Step: 7}}
	if got := must(s.RunModels(ctx, run))(t); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// BenchmarkRunPages measures what the runs and experiments pages read, in a
// registry of 100,000 runs and 20,000 versions.
func BenchmarkRunPages(b *testing.B) {
	s, ctx := open(b), b.Context()
	exp := must(s.CreateExperiment(ctx, "large", "", nil))(b)
	must(s.CreateRegisteredModel(ctx, "m", "", nil))(b)
	const runs, workers = 100_000, 64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < runs; i += workers {
				r, err := s.CreateRun(ctx, NewRun{ExperimentID: exp, StartTime: int64(1_700_000_000_000 + i*1000)})
				if err == nil {
					err = s.LogBatch(ctx, r.Info.RunID, Batch{Metrics: []wire.Metric{{Key: "accuracy", Value: wire.Float64(i % 9973)}}, Params: []wire.KV{{Key: "C", Value: fmt.Sprint(i % 7)}}})
				}
				if err == nil && i%5 == 0 {
					_, err = s.CreateModelVersion(ctx, NewVersion{Name: "m", Source: "s3://mlflow/x", RunID: r.Info.RunID})
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	page := must(s.SearchRuns(ctx, mlops.RunQuery{Max: 50}))(b)
	var ids []string
	for _, r := range page.Runs {
		ids = append(ids, r.ID)
	}
	search := func(q mlops.RunQuery) func() error {
		q.Max = 50
		return func() error { _, err := s.SearchRuns(ctx, q); return err }
	}
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"newest of all", search(mlops.RunQuery{OrderBy: []string{"attributes.start_time DESC"}})},
		{"newest", search(mlops.RunQuery{ExperimentIDs: []string{exp}, OrderBy: []string{"attributes.start_time DESC"}})},
		{"oldest of all", search(mlops.RunQuery{OrderBy: []string{"attributes.start_time ASC"}})},
		{"by metric of all", search(mlops.RunQuery{OrderBy: []string{"metrics.accuracy DESC"}})},
		{"by metric", search(mlops.RunQuery{ExperimentIDs: []string{exp}, OrderBy: []string{"metrics.accuracy DESC"}})},
		{"by param", search(mlops.RunQuery{ExperimentIDs: []string{exp}, OrderBy: []string{"params.C ASC"}})},
		{"by name", search(mlops.RunQuery{ExperimentIDs: []string{exp}, OrderBy: []string{"attributes.run_name ASC"}})},
		{"children", search(mlops.RunQuery{ExperimentIDs: []string{exp}, Filter: "tags.`mlflow.parentRunId` = 'x'"})},
		{"experiments", func() error { _, err := s.Experiments(ctx); return err }},
		{"experiment summaries", func() error { _, err := s.ExperimentSummaries(ctx); return err }},
		{"versions of a page", func() error { _, err := s.VersionsOfRuns(ctx, ids); return err }},
		{"versions of a model", func() error { _, err := s.Versions(ctx, mlops.VersionQuery{Model: "m", Max: 50}); return err }},
		{"models", func() error { _, err := s.Models(ctx, mlops.ModelQuery{Max: 50}); return err }},
		{"lineage", func() error { _, _, err := s.LineageOf(ctx, "m", 10_000, nil); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				begun := time.Now()
				if err := c.call(); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}
