package compare

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

const (
	// historyAge bounds how long a curve may miss a point that was logged at
	// an earlier step than the latest one.
	historyAge = time.Minute
	// keptPoints bounds the memory: about 20 MB.
	keptPoints = 400_000
)

// histories keeps down-sampled curves for as long as the latest point of the
// metric stays the same. A live comparison asks for up to a hundred curves
// every few seconds, and all but those of running runs have not changed.
type histories struct {
	mu     sync.Mutex
	points int
	kept   map[historyKey]historyEntry
}

type historyKey struct {
	run, metric string
	max         int
}

type historyEntry struct {
	latest mlops.Metric
	read   time.Time
	points []mlops.Metric
}

// get returns the curve of a run's metric whose latest point is given.
func (h *histories) get(ctx context.Context, r ports.Registry, now time.Time, run string, latest mlops.Metric, max int) ([]mlops.Metric, error) {
	key := historyKey{run, latest.Key, max}
	h.mu.Lock()
	e, ok := h.kept[key]
	h.mu.Unlock()
	if ok && samePoint(e.latest, latest) && now.Sub(e.read) < historyAge {
		return e.points, nil
	}
	points, err := r.MetricHistory(ctx, run, latest.Key, max)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.points += len(points) - len(h.kept[key].points)
	if h.kept == nil || h.points > keptPoints {
		h.kept, h.points = map[historyKey]historyEntry{}, len(points)
	}
	h.kept[key] = historyEntry{latest, now, points}
	return points, nil
}

func samePoint(a, b mlops.Metric) bool {
	return a.Step == b.Step && a.Time.Equal(b.Time) && (a.Value == b.Value || math.IsNaN(a.Value) && math.IsNaN(b.Value))
}
