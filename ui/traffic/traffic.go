// Package traffic is what deployments answer, now and over time.
package traffic

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/charts"
	"github.com/benchtop-lab/benchtop/ui/ports"
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

// All returns what each deployment answers now, in four questions however
// many there are. What has no value is NaN.
func All(ctx context.Context, metrics ports.Metrics, now time.Time) (map[string]mlops.Traffic, error) {
	out := map[string]mlops.Traffic{}
	for _, q := range []struct {
		series string
		into   func(t *mlops.Traffic) *float64
	}{
		{seriesRequests, func(t *mlops.Traffic) *float64 { return &t.RequestsPerSecond }}, {seriesErrors, func(t *mlops.Traffic) *float64 { return &t.ErrorsPerSecond }},
		{seriesP50, func(t *mlops.Traffic) *float64 { return &t.P50Seconds }}, {seriesP99, func(t *mlops.Traffic) *float64 { return &t.P99Seconds }},
	} {
		samples, err := metrics.Query(ctx, q.series, now)
		if err != nil {
			return nil, err
		}
		for _, sample := range samples {
			t := Of(out, sample.Labels["deployment"])
			*q.into(&t) = sample.Value
			out[sample.Labels["deployment"]] = t
		}
	}
	return out, nil
}

// Of is what a deployment answers: unknown if it has answered nothing yet.
func Of(all map[string]mlops.Traffic, deployment string) mlops.Traffic {
	if t, ok := all[deployment]; ok {
		return t
	}
	nan := math.NaN()
	return mlops.Traffic{RequestsPerSecond: nan, ErrorsPerSecond: nan, P50Seconds: nan, P99Seconds: nan}
}

// ErrorShare formats errors as a share of requests.
func ErrorShare(t mlops.Traffic) string {
	if !(t.RequestsPerSecond > 0) {
		return "–"
	}
	return view.Percent(t.ErrorsPerSecond / t.RequestsPerSecond)
}

// Charts returns the charts of a deployment's page; with an error
// they are there and empty.
func Charts(ctx context.Context, k *charts.Reader, deployment string, r charts.Range) ([]view.Chart, error) {
	rate := view.Chart{ID: "rate", Title: "Requests", Unit: "rate", Lines: []string{"requests per second", "errors per second"}, Summary: "no data yet"}
	latency := view.Chart{ID: "latency", Title: "Latency", Unit: "seconds", Lines: []string{"p50", "p99"}, Summary: "no data yet"}
	if r.Summed() {
		// A percentile of percentiles would be neither.
		latency.Lines = []string{"highest p50", "highest p99"}
	}
	lines := make([][]mlops.Point, 4)
	to := k.Until(r)
	for i, q := range []struct{ how, series string }{{"avg_over_time", seriesRequests}, {"avg_over_time", seriesErrors}, {"max_over_time", seriesP50}, {"max_over_time", seriesP99}} {
		expr := fmt.Sprintf("max(%s)", r.Over(q.how, fmt.Sprintf("%s{deployment=%q}", q.series, deployment)))
		var err error
		if lines[i], err = k.Get(ctx, expr, r, to); err != nil {
			return []view.Chart{rate, latency}, err
		}
	}
	charts.Fill(&rate, to, r, lines[0], lines[1])
	charts.Fill(&latency, to, r, lines[2], lines[3])
	return []view.Chart{rate, latency}, nil
}

// Now says in words what the charts end with.
func Now(shown []view.Chart, t mlops.Traffic) {
	for i := range shown {
		c := &shown[i]
		switch {
		case c.ID == "rate" && view.Finite(t.RequestsPerSecond) != nil:
			c.Now = view.Rate(t.RequestsPerSecond)
			c.Summary = "now " + c.Now
		case c.ID == "latency" && view.Finite(t.P99Seconds) != nil:
			c.Now = view.Seconds(t.P99Seconds)
			c.Summary = "p99 now " + c.Now
		}
	}
}
