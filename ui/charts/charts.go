// Package charts reads charts over time: how far back they go, and how far their
// points are apart.
package charts

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/ports"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Range is how far charts over time go back, and how far their points are
// apart.
type Range struct {
	name, text   string
	window, step time.Duration
}

// chartRanges are what can be chosen, the first if nothing is. The steps make
// some hundred points of each.
var chartRanges = []Range{
	{"15m", "15 minutes", 15 * time.Minute, 5 * time.Second},
	{"1h", "1 hour", time.Hour, 15 * time.Second},
	{"6h", "6 hours", 6 * time.Hour, 90 * time.Second},
	{"24h", "24 hours", 24 * time.Hour, 5 * time.Minute},
	{"7d", "7 days", 7 * 24 * time.Hour, 30 * time.Minute},
}

// rawStep is up to where a point of a chart is a sample. Points that are further
// apart stand for all that lies between them.
const rawStep = 15 * time.Second

// Summed reports whether a point stands for more than a sample.
func (r Range) Summed() bool { return r.step > rawStep }

// Over returns an expression for the points of a recorded series: how stands for
// all samples since the point before.
func (r Range) Over(how, series string) string {
	if !r.Summed() {
		return series
	}
	return fmt.Sprintf("%s(%s[%ds])", how, series, int(r.step.Seconds()))
}

// ranges returns those that metrics are kept for.
func (k *Reader) ranges() []Range {
	var out []Range
	for _, r := range chartRanges {
		if k.retention == 0 || r.window <= k.retention || len(out) == 0 {
			out = append(out, r)
		}
	}
	return out
}

// RangeOf reads the range that an address asks for.
func (k *Reader) RangeOf(c echo.Context) (Range, error) {
	offered := k.ranges()
	name := c.QueryParam("range")
	var names []string
	for i, r := range offered {
		if name == r.name || name == "" && i == 0 {
			return r, nil
		}
		names = append(names, r.name)
	}
	for _, r := range chartRanges {
		if r.name == name {
			return r, mlops.Errorf(mlops.Invalid, "The range %s is longer than metrics are kept: expected one of %s.", name, strings.Join(names, ", "))
		}
	}
	return Range{}, mlops.Errorf(mlops.Invalid, "There is no range %q: expected one of %s.", name, strings.Join(names, ", "))
}

// RangeView offers the ranges, each at the address of the page, of which the
// parameters in keep stay. The page may be shown at another address: that of a
// form that was refused.
func (k *Reader) RangeView(c echo.Context, now Range, page, section string, keep ...string) view.Ranges {
	v := view.Ranges{Now: now.text}
	for _, r := range k.ranges() {
		q := []string{"range", r.name}
		for _, k := range keep {
			q = append(q, k, c.QueryParam(k))
		}
		v.Links = append(v.Links, view.RangeLink{Text: r.name, Title: "The last " + r.text, URL: paths.WithQuery(page, q...) + "#" + section, Current: r.name == now.name})
	}
	return v
}

// Fill puts the points of each line at the same places of the x axis; where
// a line has none, it has a gap. Without any point the chart stays empty.
func Fill(c *view.Chart, to time.Time, r Range, lines ...[]mlops.Point) {
	any, from, step := false, to.Add(-r.window), r.step
	n := int(to.Sub(from)/step) + 1
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(from.Add(time.Duration(i) * step).Unix())
	}
	y := make([][]*float64, len(lines))
	for l, points := range lines {
		y[l] = make([]*float64, n)
		for _, p := range points {
			i := int((p.T.Sub(from) + step/2) / step)
			if i >= 0 && i < n {
				y[l][i] = view.Finite(p.V)
				any = true
			}
		}
	}
	if any {
		c.X, c.Y = x, y
	}
}

// keptSeries bounds how many curves are kept: the charts of a dozen pages.
const keptSeries = 256

// Reader reads charts over time. It keeps curves until their next point is due:
// live pages ask for them every three seconds, and a week has a new point every
// half hour.
type Reader struct {
	metrics   ports.Metrics
	now       func() time.Time
	retention time.Duration // zero is longer than any chart
	mu        sync.Mutex
	kept      map[string][]mlops.Series
}

// New returns a reader of metrics that are kept for retention.
func New(m ports.Metrics, now func() time.Time, retention time.Duration) *Reader {
	return &Reader{metrics: m, now: now, retention: retention}
}

// Until is where a chart of a range ends now: at a whole step, so that two looks
// at the same past ask for the same points.
func (k *Reader) Until(r Range) time.Time { return k.now().Truncate(r.step) }

// Get returns the points of the one series that expr yields, to the last whole
// step before now; none if it yields nothing.
func (k *Reader) Get(ctx context.Context, expr string, r Range, to time.Time) ([]mlops.Point, error) {
	series, err := k.series(ctx, expr, r, to)
	if err != nil || len(series) == 0 {
		return nil, err
	}
	return series[0].Points, nil
}

// By returns the points of each series that expr yields, by the value of a label.
func (k *Reader) By(ctx context.Context, label, expr string, r Range, to time.Time) (map[string][]mlops.Point, error) {
	series, err := k.series(ctx, expr, r, to)
	out := make(map[string][]mlops.Point, len(series))
	for _, s := range series {
		out[s.Labels[label]] = s.Points
	}
	return out, err
}

func (k *Reader) series(ctx context.Context, expr string, r Range, to time.Time) ([]mlops.Series, error) {
	key := fmt.Sprint(expr, " ", r.name, " ", to.Unix())
	k.mu.Lock()
	kept, ok := k.kept[key]
	k.mu.Unlock()
	if ok {
		return kept, nil
	}
	series, err := k.metrics.QueryRange(ctx, expr, to.Add(-r.window), to, r.step)
	if err != nil || len(series) == 0 {
		return nil, err // there may be some a moment later
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil || len(k.kept) >= keptSeries {
		k.kept = map[string][]mlops.Series{}
	}
	k.kept[key] = series
	return series, nil
}

// Measured reports whether the range goes no further back than what the server
// itself has measured of the machine.
func (r Range) Measured() bool { return r.name == chartRanges[0].name }
