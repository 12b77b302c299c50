package lineage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// TestDatasetUse follows a dataset to what is served from it: a version that
// is too old for the list, one of another model, and none of another dataset.
func TestDatasetUse(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	d := dbtest.Must(s.Datasets.PutDataset(ctx, storetest.Iris("d")))(t)
	run := func(digest string) string {
		id := dbtest.Must(s.Runs.CreateRun(ctx, runs.NewRun{UserID: "u"}))(t).Info.RunID
		logDataset(t, s, id, wire.Dataset{Name: "iris", Digest: digest, SourceType: "s3", Source: d.URI()}, wire.KV{Key: runs.TagContext, Value: "training"})
		return id
	}
	short, whole, foreign := run(mlops.LoggedDigest(d.SHA256)), run(d.SHA256), run("deadbeef")
	for _, name := range []string{"iris", "b", "other"} {
		dbtest.Must(s.Models.CreateRegisteredModel(ctx, name, "", nil))(t)
	}
	for range mlops.MaxDatasetVersions + 2 {
		dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "iris", Source: "s3://mlflow/m", RunID: short}))(t)
	}
	dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "b", Source: "s3://mlflow/m", RunID: whole}))(t)
	dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "other", Source: "s3://mlflow/m", RunID: foreign}))(t)
	all := deployed{{Name: "old", Model: "iris", Version: "1"}, {Name: "beta", Model: "b", Version: "1"}, {Name: "other", Model: "other", Version: "1"}, {Name: "empty", Model: "iris", Version: ""}}

	for _, digest := range []string{d.SHA256, strings.ToUpper(d.SHA256), mlops.LoggedDigest(d.SHA256)} {
		use, err := s.Lineage.DatasetUse(ctx, digest, all)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, d := range use.Deployments {
			names = append(names, d.Name)
		}
		if use.Stored == nil || use.Stored.ID != d.ID || use.Name != "iris" || use.Runs != 2 || len(use.Versions) != mlops.MaxDatasetVersions || use.More != 3 ||
			fmt.Sprint(names) != "[old beta]" || fmt.Sprint(use.Sources) != "["+d.URI()+"]" {
			t.Errorf("by %s: %d runs, %d versions and %d more, served by %v, sources %v, stored %v", digest, use.Runs, len(use.Versions), use.More, names, use.Sources, use.Stored)
		}
		for _, v := range use.Versions {
			if v.Model == "b" && (fmt.Sprint(v.Served) != "[beta]" || v.RunID != whole || v.Context != "training") {
				t.Errorf("version of b: %+v", v)
			}
		}
	}
	use := dbtest.Must(s.Lineage.DatasetUse(ctx, "deadbeef", all))(t)
	if use.Stored != nil || use.Runs != 1 || len(use.Versions) != 1 || len(use.Deployments) != 1 || use.Deployments[0].Name != "other" {
		t.Errorf("a dataset that is not stored: %+v", use)
	}
	// A version of a deleted run may still be served.
	if err := s.Runs.DeleteRun(ctx, foreign); err != nil {
		t.Fatal(err)
	}
	if use := dbtest.Must(s.Lineage.DatasetUse(ctx, "deadbeef", all))(t); use.Runs != 0 || len(use.Deployments) != 1 {
		t.Errorf("after its run was deleted: %+v", use)
	}
	_, err := s.Lineage.DatasetUse(ctx, "dead", all)
	dbtest.WantCode(t, err, mlops.NotFound, `"dead"`)
	_, err = s.Lineage.DatasetUse(ctx, d.SHA256, unknownDeployments{})
	dbtest.WantCode(t, err, mlops.Unavailable, "not ready yet")

	list := dbtest.Must(s.Lineage.DatasetSummaries(ctx))(t)
	if len(list) != 1 || list[0].Stored == nil || list[0].Digest != d.SHA256 || list[0].Runs != 2 || list[0].Versions != mlops.MaxDatasetVersions+3 {
		t.Errorf("datasets: %+v", list)
	}
}
