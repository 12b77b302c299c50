package runtable

import (
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// AccuracyKeys are the names under which trainers log what lists compare runs
// by.
var AccuracyKeys = []string{"accuracy", "test_accuracy", "val_accuracy", "eval_accuracy"}

// Accuracy is what lists compare runs by, if the run has logged it.
func Accuracy(r mlops.Run) (float64, bool) { return r.Metric(AccuracyKey([]mlops.Run{r})) }

// Duration is how long a run has taken, or since when it goes on.
func Duration(r mlops.Run, now time.Time) view.Value {
	if r.Status.Terminal() {
		return view.Text(view.Duration(r.Duration(now)))
	}
	return view.Value{Since: r.StartedAt}
}

// Name is how a run is called, by its id if it has no name.
func Name(r mlops.Run) string {
	if r.Name != "" {
		return r.Name
	}
	return view.Short(r.ID)
}

// AccuracyKey is the metric that lists compare runs by, "" if none has it.
func AccuracyKey(runs []mlops.Run) string {
	for _, key := range AccuracyKeys {
		for _, r := range runs {
			if _, ok := r.Metric(key); ok {
				return key
			}
		}
	}
	return ""
}

// Facts shows params or tags.
func Facts(kvs []mlops.KV) []view.Fact {
	var out []view.Fact
	for _, kv := range kvs {
		out = append(out, view.Fact{Name: kv.Key, Value: view.Text(kv.Value)})
	}
	return out
}
