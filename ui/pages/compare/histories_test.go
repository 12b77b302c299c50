package compare

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// historyRegistry answers histories of that many points, and counts.
type historyRegistry struct {
	ports.Registry
	reads, points int
	err           error
}

func (r *historyRegistry) MetricHistory(context.Context, string, string, int) ([]mlops.Metric, error) {
	r.reads++
	return make([]mlops.Metric, r.points), r.err
}

func TestHistoriesAreReadAgainWhenThereIsMore(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	r, h := &historyRegistry{points: 3}, &histories{}
	get := func(what string, latest mlops.Metric, reads int) {
		t.Helper()
		points, err := h.get(t.Context(), r, now, "run", latest, 500)
		if err != nil || len(points) != 3 || r.reads != reads {
			t.Errorf("%s: got %d points, %v after %d reads, want %d", what, len(points), err, r.reads, reads)
		}
	}
	latest := mlops.Metric{Key: "loss", Value: 0.5, Step: 10, Time: now}
	get("first", latest, 1)
	get("unchanged", latest, 1)
	latest.Step = 11
	get("another step", latest, 2)
	latest.Value = math.NaN()
	get("NaN", latest, 3)
	get("still NaN", latest, 3)
	now = now.Add(historyAge)
	get("old", latest, 4)
	latest.Key = "accuracy"
	get("another metric", latest, 5)
}

func TestHistoriesDoNotKeepErrorsOrGrow(t *testing.T) {
	r, h := &historyRegistry{err: errors.New("busy")}, &histories{}
	if _, err := h.get(t.Context(), r, time.Time{}, "run", mlops.Metric{Key: "loss"}, 500); err == nil {
		t.Error("the error was lost")
	}
	r.err, r.points = nil, keptPoints/10
	for i := range 100 {
		if _, err := h.get(t.Context(), r, time.Time{}, fmt.Sprint(i), mlops.Metric{Key: "loss"}, 500); err != nil {
			t.Fatal(err)
		}
		kept := 0
		for _, e := range h.kept {
			kept += len(e.points)
		}
		if kept > keptPoints || kept != h.points {
			t.Fatalf("%d points are kept, counted as %d, at most %d should be", kept, h.points, keptPoints)
		}
	}
}
