package store_test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/search"
	"github.com/benchtop-lab/benchtop/embedded/registry/store"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/loggedmodels"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// BenchmarkRunPages measures what the runs and experiments pages read, in a
// registry of 100,000 runs and 20,000 versions.
func BenchmarkRunPages(b *testing.B) {
	s, ctx := storetest.Open(b), b.Context()
	exp := dbtest.Must(s.Experiments.CreateExperiment(ctx, "large", "", nil))(b)
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "m", "", nil))(b)
	const many, workers = 100_000, 64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < many; i += workers {
				r, err := s.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: exp, StartTime: int64(1_700_000_000_000 + i*1000)})
				if err == nil {
					err = s.Runs.LogBatch(ctx, r.Info.RunID, runs.Batch{Metrics: []wire.Metric{{Key: "accuracy", Value: wire.Float64(i % 9973)}}, Params: []wire.KV{{Key: "C", Value: fmt.Sprint(i % 7)}}})
				}
				if err == nil && i%5 == 0 {
					_, err = s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "m", Source: "s3://mlflow/x", RunID: r.Info.RunID})
				}
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	page := dbtest.Must(s.Runs.SearchRuns(ctx, mlops.RunQuery{Max: 50}))(b)
	var ids []string
	for _, r := range page.Runs {
		ids = append(ids, r.ID)
	}
	searching := func(q mlops.RunQuery) func() error {
		q.Max = 50
		return func() error { _, err := s.Runs.SearchRuns(ctx, q); return err }
	}
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"newest of all", searching(mlops.RunQuery{OrderBy: []string{"attributes.start_time DESC"}})},
		{"newest", searching(mlops.RunQuery{ExperimentIDs: []string{exp}, OrderBy: []string{"attributes.start_time DESC"}})},
		{"oldest of all", searching(mlops.RunQuery{OrderBy: []string{"attributes.start_time ASC"}})},
		{"by metric of all", searching(mlops.RunQuery{OrderBy: []string{"metrics.accuracy DESC"}})},
		{"by metric", searching(mlops.RunQuery{ExperimentIDs: []string{exp}, OrderBy: []string{"metrics.accuracy DESC"}})},
		{"by param", searching(mlops.RunQuery{ExperimentIDs: []string{exp}, OrderBy: []string{"params.C ASC"}})},
		{"by name", searching(mlops.RunQuery{ExperimentIDs: []string{exp}, OrderBy: []string{"attributes.run_name ASC"}})},
		{"children", searching(mlops.RunQuery{ExperimentIDs: []string{exp}, Filter: "tags.`mlflow.parentRunId` = 'x'"})},
		{"experiments", func() error { _, err := s.Experiments.Experiments(ctx); return err }},
		{"experiment summaries", func() error { _, err := s.Experiments.ExperimentSummaries(ctx); return err }},
		{"versions of a page", func() error { _, err := s.Models.VersionsOfRuns(ctx, ids); return err }},
		{"versions of a model", func() error { _, err := s.Models.Versions(ctx, mlops.VersionQuery{Model: "m", Max: 50}); return err }},
		{"models", func() error { _, err := s.Models.Models(ctx, mlops.ModelQuery{Max: 50}); return err }},
		{"lineage", func() error { _, _, err := s.Lineage.LineageOf(ctx, "m", 10_000, nil); return err }},
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

// FuzzSearch makes sure that no filter, order or token ends in anything but
// rows or an error that blames the request.
func FuzzSearch(f *testing.F) {
	s := storetest.Open(f)
	exp := dbtest.Must(s.Experiments.CreateExperiment(f.Context(), "fuzz", "", nil))(f)
	run := storetest.NewRun(f, s, exp)
	if err := s.Runs.LogBatch(f.Context(), run, runs.Batch{Metrics: []wire.Metric{{Key: "a", Value: 1}}, Params: []wire.KV{{Key: "b", Value: "c"}}}); err != nil {
		f.Fatal(err)
	}
	storetest.NewRun(f, s, exp)
	token := dbtest.Must(s.Runs.SearchRuns(f.Context(), mlops.RunQuery{ExperimentIDs: []string{exp}, Max: 1}))(f).NextPageToken
	f.Add("metrics.a > 0 and params.`b c` = 'x''y'", "metrics.a DESC", token)
	f.Add("tags.\"mlflow.x\" ILIKE '%[*]%' AND attributes.run_id IN ('a', 'b')", "start_time", "")
	f.Add("dataset.name NOT IN ('x') and metrics.a = -1e400", "params.b", "eyJxIjoxfQ")
	f.Add("feedback.x > 0.5 AND span.content LIKE '%y%' AND tags.a RLIKE '^(a|b)+$'", "tags.a", "")
	f.Fuzz(func(t *testing.T, filter, order, token string) {
		ok := func(err error) {
			if err != nil && mlops.CodeOf(err) != mlops.Invalid {
				t.Errorf("filter %q, order %q, token %q: %v", filter, order, token, err)
			}
		}
		ctx := t.Context()
		orders := []string{order}
		if order == "" {
			orders = nil
		}
		for _, exps := range [][]string{{exp}, {exp, "0"}} {
			_, _, err := s.Runs.SearchRunDocs(ctx, search.RunQuery{ExperimentIDs: exps, Filter: filter, OrderBy: orders, Max: 2, Token: token})
			ok(err)
		}
		q := db.PageQuery{Filter: filter, OrderBy: orders, Max: 2, Token: token}
		_, _, err := s.Experiments.SearchExperiments(ctx, search.ViewAll, q)
		ok(err)
		_, _, err = s.Models.SearchRegisteredModels(ctx, q)
		ok(err)
		_, _, err = s.Models.SearchModelVersions(ctx, q)
		ok(err)
		_, _, err = s.Traces.SearchTraces(ctx, []string{exp}, q)
		ok(err)
		_, _, err = s.LoggedModels.SearchLoggedModels(ctx, loggedmodels.LoggedModelSearch{ExperimentIDs: []string{exp}, Filter: filter, OrderBy: []loggedmodels.ModelOrder{{Field: order}}, Max: 2, Token: token})
		ok(err)
		_, _, err = s.Runs.History(ctx, run, "a", 1, token)
		ok(err)
	})
}

func TestReopenKeepsEverything(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "deep", "registry.db")
	s := dbtest.Must(store.Open(ctx, path, store.Options{}))(t)
	run := storetest.NewRun(t, s, "0")
	if err := s.Runs.LogBatch(ctx, run, runs.Batch{Metrics: []wire.Metric{{Key: "m", Value: 1, Step: 3}, {Key: "nan", Value: wire.Float64(math.NaN())}}, Params: []wire.KV{{Key: "p", Value: "v"}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Runs.SetTag(ctx, run, wire.KV{Key: "a", Value: "b"}); mlops.CodeOf(err) != mlops.Unavailable {
		t.Errorf("a write after Close: %v, want Unavailable", err)
	}
	s = dbtest.Must(store.Open(ctx, path, store.Options{}))(t)
	defer s.Close()
	got := dbtest.Must(s.Runs.RunByID(ctx, run))(t)
	if len(got.Data.Metrics) != 2 || got.Data.Metrics[0].Step != 3 || !math.IsNaN(float64(got.Data.Metrics[1].Value)) || got.Data.Params[0].Value != "v" {
		t.Errorf("after reopening: %+v", got.Data)
	}
}

func TestSecondProcessIsKeptAway(t *testing.T) {
	s := storetest.Open(t)
	_, err := store.Open(t.Context(), s.DB.Path(), store.Options{})
	dbtest.WantCode(t, err, mlops.InvalidState, "another process has the registry open")
}
