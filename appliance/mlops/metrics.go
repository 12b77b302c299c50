package mlops

import "time"

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
