package experiments_test

import (
	"context"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
)

func TestExperimentSummaries(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	a := dbtest.Must(s.Experiments.CreateExperiment(ctx, "a", "", nil))(t)
	b := dbtest.Must(s.Experiments.CreateExperiment(ctx, "b", "", nil))(t)
	for i, exp := range []string{a, a, a, b} {
		dbtest.Must(s.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: exp, StartTime: int64(1000 * (i + 1))}))(t)
	}
	gone := dbtest.Must(s.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: a, StartTime: 9000}))(t).Info.RunID
	if err := s.Runs.DeleteRun(ctx, gone); err != nil {
		t.Fatal(err)
	}
	if err := s.Experiments.DeleteExperiment(ctx, b); err != nil {
		t.Fatal(err)
	}
	got := map[string]mlops.ExperimentSummary{}
	for _, x := range dbtest.Must(s.Experiments.ExperimentSummaries(ctx))(t) {
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

func TestCancelledWriteIsNotDone(t *testing.T) {
	s := storetest.Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Experiments.CreateExperiment(ctx, "x", "", nil); err == nil {
		t.Error("a cancelled request was executed")
	}
	_, err := s.Experiments.ExperimentByName(t.Context(), "x")
	dbtest.WantCode(t, err, mlops.NotFound, `"x"`)
}
