package runs_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/store"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

func TestEndRunsEndsOnlyWhatTheJobLeftRunning(t *testing.T) {
	ctx := context.Background()
	s, err := store.Open(ctx, filepath.Join(t.TempDir(), "registry.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	start := func(job string) string {
		t.Helper()
		r, err := s.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: "0", Tags: []wire.KV{{Key: mlops.TagJob, Value: job}}})
		if err != nil {
			t.Fatal(err)
		}
		return r.Info.RunID
	}
	orphan, finished, other := start("iris-train-1"), start("iris-train-1"), start("iris-train-2")
	further, err := s.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: "0", Tags: []wire.KV{{Key: mlops.TagJobRun, Value: finished}}})
	if err != nil {
		t.Fatal(err)
	}
	done := "FINISHED"
	if _, err := s.Runs.UpdateRun(ctx, finished, runs.RunUpdate{Status: &done}); err != nil {
		t.Fatal(err)
	}
	if err := s.Runs.EndRuns(ctx, "iris-train-1", mlops.RunKilled); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]mlops.RunStatus{orphan: mlops.RunKilled, further.Info.RunID: mlops.RunKilled, finished: mlops.RunFinished, other: mlops.RunRunning} {
		r, err := s.Runs.Run(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if r.Status != want {
			t.Errorf("run %s is %s, want %s", id, r.Status, want)
		}
		if r.EndedAt.IsZero() == (want == mlops.RunKilled) {
			t.Errorf("run %s (%s) ended at %v", id, want, r.EndedAt)
		}
	}
	if err := s.Runs.EndRuns(ctx, "x' OR '1", mlops.RunKilled); mlops.CodeOf(err) != mlops.Invalid {
		t.Errorf("a job name with a quote gave %v", err)
	}
}
