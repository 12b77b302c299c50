package mlops

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// ApprovalRequired makes every revision wait for a person.
const ApprovalRequired = "required"

// Gates are what a version has to pass before it is served.
type Gates struct {
	Metrics  map[string]Bound `json:"metrics,omitempty"`
	Approval string           `json:"approval,omitempty"` // "" or ApprovalRequired
}

// The comparisons with the served version.
const (
	CompareGTE = "gte" // at least what the served version has
	CompareLTE = "lte" // at most what the served version has
)

// Bound is what a metric of the version's run has to keep.
type Bound struct {
	Minimum    *float64 `json:"minimum,omitempty"`
	Maximum    *float64 `json:"maximum,omitempty"`
	Comparison string   `json:"comparison,omitempty"` // "", CompareGTE or CompareLTE
}

// Validate reports the first thing in the gates that cannot be meant.
func (g Gates) Validate() error {
	if g.Approval != "" && g.Approval != ApprovalRequired {
		return Errorf(Invalid, "approval is %q: expected %q, or nothing", g.Approval, ApprovalRequired)
	}
	for _, name := range slices.Sorted(maps.Keys(g.Metrics)) {
		b := g.Metrics[name]
		switch {
		case name == "":
			return Errorf(Invalid, "a metric has no name")
		case b.Minimum == nil && b.Maximum == nil && b.Comparison == "":
			return Errorf(Invalid, "metric %s has no bound: expected minimum, maximum or comparison", name)
		case b.Minimum != nil && !finite(*b.Minimum), b.Maximum != nil && !finite(*b.Maximum):
			return Errorf(Invalid, "metric %s: expected a finite number as its bound", name)
		case b.Minimum != nil && b.Maximum != nil && *b.Minimum > *b.Maximum:
			return Errorf(Invalid, "metric %s: the minimum %s is above the maximum %s", name, number(*b.Minimum), number(*b.Maximum))
		case b.Comparison != "" && b.Comparison != CompareGTE && b.Comparison != CompareLTE:
			return Errorf(Invalid, "metric %s: comparison is %q, expected %q or %q", name, b.Comparison, CompareGTE, CompareLTE)
		}
	}
	return nil
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

func number(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

// GateResult is what one gate found.
type GateResult struct {
	Metric string `json:"metric"`
	Bound  string `json:"bound"` // for example "at least 0.9"
	Value  string `json:"value"` // what the version has, "none" if nothing
	Passed bool   `json:"passed"`
	Note   string `json:"note,omitempty"` // why nothing was compared
}

// String says the result in one line.
func (r GateResult) String() string {
	verb := "failed"
	if r.Passed {
		verb = "passed"
	}
	s := fmt.Sprintf("gate %s %s: %s, expected %s", r.Metric, verb, r.Value, r.Bound)
	if r.Note != "" {
		s += " (" + r.Note + ")"
	}
	return s
}

// Evidence is what gates judge a version by.
type Evidence struct {
	Metrics map[string]float64 // the last values of its run
	Dataset string             // digest of the dataset of its run
}

// Judge holds a version against the gates; served is nil if nothing is served.
// The results are in the order of the metrics' names.
func (g Gates) Judge(candidate Evidence, served *Evidence) []GateResult {
	var out []GateResult
	for _, name := range slices.Sorted(maps.Keys(g.Metrics)) {
		b := g.Metrics[name]
		value, has := candidate.Metrics[name]
		has = has && !math.IsNaN(value)
		add := func(bound string, passed bool, note string) {
			r := GateResult{Metric: name, Bound: bound, Value: "none", Passed: passed && has, Note: note}
			if has {
				r.Value = number(value)
			} else {
				r.Note = "the run has logged no such metric"
			}
			out = append(out, r)
		}
		if b.Minimum != nil {
			add("at least "+number(*b.Minimum), value >= *b.Minimum, "")
		}
		if b.Maximum != nil {
			add("at most "+number(*b.Maximum), value <= *b.Maximum, "")
		}
		if b.Comparison == "" {
			continue
		}
		words := map[string]string{CompareGTE: "at least", CompareLTE: "at most"}[b.Comparison]
		var was float64
		var known bool
		if served != nil {
			was, known = served.Metrics[name]
		}
		switch {
		case served == nil:
			add(words+" the served version's", true, "nothing is served yet")
		case !known || math.IsNaN(was):
			add(words+" the served version's", true, "the served version has no such metric")
		case served.Dataset != candidate.Dataset:
			// Two hold-outs: the numbers say nothing about each other.
			add(words+" "+number(was), true, "not compared: the served version was tested on another dataset")
		case b.Comparison == CompareGTE:
			add(words+" "+number(was), value >= was, "")
		default:
			add(words+" "+number(was), value <= was, "")
		}
	}
	return out
}
