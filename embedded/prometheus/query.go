package prometheus

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// maxPoints bounds the answer of QueryRange per series, as the API does.
const maxPoints = 11000

// Query evaluates expr at one moment; the zero time means now. A scalar becomes
// one sample without labels. Errors carry Invalid for a query that is wrong.
func (u *Unit) Query(ctx context.Context, expr string, at time.Time) ([]mlops.Sample, error) {
	s := u.server.Load()
	if s == nil {
		return nil, errNotReady
	}
	if at.IsZero() {
		at = time.Now()
	}
	q, err := s.engine.NewInstantQuery(ctx, s.db, nil, expr, at)
	if err != nil {
		return nil, queryError(expr, err)
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, queryError(expr, res.Err)
	}
	switch v := res.Value.(type) {
	case promql.Vector:
		out := make([]mlops.Sample, 0, len(v))
		for _, x := range v {
			if x.H == nil { // histograms have no single value
				out = append(out, mlops.Sample{Labels: labelMap(x.Metric), Time: time.UnixMilli(x.T), Value: x.F})
			}
		}
		return out, nil
	case promql.Scalar:
		return []mlops.Sample{{Labels: map[string]string{}, Time: time.UnixMilli(v.T), Value: v.V}}, nil
	}
	return nil, mlops.Errorf(mlops.Invalid, "query %q gives a %s: expected a vector or a scalar; wrap a range in rate() or last_over_time()", expr, res.Value.Type())
}

// QueryRange evaluates expr every step from from to to, both included.
func (u *Unit) QueryRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]mlops.Series, error) {
	s := u.server.Load()
	if s == nil {
		return nil, errNotReady
	}
	if step <= 0 || to.Before(from) {
		return nil, mlops.Errorf(mlops.Invalid, "query %q from %s to %s: expected a positive step and an end after the start", expr, from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	if n := to.Sub(from) / step; n > maxPoints {
		return nil, mlops.Errorf(mlops.Invalid, "query %q asks for %d points a series: expected %d at most; use a longer step", expr, n, maxPoints)
	}
	q, err := s.engine.NewRangeQuery(ctx, s.db, nil, expr, from, to, step)
	if err != nil {
		return nil, queryError(expr, err)
	}
	defer q.Close()
	m, err := q.Exec(ctx).Matrix()
	if err != nil {
		return nil, queryError(expr, err)
	}
	out := make([]mlops.Series, 0, len(m))
	for _, x := range m {
		series := mlops.Series{Labels: labelMap(x.Metric), Points: make([]mlops.Point, 0, len(x.Floats))}
		for _, p := range x.Floats {
			series.Points = append(series.Points, mlops.Point{T: time.UnixMilli(p.T), V: p.F})
		}
		out = append(out, series)
	}
	return out, nil
}

func labelMap(l labels.Labels) map[string]string {
	m := make(map[string]string, l.Len())
	l.Range(func(x labels.Label) { m[x.Name] = x.Value })
	return m
}

// queryError says whose fault it is.
func queryError(expr string, err error) error {
	var parse parser.ParseErrors
	var tooMany promql.ErrTooManySamples
	var timeout promql.ErrQueryTimeout
	switch {
	case errors.As(err, &parse):
		return &mlops.Error{Code: mlops.Invalid, Message: "query cannot be understood: " + parse.Error(), Err: err}
	case errors.As(err, &tooMany):
		return &mlops.Error{Code: mlops.Invalid, Message: "query looks at too many samples: ask for a shorter time or fewer series", Err: err}
	case errors.As(err, &timeout):
		return &mlops.Error{Code: mlops.Unavailable, Message: "query took longer than " + queryTimeout.String() + ": ask for a shorter time or fewer series", Err: err}
	}
	return &mlops.Error{Code: mlops.Internal, Message: "query failed", Err: errors.Join(errors.New(expr), err)}
}
