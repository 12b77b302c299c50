package uitest

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// addForest adds what somebody's own script has left a day ago: an experiment
// with a parent run and a run a combination of params below it, keys that
// must be quoted, a run that was killed and one whose metric is no number;
// and an experiment that was deleted.
func (w *World) addForest() {
	begun := w.Clock().Add(-26 * time.Hour)
	w.Experiments = append(w.Experiments,
		mlops.Experiment{ID: "5", Name: "digits/random forest sweep", ArtifactURI: "mlflow-artifacts:/5", CreatedAt: begun, LastUpdateAt: begun},
		mlops.Experiment{ID: "6", Name: "first tries", ArtifactURI: "mlflow-artifacts:/6", CreatedAt: begun.Add(-time.Hour), LastUpdateAt: begun, Deleted: true})
	parent := mlops.Run{ID: digest("forest")[:32], Name: "sweep", ExperimentID: "5", Experiment: "digits/random forest sweep", Status: mlops.RunFinished,
		StartedAt: begun, EndedAt: begun.Add(14 * time.Minute), User: "ada", ArtifactURI: "mlflow-artifacts:/5/sweep/artifacts",
		Params: []mlops.KV{{Key: "draws", Value: "12"}},
		Tags: []mlops.KV{{Key: "mlflow.note.content", Value: "Random search over 12 draws.\nThe forest with the best val/f1 is registered by hand; see <notebook>."},
			{Key: "mlflow.source.name", Value: "sweep.py"}, {Key: "mlflow.user", Value: "ada"}, {Key: "team", Value: "vision"}}}
	var children []mlops.Run
	for i := 12; i >= 1; i-- {
		started := begun.Add(time.Duration(i) * time.Minute)
		x := float64(i)
		run := mlops.Run{ID: digest(fmt.Sprint("forest", i))[:32], Name: fmt.Sprintf("sweep-%02d", i), ExperimentID: "5", Experiment: parent.Experiment, Status: mlops.RunFinished,
			StartedAt: started, EndedAt: started.Add(time.Duration(20+3*i) * time.Second), User: "ada", ArtifactURI: "mlflow-artifacts:/5/" + strconv.Itoa(i) + "/artifacts",
			Params: []mlops.KV{{Key: "criterion", Value: []string{"gini", "entropy", "log_loss"}[i%3]}, {Key: "max_depth", Value: strconv.Itoa(3 + i*5%11)},
				{Key: "min samples", Value: strconv.Itoa(1 + i%4)}, {Key: "n_estimators", Value: strconv.Itoa(50 * (1 + i*7%5))}},
			Tags: []mlops.KV{{Key: mlops.TagParentRun, Value: parent.ID}, {Key: "mlflow.source.name", Value: "sweep.py"}, {Key: "mlflow.user", Value: "ada"}, {Key: "team", Value: "vision"}},
			Metrics: []mlops.Metric{{Key: "accuracy", Value: 0.9 + 0.004*x*math.Abs(math.Sin(x)), Time: started}, {Key: "fit \"seconds\"", Value: 18 + 3*x, Time: started},
				{Key: "val/f1", Value: 0.88 + 0.005*x*math.Abs(math.Sin(x)), Time: started}, {Key: "weird`key`", Value: x, Time: started}}}
		switch i {
		case 4:
			run.Status, run.Metrics = mlops.RunKilled, nil
		case 7:
			run.Metrics[2].Value = math.NaN()
		}
		for _, m := range run.Metrics {
			w.History[run.ID+"/"+m.Key] = []mlops.Metric{m}
		}
		w.Logged[run.ID] = []mlops.LoggedModel{{ID: "m-" + run.ID, Name: "forest", Type: "sklearn", Status: "READY"}}
		children = append(children, run)
	}
	w.Runs = append(append(w.Runs, children...), parent,
		mlops.Run{ID: digest("try")[:32], Name: "try", ExperimentID: "6", Experiment: "first tries", Status: mlops.RunFinished, StartedAt: begun.Add(-time.Hour), EndedAt: begun, Deleted: true})
}
