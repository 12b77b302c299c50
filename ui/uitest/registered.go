package uitest

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// LongName is a model's name that fits no column.
const LongName = "a-registered-model-whose-name-is-much-longer-than-anybody-would-want-to-type-but-which-was-chosen-anyway"

// addModels adds what other people have registered: a model of a script that
// has logged its git commit and two datasets and made another model too; a
// model of more versions than fit a page, by runs that were deleted since; one
// without a run; and one without a version.
func (w *World) addModels() {
	begun := w.Clock().Add(-25 * time.Hour)
	script := mlops.Run{ID: digest("script")[:32], Name: "final-forest", ExperimentID: "7", Experiment: "digits/final", Status: mlops.RunFinished, StartedAt: begun, EndedAt: begun.Add(9 * time.Minute),
		User: "ada", ArtifactURI: "mlflow-artifacts:/7/script/artifacts",
		Params:  []mlops.KV{{Key: "criterion", Value: "log_loss"}, {Key: "n_estimators", Value: "150"}},
		Metrics: []mlops.Metric{{Key: "val/f1", Value: 0.935}, {Key: "weird`key`", Value: math.Inf(1)}},
		Tags: []mlops.KV{{Key: "mlflow.source.git.branch", Value: "main"}, {Key: "mlflow.source.git.commit", Value: digest("commit")[:40]},
			{Key: "mlflow.source.git.repoURL", Value: "https://git.example.org/vision/digits-random-forest.git"}, {Key: "mlflow.source.name", Value: "experiments/final_forest.py"}, {Key: "mlflow.source.type", Value: "LOCAL"}},
		Inputs: []mlops.DatasetInput{
			{Name: "digits-train", Digest: "3f9a1c7e", SourceType: "http", Source: `{"url": "https://data.example.org/digits/optdigits.tra"}`, Context: "training"},
			{Name: "digits-holdout", Digest: "b81d02f4", SourceType: "local", Source: `{"uri": "/home/ada/data/optdigits-holdout-with-a-rather-long-name.parquet"}`, Context: "evaluation"}}}
	w.Unlisted = append(w.Unlisted, script)
	for _, name := range []string{"digits-forest", "digits-forest-distilled"} {
		w.Versions = append(w.Versions, mlops.ModelVersion{Model: name, Version: 1, RunID: script.ID, Source: script.ArtifactURI + "/" + name, Status: "READY", Stage: "None",
			Description: "Chosen by hand from a random search.", CreatedAt: begun.Add(20 * time.Minute), Tags: []mlops.KV{{Key: "reviewed_by", Value: "ada"}}})
	}
	for i := range 130 {
		made := begun.Add(time.Duration(i-130) * 30 * time.Minute)
		run := mlops.Run{ID: digest(fmt.Sprint("demand", i))[:32], Name: fmt.Sprintf("demand-%d", i+1), ExperimentID: "8", Experiment: "demand", Status: mlops.RunFinished, Deleted: true,
			StartedAt: made.Add(-time.Minute), EndedAt: made, User: "grace", Metrics: []mlops.Metric{{Key: "mae", Value: 41 - 0.1*float64(i)}, {Key: "rmse", Value: 62 - 0.15*float64(i) + 3*math.Sin(float64(i)/4)}}}
		w.Unlisted = append(w.Unlisted, run)
		w.Versions = append(w.Versions, mlops.ModelVersion{Model: "energy-demand", Version: i + 1, RunID: run.ID, Source: "models:/m-" + run.ID, Status: "READY", Stage: "None", CreatedAt: made})
	}
	w.Versions = append(w.Versions, mlops.ModelVersion{Model: LongName, Version: 7, Source: "s3://models/imported/" + LongName + "/7", Status: "READY", Stage: "Production", CreatedAt: begun})
	long := mlops.RegisteredModel{Name: LongName, Description: strings.Repeat("It was brought from another registry, with everything that was written about it there. ", 4), CreatedAt: begun, LastUpdateAt: begun}
	for _, alias := range []string{"a-b-test", "baseline", "blue", "canary", "green", "previous", "rollback", "shadow", "stable"} {
		long.Aliases = append(long.Aliases, mlops.Alias{Alias: alias, Version: 7})
	}
	w.Models = append(w.Models, long,
		mlops.RegisteredModel{Name: "digits-forest", CreatedAt: begun, LastUpdateAt: begun, Aliases: []mlops.Alias{{Alias: "candidate", Version: 1}}, Tags: []mlops.KV{{Key: "task", Value: "classification"}, {Key: "team", Value: "vision"}}},
		mlops.RegisteredModel{Name: "digits-forest-distilled", CreatedAt: begun, LastUpdateAt: begun},
		mlops.RegisteredModel{Name: "energy-demand", Description: "Demand of the next hour in kilowatt.", CreatedAt: begun.Add(-65 * time.Hour), LastUpdateAt: begun, Aliases: []mlops.Alias{{Alias: "champion", Version: 118}, {Alias: "shadow", Version: 42}}},
		mlops.RegisteredModel{Name: "not-trained-yet", CreatedAt: begun, LastUpdateAt: begun})
}
