package mlops

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The metrics that the lab measures on a version itself before it is served.
const (
	MeasuredLatency   = "latency_p95_ms"
	MeasuredSize      = "model_size_mb"
	MeasuredStability = "feature_importance_stability"
)

// measuredUnits are the units of the measured metrics.
var measuredUnits = map[string]string{MeasuredLatency: " ms", MeasuredSize: " MB", MeasuredStability: ""}

// evaluated are the metrics that a measurement evaluates on a hold-out, by the
// names that the lab's trainer logs them by.
var evaluated = []string{"accuracy", "f1_macro", "log_loss"}

// IsMeasured reports whether the lab measures a metric, whatever runs log.
func IsMeasured(metric string) bool {
	_, ok := measuredUnits[metric]
	return ok
}

// Measurement is what was measured of a version before it was served, and of
// the version that was served then.
type Measurement struct {
	At           time.Time          `json:"at"`
	Asked        []string           `json:"asked,omitempty"`  // the metrics that were asked for, none for all there are
	Failed       string             `json:"failed,omitempty"` // why nothing was measured
	Candidate    map[string]float64 `json:"candidate,omitempty"`
	Errors       []MeasureError     `json:"errors,omitempty"`
	HoldOut      string             `json:"holdout,omitempty"` // the rows that both were evaluated on
	Against      int                `json:"against,omitempty"` // version that was served then, 0 for none
	Served       map[string]float64 `json:"served,omitempty"`
	ServedErrors []MeasureError     `json:"served_errors,omitempty"`
}

// Covers reports whether metrics were asked for when this was measured.
func (m *Measurement) Covers(metrics []string) bool {
	return len(m.Asked) == 0 || !slices.ContainsFunc(metrics, func(name string) bool { return !slices.Contains(m.Asked, name) })
}

// MeasureError is why metrics have no value.
type MeasureError struct {
	Metrics []string `json:"metrics"`
	Reason  string   `json:"reason"`
}

// ParseMeasurement reads what a measurement's Job has said when it ended.
func ParseMeasurement(said string) (m Measurement, err error) {
	if said == "" {
		return m, Errorf(Invalid, "its Job has ended without a result")
	}
	if err := json.Unmarshal([]byte(said), &m); err != nil {
		return Measurement{}, Errorf(Invalid, "its Job has said %q when it ended, expected what it has measured as JSON", strings.ToValidUTF8(said[:min(len(said), 200)], ""))
	}
	return m, nil
}

func reasonOf(errors []MeasureError, metric string) string {
	for _, e := range errors {
		if slices.Contains(e.Metrics, metric) {
			return e.Reason
		}
	}
	return ""
}

func (m *Measurement) reason(metric string) string {
	if m.Failed != "" {
		return m.Failed
	}
	return reasonOf(m.Errors, metric)
}

// why says why a metric of the candidate has no value.
func (m *Measurement) why(metric string) string {
	return unmeasured(m.reason(metric))
}

// whyServed says why a metric of the served version has no value.
func (m *Measurement) whyServed(metric string) string {
	return unmeasured(reasonOf(m.ServedErrors, metric))
}

func unmeasured(reason string) string {
	if reason == "" {
		reason = "the measurement has no such metric"
	}
	return "could not be measured: " + reason
}

// other names the version that was compared with, if another is served by now.
func (m *Measurement) other(served *Evidence) string {
	if served != nil && served.Version == m.Against {
		return ""
	}
	return fmt.Sprintf(", when version %d was served", m.Against)
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
