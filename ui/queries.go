package ui

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Recorded series of what each deployment answers; they mean the same here, in
// alerts and in Prometheus. While a deployment is idle, latencies have no value.
const (
	seriesRequests = "deployment:requests:rate1m"
	seriesErrors   = "deployment:errors:rate1m" // of these, those that failed at the server (5xx)
	seriesP50      = "deployment:request_duration_seconds:p50"
	seriesP99      = "deployment:request_duration_seconds:p99"
)

// allTraffic returns what each deployment answers now, in four questions however
// many there are. What has no value is NaN.
func (s *Server) allTraffic(ctx context.Context) (map[string]mlops.Traffic, error) {
	out := map[string]mlops.Traffic{}
	now := s.site.Now()
	for _, q := range []struct {
		series string
		into   func(t *mlops.Traffic) *float64
	}{
		{seriesRequests, func(t *mlops.Traffic) *float64 { return &t.RequestsPerSecond }}, {seriesErrors, func(t *mlops.Traffic) *float64 { return &t.ErrorsPerSecond }},
		{seriesP50, func(t *mlops.Traffic) *float64 { return &t.P50Seconds }}, {seriesP99, func(t *mlops.Traffic) *float64 { return &t.P99Seconds }},
	} {
		samples, err := s.site.Metrics.Query(ctx, q.series, now)
		if err != nil {
			return nil, err
		}
		for _, sample := range samples {
			t := trafficOf(out, sample.Labels["deployment"])
			*q.into(&t) = sample.Value
			out[sample.Labels["deployment"]] = t
		}
	}
	return out, nil
}

// trafficOf is what a deployment answers: unknown if it has answered nothing yet.
func trafficOf(all map[string]mlops.Traffic, deployment string) mlops.Traffic {
	if t, ok := all[deployment]; ok {
		return t
	}
	nan := math.NaN()
	return mlops.Traffic{RequestsPerSecond: nan, ErrorsPerSecond: nan, P50Seconds: nan, P99Seconds: nan}
}

// errorShare formats errors as a share of requests.
func errorShare(t mlops.Traffic) string {
	if !(t.RequestsPerSecond > 0) {
		return "–"
	}
	return view.Percent(t.ErrorsPerSecond / t.RequestsPerSecond)
}

// trafficCharts returns the charts of a deployment's page; with an error
// they are there and empty.
func (s *Server) trafficCharts(ctx context.Context, deployment string, r chartRange) ([]view.Chart, error) {
	rate := view.Chart{ID: "rate", Title: "Requests", Unit: "rate", Lines: []string{"requests per second", "errors per second"}, Summary: "no data yet"}
	latency := view.Chart{ID: "latency", Title: "Latency", Unit: "seconds", Lines: []string{"p50", "p99"}, Summary: "no data yet"}
	if r.summed() {
		// A percentile of percentiles would be neither.
		latency.Lines = []string{"highest p50", "highest p99"}
	}
	lines := make([][]mlops.Point, 4)
	// Whole steps, so that two looks at the same past ask for the same points.
	to := s.site.Now().Truncate(r.step)
	for i, q := range []struct{ how, series string }{{"avg_over_time", seriesRequests}, {"avg_over_time", seriesErrors}, {"max_over_time", seriesP50}, {"max_over_time", seriesP99}} {
		expr := fmt.Sprintf("max(%s)", r.over(q.how, fmt.Sprintf("%s{deployment=%q}", q.series, deployment)))
		var err error
		if lines[i], err = s.series.get(ctx, s.site.Metrics, expr, r, to); err != nil {
			return []view.Chart{rate, latency}, err
		}
	}
	fill(&rate, to, r, lines[0], lines[1])
	fill(&latency, to, r, lines[2], lines[3])
	return []view.Chart{rate, latency}, nil
}

// trafficNow says in words what the charts end with.
func trafficNow(charts []view.Chart, t mlops.Traffic) {
	for i := range charts {
		c := &charts[i]
		switch {
		case c.ID == "rate" && finite(t.RequestsPerSecond) != nil:
			c.Now = view.Rate(t.RequestsPerSecond)
			c.Summary = "now " + c.Now
		case c.ID == "latency" && finite(t.P99Seconds) != nil:
			c.Now = view.Seconds(t.P99Seconds)
			c.Summary = "p99 now " + c.Now
		}
	}
}

// fill puts the points of each line at the same places of the x axis; where
// a line has none, it has a gap. Without any point the chart stays empty.
func fill(c *view.Chart, to time.Time, r chartRange, lines ...[]mlops.Point) {
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
				y[l][i] = finite(p.V)
				any = true
			}
		}
	}
	if any {
		c.X, c.Y = x, y
	}
}

// finite returns v, or nil for what cannot be drawn.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
