package lineage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

type deployed []mlops.Deployment

func (d deployed) Deployments(context.Context) ([]mlops.Deployment, error) { return d, nil }

type unknownDeployments struct{}

func (unknownDeployments) Deployments(context.Context) ([]mlops.Deployment, error) {
	return nil, mlops.Errorf(mlops.Unavailable, "the loop is not ready yet")
}

func logDataset(t *testing.T, s *store.Store, run string, d wire.Dataset, tags ...wire.KV) {
	t.Helper()
	if err := s.Runs.LogInputs(t.Context(), run, []wire.DatasetInput{{Dataset: d, Tags: tags}}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestLineage(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	d := dbtest.Must(s.Datasets.PutDataset(ctx, storetest.Iris("d")))(t)
	run := dbtest.Must(s.Runs.CreateRun(ctx, runs.NewRun{UserID: "u", Tags: []wire.KV{{Key: "mlflow.source.git.commit", Value: "abc"}, {Key: mlops.TagImage, Value: "img@sha256:1"},
		{Key: mlops.TagCodeSHA256, Value: "c0de"}, {Key: mlops.TagJob, Value: "iris-train-1"}}}))(t).Info.RunID
	logDataset(t, s, run, wire.Dataset{Name: "iris", Digest: d.SHA256, SourceType: "s3", Source: d.URI()}, wire.KV{Key: runs.TagContext, Value: "training"})
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "iris", "", nil))(t)
	dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "iris", Source: "s3://mlflow/m", RunID: run}))(t)
	all := deployed{{Name: "a", Model: "iris", Version: "1"}, {Name: "b", Model: "iris", Version: "2"}, {Name: "c", Model: "other", Version: "1"}, {Name: "d", Model: "iris", Version: "1"}}
	v, l, err := s.Lineage.LineageOf(ctx, "iris", 1, all)
	if err != nil {
		t.Fatal(err)
	}
	if v.Model != "iris" || v.Version != 1 || v.RunID != run || l.ArtifactURI != "s3://mlflow/m" || l.Run == nil || l.Run.RunID != run || l.Run.Experiment != "Default" || l.Run.Deleted ||
		l.Code.Commit != "abc" || l.Code.SHA256 != "c0de" || l.Image != "img@sha256:1" || l.Job == nil || l.Job.Job != "iris-train-1" || len(l.Others) != 0 ||
		len(l.Datasets) != 1 || l.Datasets[0].Stored == nil || l.Datasets[0].Stored.ID != d.ID || l.Datasets[0].Context != "training" ||
		len(l.Deployments) != 2 || l.Deployments[0].Name != "a" || l.Deployments[1].Name != "d" {
		b, _ := json.MarshalIndent(l, "", " ")
		t.Errorf("lineage: %s", b)
	}
	_, _, err = s.Lineage.LineageOf(ctx, "iris", 2, nil)
	dbtest.WantCode(t, err, mlops.NotFound, "no version 2")
	_, _, err = s.Lineage.LineageOf(ctx, "none", 1, nil)
	dbtest.WantCode(t, err, mlops.NotFound, `"none"`)
	_, _, err = s.Lineage.LineageOf(ctx, "iris", 1, unknownDeployments{})
	dbtest.WantCode(t, err, mlops.Unavailable, "not ready yet")

	// A deleted run is still where the version comes from, and says so.
	if err := s.Runs.DeleteRun(ctx, run); err != nil {
		t.Fatal(err)
	}
	if _, l, err = s.Lineage.LineageOf(ctx, "iris", 1, nil); err != nil || l.Run == nil || !l.Run.Deleted || l.Deployments != nil {
		t.Errorf("lineage to a deleted run: %+v, %v", l.Run, err)
	}
}

// MLflow's clients send 36 characters of a digest; the trainer keeps the
// whole of it in a tag of the input, older runs in a tag of the run.
func TestLineageFindsDatasetsByAShortDigest(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	d := dbtest.Must(s.Datasets.PutDataset(ctx, storetest.Iris("d")))(t)
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "iris", "", nil))(t)
	other := strings.Repeat("e", 64)
	for i, c := range []struct {
		digest   string
		run, tag []wire.KV
		sha256   string
		stored   bool
	}{
		{d.SHA256[:36], nil, []wire.KV{{Key: "sha256", Value: d.SHA256}}, d.SHA256, true},
		{d.SHA256[:36], []wire.KV{{Key: mlops.TagDatasetSHA256, Value: d.SHA256}}, nil, d.SHA256, true},
		{strings.ToUpper(d.SHA256[:36]), nil, []wire.KV{{Key: "sha256", Value: strings.ToUpper(d.SHA256)}}, d.SHA256, true},
		{d.SHA256[:36], nil, []wire.KV{{Key: "sha256", Value: other}}, "", false}, // the tag is of other bytes
		{other[:36], nil, []wire.KV{{Key: "sha256", Value: other}}, other, false}, // bytes that are not stored here
		{"3f2a9c1b", nil, nil, "", false}, // what pandas datasets have
	} {
		run := dbtest.Must(s.Runs.CreateRun(ctx, runs.NewRun{Tags: c.run}))(t).Info.RunID
		logDataset(t, s, run, wire.Dataset{Name: "iris", Digest: c.digest, SourceType: "s3", Source: d.URI()}, c.tag...)
		dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "iris", Source: "s3://mlflow/m", RunID: run}))(t)
		_, l, err := s.Lineage.LineageOf(ctx, "iris", i+1, nil)
		if err != nil || len(l.Datasets) != 1 || l.Datasets[0].SHA256 != c.sha256 || (l.Datasets[0].Stored != nil) != c.stored || l.Datasets[0].Digest != c.digest {
			t.Errorf("%d: %+v, %v", i, l.Datasets, err)
		}
	}
}

func TestLineageOfAVersionWithoutItsRun(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "m", "", nil))(t)
	dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "m", Source: "s3://b/m"}))(t)
	dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "m", Source: "s3://b/m", RunID: "gone"}))(t)
	for version := 1; version <= 2; version++ {
		v, l, err := s.Lineage.LineageOf(ctx, "m", version, deployed{})
		if err != nil || l.Run != nil || l.Datasets != nil || l.Others != nil || l.ArtifactURI != "s3://b/m" || v.Version != version {
			t.Errorf("version %d: %+v %+v, %v", version, v, l, err)
		}
	}
}

func TestLineageNamesTheOtherVersionsOfARun(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	run := storetest.NewRun(t, s, "0")
	for _, name := range []string{"b", "a"} {
		dbtest.Must(s.Models.CreateRegisteredModel(ctx, name, "", nil))(t)
		for range 2 {
			dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: name, Source: "s3://b/m", RunID: run}))(t)
		}
	}
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "prompt", "", []wire.KV{{Key: "mlflow.prompt.is_prompt", Value: "true"}}))(t)
	dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "prompt", Source: "dummy-source", RunID: run, Tags: []wire.KV{{Key: "mlflow.prompt.is_prompt", Value: "true"}}}))(t)
	_, l, err := s.Lineage.LineageOf(ctx, "b", 1, nil)
	if got := fmt.Sprint(l.Others); err != nil || got != "[{a 2} {a 1} {b 2}]" {
		t.Errorf("others: %s, %v", got, err)
	}
	// The API's answer has the same, beside the version as MLflow writes it.
	raw, err := json.Marshal(dbtest.Must(s.Lineage.Lineage(ctx, "b", "1", nil))(t))
	var answer map[string]json.RawMessage
	if err != nil || json.Unmarshal(raw, &answer) != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(answer)); strings.Join(got, " ") != "artifact_uri code model_version other_versions run" {
		t.Errorf("the answer has %v", got)
	}
	if vs := dbtest.Must(s.Models.VersionsOfRuns(ctx, []string{run, "gone", ""}))(t); len(vs) != 4 || vs[0].Model != "a" || vs[3].Version != 2 {
		t.Errorf("versions of the run: %+v", vs)
	}
}
