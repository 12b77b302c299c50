package mlops

import (
	"context"
	"time"
)

// Sample is the value of one series at one moment. Value may be NaN or ±Inf.
type Sample struct {
	Labels map[string]string // __name__ among them if the query kept it
	Time   time.Time
	Value  float64
}

// Point is one value of a Series. V may be NaN or ±Inf.
type Point struct {
	T time.Time
	V float64
}

// Series is a run of points with the same labels, oldest first.
type Series struct {
	Labels map[string]string
	Points []Point
}

// MetricsReader answers PromQL. Errors carry Invalid for a query that is
// wrong and Unavailable when there is nobody to ask.
type MetricsReader interface {
	// Query evaluates expr at one moment; the zero time means now.
	Query(ctx context.Context, expr string, at time.Time) ([]Sample, error)
	// QueryRange evaluates expr every step from from to to, both included.
	QueryRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) ([]Series, error)
}
