package ui

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// keptSeries bounds how many curves are kept: the charts of a dozen pages.
const keptSeries = 256

// seriesCache keeps curves until their next point is due. Live pages ask for
// them every three seconds, and a week has a new point every half hour.
type seriesCache struct {
	mu   sync.Mutex
	kept map[string][]mlops.Point
}

// get returns the points of the one series that expr yields, to the last whole
// step before now; none if it yields nothing.
func (k *seriesCache) get(ctx context.Context, m ports.Metrics, expr string, r chartRange, to time.Time) ([]mlops.Point, error) {
	key := fmt.Sprint(expr, " ", r.name, " ", to.Unix())
	k.mu.Lock()
	points, ok := k.kept[key]
	k.mu.Unlock()
	if ok {
		return points, nil
	}
	series, err := m.QueryRange(ctx, expr, to.Add(-r.window), to, r.step)
	if err != nil || len(series) == 0 {
		return nil, err // there may be some a moment later
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil || len(k.kept) >= keptSeries {
		k.kept = map[string][]mlops.Point{}
	}
	k.kept[key] = series[0].Points
	return series[0].Points, nil
}
