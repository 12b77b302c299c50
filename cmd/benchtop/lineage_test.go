package main

import (
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestPrintLineage(t *testing.T) {
	var b strings.Builder
	made := time.Date(2026, 11, 2, 3, 4, 0, 0, time.UTC)
	full := appliance.VersionLineage{Version: mlops.ModelVersion{Model: "iris", Version: 3, CreatedAt: made}, Lineage: mlops.Lineage{
		ArtifactURI: "s3://mlflow/1/m", Run: &mlops.LineageRun{RunID: "r1", Name: "train-1", Experiment: "iris", Status: "FINISHED"},
		Code: mlops.LineageCode{Source: "the\x1btrain.py", Commit: "abc", Branch: "main", SHA256: "c0de"}, Image: "lab@sha256:1", Job: &mlops.LineageJob{Job: "iris-train-1"},
		Datasets:    []mlops.LineageDataset{{Name: "iris", Digest: "d1", SHA256: "d1d2", Stored: &mlops.Dataset{Name: "iris", Version: 2}}, {Name: "own", Digest: "beef"}},
		Deployments: []mlops.Deployment{{Name: "iris"}, {Name: "iris-b"}},
	}}
	if err := printLineage(&b, full); err != nil {
		t.Fatal(err)
	}
	const want = `version      iris 3, registered 2026-11-02 03:04Z
served by    iris, iris-b
run          train-1 (r1), experiment iris, FINISHED
data         iris version 2, digest d1d2
data         own, digest beef
code         the train.py
commit       abc main
code digest  c0de
image        lab@sha256:1
job          iris-train-1
files        s3://mlflow/1/m
`
	if b.String() != want {
		t.Errorf("lineage is\n%s\nexpected\n%s", b.String(), want)
	}
	b.Reset()
	if err := printLineage(&b, appliance.VersionLineage{Version: full.Version}); err != nil || !strings.Contains(b.String(), "served by  none\n") || !strings.Contains(b.String(), "none is known") {
		t.Errorf("of a version without a run: %v\n%s", err, b.String())
	}
}

func TestPrintDatasets(t *testing.T) {
	var b strings.Builder
	stored := mlops.Dataset{Name: "iris", Version: 2, Rows: 150, SHA256: strings.Repeat("ab", 32), Bucket: "datasets", Key: "iris/x.csv"}
	if err := printDatasets(&b, []mlops.DatasetSummary{{Name: "iris", Digest: stored.SHA256, Stored: &stored, Runs: 3, Versions: 2, LastRunAt: 1793588640000}, {Name: "own", Digest: "beef"}}); err != nil {
		t.Fatal(err)
	}
	const want = `DATASET  VERSION  ROWS  DIGEST        RUNS  MODEL VERSIONS  LAST READ
iris     2        150   abababababab  3     2               2026-11-02 03:04Z
own      -        -     beef          0     0               never
`
	if b.String() != want {
		t.Errorf("datasets are\n%s\nexpected\n%s", b.String(), want)
	}
	b.Reset()
	use := mlops.DatasetUse{Name: "iris", Digest: "ab", Stored: &stored, Runs: 3, More: 4, Deployments: []mlops.Deployment{{Name: "iris", Model: "iris", Version: "7"}},
		Versions: []mlops.VersionUse{{Model: "iris", Version: 7, RunID: "r7", CreatedAt: 1793588640000, Served: []string{"iris"}}}}
	if err := printDatasetUse(&b, use); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"iris version 2, 150 rows, stored at s3://datasets/iris/x.csv\n", "read by 3 runs\n", "served now by iris (iris 7)\n", "iris 7         2026-11-02 03:04Z  r7   iris\n", "and 4 older ones\n"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("what came of it lacks %q:\n%s", part, b.String())
		}
	}
	b.Reset()
	if err := printDatasetUse(&b, mlops.DatasetUse{Name: "own", Digest: "beef"}); err != nil || !strings.Contains(b.String(), "known from its runs only") || !strings.Contains(b.String(), "served now by none") || !strings.Contains(b.String(), "no model version") {
		t.Errorf("of one that only runs know: %v\n%s", err, b.String())
	}
}
