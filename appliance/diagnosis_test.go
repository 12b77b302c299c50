package appliance

import (
	"context"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
)

func TestWhatADeploymentMisses(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "iris", "", nil))(t)
	dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "iris", Source: "s3://mlflow/x"}))(t)
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", "champion", "1"))
	for _, c := range []struct {
		model, follows   string
		noModel, noAlias bool
	}{{"iris", "champion", false, false}, {"iris", "", false, false}, {"iris", "live", false, true}, {"wine", "live", true, false}} {
		noModel, noAlias, err := missing(ctx, s.Models, mlops.Deployment{Model: c.model, Follows: c.follows})
		if err != nil || noModel != c.noModel || noAlias != c.noAlias {
			t.Errorf("%s@%s: no model %t, no alias %t, %v", c.model, c.follows, noModel, noAlias, err)
		}
	}
	ended, end := context.WithCancel(ctx)
	end()
	if _, _, err := missing(ended, s.Models, mlops.Deployment{Model: "iris"}); err == nil {
		t.Error("what could not be asked is taken for an answer")
	}
}
