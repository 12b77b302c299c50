package loggedmodels_test

import (
	"slices"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/loggedmodels"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

func TestRunModels(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	run := storetest.NewRun(t, s, "0")
	var ids []string
	for _, name := range []string{"z", "a", "deleted"} {
		m := dbtest.Must(s.LoggedModels.CreateLoggedModel(ctx, loggedmodels.NewLoggedModel{ExperimentID: "0", Name: name, ModelType: "sklearn", SourceRunID: run}))(t)
		ids = append(ids, m.Info.ModelID)
		if err := s.Runs.LogOutputs(ctx, run, []wire.ModelOutput{{ModelID: m.Info.ModelID, Step: 7}}); err != nil {
			t.Fatal(err)
		}
	}
	dbtest.Must(s.LoggedModels.FinalizeLoggedModel(ctx, ids[0], "LOGGED_MODEL_READY"))(t)
	if err := s.LoggedModels.DeleteLoggedModel(ctx, ids[2]); err != nil {
		t.Fatal(err)
	}
	want := []mlops.LoggedModel{{ID: ids[0], Name: "z", Type: "sklearn", Status: "READY", Step: 7}, {ID: ids[1], Name: "a", Type: "sklearn", Status: "PENDING", Step: 7}}
	if got := dbtest.Must(s.LoggedModels.RunModels(ctx, run))(t); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
