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

// Bound is what a metric has to keep.
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
		case name == MeasuredStability && b.Comparison != "":
			return Errorf(Invalid, "metric %s compares with the served version by itself: expected minimum or maximum", name)
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
	Version  int
	Metrics  map[string]float64 // the last values of its run
	Dataset  string             // digest of the dataset of its run, "" for none
	Measured *Measurement       // what was measured of it, nil if nothing was
}

// ToMeasure returns the metrics that a candidate cannot be judged by unless it
// is measured, in the order of their names; served is nil if nothing is served.
// Then there is nothing that importances could be compared with.
func (g Gates) ToMeasure(candidate Evidence, served *Evidence) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(g.Metrics)) {
		if IsMeasured(name) && (served != nil || name != MeasuredStability) || g.Metrics[name].Comparison != "" && anew(name, candidate, served) {
			names = append(names, name)
		}
	}
	return names
}

// anew reports whether both versions have to be evaluated again to compare a
// metric: their runs have tested them on two hold-outs, whose numbers say
// nothing about each other.
func anew(name string, candidate Evidence, served *Evidence) bool {
	return served != nil && candidate.Dataset != "" && candidate.Dataset != served.Dataset && slices.Contains(evaluated, name)
}

// Judge holds a version against the gates; served is nil if nothing is served.
// The results are in the order of the metrics' names.
func (g Gates) Judge(candidate Evidence, served *Evidence) []GateResult {
	var out []GateResult
	for _, name := range slices.Sorted(maps.Keys(g.Metrics)) {
		if IsMeasured(name) {
			out = append(out, g.Metrics[name].judgeMeasured(name, candidate.Measured, served)...)
		} else {
			out = append(out, g.Metrics[name].judgeLogged(name, candidate, served)...)
		}
	}
	return out
}

// judgeLogged holds a metric that runs log against its bound.
func (b Bound) judgeLogged(name string, candidate Evidence, served *Evidence) (out []GateResult) {
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
		return out
	}
	var was float64
	var known bool
	if served != nil {
		was, known = served.Metrics[name]
	}
	m := candidate.Measured
	switch {
	case served == nil:
		add(b.than("the served version's"), true, "nothing is served yet")
	case has && m != nil && anew(name, candidate, served):
		return append(out, b.judgeAnew(name, m, served))
	case !known || math.IsNaN(was):
		add(b.than("the served version's"), true, "the served version has no such metric")
	case served.Dataset != candidate.Dataset:
		add(b.than(number(was)), true, "not compared: the served version was tested on another dataset")
	default:
		add(b.than(number(was)), b.holds(value, was), "")
	}
	return out
}

// judgeAnew compares what both versions have answered on one hold-out.
func (b Bound) judgeAnew(name string, m *Measurement, served *Evidence) GateResult {
	r := GateResult{Metric: name, Bound: b.than("the served version's"), Value: "none"}
	value, has := m.Candidate[name]
	was, known := m.Served[name]
	if has {
		r.Value = number(value)
	}
	switch {
	case !has:
		r.Note = m.why(name)
	case !known:
		r.Note = "the served version: " + m.whyServed(name)
	default:
		r.Bound, r.Passed = b.than(number(was)), b.holds(value, was)
		r.Note = fmt.Sprintf("both versions measured on the %s at %s%s", m.HoldOut, clock(m.At), m.other(served))
	}
	return r
}

// judgeMeasured holds a metric that the lab measures against its bound.
func (b Bound) judgeMeasured(name string, m *Measurement, served *Evidence) (out []GateResult) {
	unit := measuredUnits[name]
	add := func(bound string, passed bool, value, note string) {
		out = append(out, GateResult{Metric: name, Bound: bound, Passed: passed, Value: value, Note: note})
	}
	value, has, note := 0.0, false, "not measured: the gates are overridden"
	nothing := name == MeasuredStability && served == nil
	if m != nil {
		value, has = m.Candidate[name]
		note = "measured at " + clock(m.At)
		if name == MeasuredStability && m.Against > 0 {
			note += fmt.Sprintf(", compared with version %d", m.Against)
		}
		if !has {
			note = m.why(name)
		}
		nothing = !has && (nothing || name == MeasuredStability && m.Against == 0 && m.reason(name) == "")
	}
	each := func(bound string, holds bool) {
		switch {
		case nothing:
			add(bound, true, "none", "nothing is served yet that it could be compared with")
		case has:
			add(bound, holds, number(value)+unit, note)
		default:
			add(bound, false, "none", note)
		}
	}
	if b.Minimum != nil {
		each("at least "+number(*b.Minimum)+unit, value >= *b.Minimum)
	}
	if b.Maximum != nil {
		each("at most "+number(*b.Maximum)+unit, value <= *b.Maximum)
	}
	if b.Comparison == "" {
		return out
	}
	anyones := b.than("the served version's")
	switch {
	case !has:
		add(anyones, false, "none", note)
	case m.Against == 0:
		add(anyones, true, number(value)+unit, "nothing is served yet")
	default:
		was, known := m.Served[name]
		if !known {
			add(anyones, false, number(value)+unit, "the served version: "+m.whyServed(name))
			return out
		}
		add(b.than(number(was)+unit), b.holds(value, was), number(value)+unit, "both versions measured at "+clock(m.At)+m.other(served))
	}
	return out
}

func (b Bound) than(what string) string {
	return map[string]string{CompareGTE: "at least ", CompareLTE: "at most "}[b.Comparison] + what
}

func (b Bound) holds(value, was float64) bool {
	if b.Comparison == CompareGTE {
		return value >= was
	}
	return value <= was
}
