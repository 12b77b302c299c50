package ui

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Queries are PromQL expressions for the traffic of one deployment.
// $deployment is replaced by its name. Each must yield a single series.
type Queries struct {
	Requests string // answered requests per second
	Errors   string // of these, those that failed at the server (5xx)
	P50, P99 string // seconds; no value while there is no traffic
}

// DefaultQueries read the metrics of the inference server in lab/workloads.
var DefaultQueries = Queries{
	Requests: `sum(rate(benchtop_requests_total{deployment="$deployment",route="/predict"}[1m]))`,
	Errors:   `sum(rate(benchtop_requests_total{deployment="$deployment",route="/predict",status=~"5.."}[1m])) or vector(0)`,
	P50:      `histogram_quantile(0.5, sum by (le) (rate(benchtop_request_duration_seconds_bucket{deployment="$deployment",route="/predict"}[1m])))`,
	P99:      `histogram_quantile(0.99, sum by (le) (rate(benchtop_request_duration_seconds_bucket{deployment="$deployment",route="/predict"}[1m])))`,
}

func promql(query, deployment string) string {
	return strings.ReplaceAll(query, "$deployment", deployment)
}

// traffic returns what the deployment answers now. What has no value is NaN.
func (s *Server) traffic(ctx context.Context, deployment string) (mlops.Traffic, error) {
	t := mlops.Traffic{}
	now := s.cfg.Now()
	for _, q := range []struct {
		query string
		into  *float64
	}{
		{s.cfg.Queries.Requests, &t.RequestsPerSecond}, {s.cfg.Queries.Errors, &t.ErrorsPerSecond},
		{s.cfg.Queries.P50, &t.P50Seconds}, {s.cfg.Queries.P99, &t.P99Seconds},
	} {
		*q.into = math.NaN()
		samples, err := s.cfg.Metrics.Query(ctx, promql(q.query, deployment), now)
		if err != nil {
			return t, err
		}
		if len(samples) > 0 {
			*q.into = samples[0].Value
		}
	}
	return t, nil
}

// errorShare formats errors as a share of requests.
func errorShare(t mlops.Traffic) string {
	if !(t.RequestsPerSecond > 0) {
		return "–"
	}
	return view.Percent(t.ErrorsPerSecond / t.RequestsPerSecond)
}

const (
	trafficWindow = 30 * time.Minute
	trafficStep   = 15 * time.Second
)

// trafficCharts returns the charts of a deployment's page; with an error
// they are there and empty.
func (s *Server) trafficCharts(ctx context.Context, deployment string) ([]view.Chart, error) {
	rate := view.Chart{ID: "rate", Title: "Requests", Unit: "rate", Lines: []string{"requests per second", "errors per second"}, Summary: "no data yet"}
	latency := view.Chart{ID: "latency", Title: "Latency", Unit: "seconds", Lines: []string{"p50", "p99"}, Summary: "no data yet"}
	// Whole steps, so that two looks at the same past ask for the same points.
	to := s.cfg.Now().Truncate(trafficStep)
	from := to.Add(-trafficWindow)
	lines := make([][]Point, 4)
	for i, q := range []string{s.cfg.Queries.Requests, s.cfg.Queries.Errors, s.cfg.Queries.P50, s.cfg.Queries.P99} {
		series, err := s.cfg.Metrics.QueryRange(ctx, promql(q, deployment), from, to, trafficStep)
		if err != nil {
			return []view.Chart{rate, latency}, err
		}
		if len(series) > 0 {
			lines[i] = series[0].Points
		}
	}
	fill(&rate, from, to, trafficStep, lines[0], lines[1])
	fill(&latency, from, to, trafficStep, lines[2], lines[3])
	if n := len(lines[0]); n > 0 {
		rate.Now = view.Rate(lines[0][n-1].Value)
		rate.Summary = "now " + rate.Now
	}
	if n := len(lines[3]); n > 0 {
		latency.Now = view.Seconds(lines[3][n-1].Value)
		latency.Summary = "p99 now " + latency.Now
	}
	return []view.Chart{rate, latency}, nil
}

// fill puts the points of each line at the same places of the x axis; where
// a line has none, it has a gap. Without any point the chart stays empty.
func fill(c *view.Chart, from, to time.Time, step time.Duration, lines ...[]Point) {
	any := false
	n := int(to.Sub(from)/step) + 1
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(from.Add(time.Duration(i) * step).Unix())
	}
	y := make([][]*float64, len(lines))
	for l, points := range lines {
		y[l] = make([]*float64, n)
		for _, p := range points {
			i := int((p.Time.Sub(from) + step/2) / step)
			if i >= 0 && i < n {
				y[l][i] = finite(p.Value)
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
