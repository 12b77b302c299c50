package uitest

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// AddSweep adds an experiment with runs that are worth comparing: a search
// over params in numbers and text, with curves. One run's loss became NaN,
// one is still running, and one failed before its first metric. It returns
// the ids of the runs.
func (w *World) AddSweep() []string {
	begun := w.Clock().Add(-6 * time.Hour)
	w.Experiments = append(w.Experiments, mlops.Experiment{ID: "2", Name: "churn-sweep", ArtifactURI: "s3://mlflow/2", CreatedAt: begun, LastUpdateAt: begun})
	var ids []string
	for i := range 14 {
		run := w.sweepRun(i, begun.Add(time.Duration(i)*11*time.Minute))
		w.Runs = append(w.Runs, run)
		ids = append(ids, run.ID)
	}
	return ids
}

const (
	sweepNaN     = 4  // its learning rate was too high
	sweepFailed  = 9  // before it logged a metric
	sweepRunning = 13 // and will be for a while
	sweepEpochs  = 120
)

var (
	sweepRates      = []float64{0.001, 0.003, 0.01, 0.03, 0.2, 0.002, 0.005, 0.02, 0.05, 0.1, 0.004, 0.008, 0.015, 0.006}
	sweepOptimizers = []string{"adam", "sgd", "adamw"}
	sweepLayers     = []int{2, 3, 4}
	sweepBatches    = []int{32, 64, 128, 256}
)

func (w *World) sweepRun(i int, started time.Time) mlops.Run {
	rate, optimizer, layers, batch := sweepRates[i], sweepOptimizers[i%3], sweepLayers[i/2%3], sweepBatches[i%4]
	id := digest(fmt.Sprint("sweep", i))[:32]
	run := mlops.Run{ID: id, Name: fmt.Sprintf("%s-lr%g-b%d", optimizer, rate, batch), ExperimentID: "2", Experiment: "churn-sweep", Status: mlops.RunFinished, StartedAt: started,
		EndedAt: started.Add(time.Duration(180+batch+layers*40) * time.Second), User: "mara", ArtifactURI: "s3://mlflow/2/" + id + "/artifacts",
		Params: []mlops.KV{{Key: "batch_size", Value: strconv.Itoa(batch)}, {Key: "dropout", Value: strconv.FormatFloat(float64(i%5)/10, 'g', -1, 64)}, {Key: "epochs", Value: strconv.Itoa(sweepEpochs)},
			{Key: "layers", Value: strconv.Itoa(layers)}, {Key: "learning_rate", Value: strconv.FormatFloat(rate, 'g', -1, 64)}, {Key: "optimizer", Value: optimizer}, {Key: "seed", Value: "7"}},
		Tags:   []mlops.KV{{Key: "mlflow.source.name", Value: "sweep.py"}, {Key: "owner", Value: "mara"}, {Key: "stage", Value: []string{"coarse", "fine"}[i/10]}},
		Inputs: []mlops.DatasetInput{{Name: "churn", Digest: digest("churn")[:36], SourceType: "s3", Source: `{"uri": "s3://datasets/churn.parquet"}`, Context: "training"}}}
	if optimizer == "sgd" {
		run.Params = append(run.Params, mlops.KV{Key: "momentum", Value: "0.9"})
	}
	epochs := sweepEpochs
	switch i {
	case sweepFailed:
		run.Status, run.EndedAt = mlops.RunFailed, started.Add(14*time.Second)
		return run
	case sweepRunning:
		run.Status, run.EndedAt, run.StartedAt, epochs = mlops.RunRunning, time.Time{}, w.Clock().Add(-4*time.Minute), 71
	}
	w.logSweep(&run, "params_million", 0, float64(layers)*0.42)
	for epoch := range epochs {
		w.sweepEpoch(&run, i, epoch)
	}
	return run
}

// GrowSweep lets the run that is going on log its next epoch, until its last.
func (w *World) GrowSweep() {
	w.Change(func() {
		id := digest(fmt.Sprint("sweep", sweepRunning))[:32]
		for i := range w.Runs {
			if epoch := len(w.History[id+"/val_loss"]); w.Runs[i].ID == id && epoch < sweepEpochs {
				w.Runs[i].Metrics = slices.Clone(w.Runs[i].Metrics) // pages may be reading them
				w.sweepEpoch(&w.Runs[i], sweepRunning, epoch)
			}
		}
	})
}

// sweepEpoch logs what an epoch of a training with the params of run i yields.
func (w *World) sweepEpoch(run *mlops.Run, i, epoch int) {
	rate, layers, x := sweepRates[i], float64(sweepLayers[i/2%3]), float64(epoch)
	far := math.Abs(math.Log10(rate) + 2) // 0.01 suits best
	speed, floor := 6+9*far+float64(sweepBatches[i%4])/40, 0.19+0.07*far+0.015*math.Abs(layers-3)
	wobble := 0.012 * math.Sin(x*1.7+rate*900) * math.Exp(-x/90)
	loss := floor + 0.62*math.Exp(-x/speed) + wobble
	if i == sweepNaN && epoch >= 34 {
		loss = math.NaN()
	}
	w.logSweep(run, "train_loss", epoch, loss-0.03)
	w.logSweep(run, "val_auc", epoch, 0.93-0.12*floor-0.4*math.Exp(-x/speed)-wobble/2)
	w.logSweep(run, "val_loss", epoch, loss+0.0004*x*(layers-1))
}

// logSweep adds a point to a metric; keys come in their order.
func (w *World) logSweep(run *mlops.Run, key string, epoch int, value float64) {
	batch, _ := strconv.Atoi(run.Param("batch_size"))
	p := mlops.Metric{Key: key, Value: value, Step: int64(epoch), Time: run.StartedAt.Add(time.Duration(epoch) * time.Duration(1600+batch*6) * time.Millisecond)}
	w.History[run.ID+"/"+key] = append(w.History[run.ID+"/"+key], p)
	if i := slices.IndexFunc(run.Metrics, func(m mlops.Metric) bool { return m.Key == key }); i >= 0 {
		run.Metrics[i] = p
	} else {
		run.Metrics = append(run.Metrics, p)
	}
}
