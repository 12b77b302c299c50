package datasets_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
)

func TestDatasetVersions(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	for i, c := range []struct {
		sha     string
		version int
	}{{"a", 1}, {"b", 2}, {"a", 1}, {"c", 3}} {
		if d := dbtest.Must(s.Datasets.PutDataset(ctx, storetest.Iris(c.sha)))(t); d.Version != c.version || d.SHA256[:1] != c.sha || len(d.Classes) != 2 {
			t.Errorf("%d: version %d of %s, want %d", i, d.Version, d.SHA256, c.version)
		}
	}
	if d := dbtest.Must(s.Datasets.Dataset(ctx, "iris"))(t); d.Version != 3 {
		t.Errorf("newest is version %d, want 3", d.Version)
	}
	if all := dbtest.Must(s.Datasets.Datasets(ctx))(t); len(all) != 3 || all[0].Version != 3 {
		t.Errorf("datasets: %v", all)
	}
	_, err := s.Datasets.Dataset(ctx, "none")
	dbtest.WantCode(t, err, mlops.NotFound, `no dataset "none"`)
	bad := storetest.Iris("a")
	bad.SHA256 = "x"
	_, err = s.Datasets.PutDataset(ctx, bad)
	dbtest.WantCode(t, err, mlops.Invalid, "64 lower-case hex digits")
}
