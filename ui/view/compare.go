package view

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Runs of a comparison have a colour each, and beyond that many a dash too.
const (
	runColors = 12
	runDashes = 3
)

// Choice is one of a few answers.
type Choice struct {
	Value   string
	Text    string
	URL     string
	Current bool
}

// Compare is the page that compares runs.
type Compare struct {
	Title    string
	IDs      []string // of the runs in the address, found or not
	Hidden   []Choice // choices that links make, kept by the form
	Notices  []Notice
	Problem  *Problem
	Table    CompareTable
	Curves   CompareCurves
	Parallel Parallel
	Scatter  Scatter
}

// ComparedRun is a run in a comparison. Its index decides its look.
type ComparedRun struct {
	Index   int
	Name    string
	URL     string
	Pill    Pill
	Without string // the id by which it can be left out, "" if too few would be left
}

// look is the class that gives a run its colour and dash.
func look(i int) string {
	class := "run-" + strconv.Itoa(i%runColors)
	if d := i / runColors % runDashes; d > 0 {
		class += " dash-" + strconv.Itoa(d)
	}
	return class
}

// CompareTable has a column a run and a row a fact.
type CompareTable struct {
	Runs   []ComparedRun
	Groups []CompareGroup
	Only   bool   // rows without differences are left out
	Toggle string // the other choice
	Tags   []Option
}

// CompareGroup is some rows under a name.
type CompareGroup struct {
	Name  string
	Rows  []CompareRow
	Same  int // rows left out because the runs agree
	Extra int // rows left out because there are too many
}

// CompareRow is a fact of all runs.
type CompareRow struct {
	Name    string
	Code    bool
	Differs bool
	Cells   []Value
}

// note says what a group leaves out.
func (g CompareGroup) note() string {
	var parts []string
	if g.Same > 0 {
		parts = append(parts, Plural(g.Same, "row is", "rows are")+" the same in all runs")
	}
	if g.Extra > 0 {
		parts = append(parts, Plural(g.Extra, "more row is", "more rows are")+" not shown; the runs' own pages have them")
	}
	return strings.Join(parts, "; ")
}

// Picker is a drop-down list.
type Picker struct {
	ID, Name, Label string
	None            string // text of the empty choice, "" if there is none
	Value           string
	Groups          []PickGroup
}

// PickGroup is a part of a list.
type PickGroup struct {
	Name  string
	Picks []Option
}

// ParallelHeight is the height of the field of the parallel coordinates, in
// the units of its lines; below it runs go that have no number on an axis.
const (
	ParallelHeight = 260
	ParallelWidth  = 1000
	ParallelLane   = 26
)

// Parallel draws a line a run across several axes. X is in percent of the
// width, Y in units of ParallelHeight.
type Parallel struct {
	Problem string // why there is nothing to draw
	Axes    []Axis
	Lines   []ParallelLine
	Lane    bool // some line passes below an axis
	Heat    *Heat
	Picks   []PickGroup
	Color   Picker
}

func (p Parallel) height() int {
	if p.Lane {
		return ParallelHeight + ParallelLane
	}
	return ParallelHeight
}

func (p Parallel) runs() []ComparedRun {
	out := make([]ComparedRun, len(p.Lines))
	for i, l := range p.Lines {
		out[i] = l.Run
	}
	return out
}

// Axis is a scale with its labels.
type Axis struct {
	Name  string // params.<key> or metrics.<key>
	Title string
	Short string
	Kind  string // param or metric
	X     string
	Ticks []Tick
	// Low and High are what its ends stand for; of a text axis 0 and 1.
	Low, High string
	Absent    int // runs without a place on it
}

// Tick is a place on an axis: At is in percent or units, as the axis is.
type Tick struct {
	At    string
	Text  string
	Title string // the whole text of what is shortened
}

// ParallelLine is a run's line.
type ParallelLine struct {
	Run    ComparedRun
	Class  string
	Points string
	Label  string
}

// Heat is the key of colours that stand for a metric.
type Heat struct {
	Metric, Low, High string
	Steps             int
	Absent            int // runs without a value, drawn in grey
}

// HeatSteps is how many colours stand for the range of a metric.
const HeatSteps = 9

// Scatter draws a point a run.
type Scatter struct {
	Problem string
	X, Y    Picker
	XTitle  string
	YTitle  string
	XTicks  []Tick
	YTicks  []Tick
	Points  []ScatterPoint
	Absent  string // names of runs that lack x or y
}

func (s Scatter) runs() []ComparedRun {
	out := make([]ComparedRun, len(s.Points))
	for i, p := range s.Points {
		out[i] = p.Run
	}
	return out
}

// ScatterPoint is a run.
type ScatterPoint struct {
	Run   ComparedRun
	X, Y  string // percent
	Label string
}

// CompareCurves draws a metric's history, a line a run.
type CompareCurves struct {
	Problem *Problem
	Nothing string // why there is nothing to draw
	Metric  Picker
	Title   string
	Overs   []Choice
	Scales  []Choice
	Runs    []ComparedRun // those that are drawn
	Notes   []string
	Data    CurveData
}

// CurveData is what the script draws curves from.
type CurveData struct {
	Over  string  `json:"over"` // step, time or relative
	Log   bool    `json:"log"`
	Lines []Curve `json:"lines"`
}

// Curve is the line of one run.
type Curve struct {
	Run  int        `json:"run"`
	Name string     `json:"name"`
	X    []float64  `json:"x"` // steps, Unix seconds or seconds since the start
	Y    []*float64 `json:"y"` // null is a gap
}

func curveJSON(d CurveData) string {
	raw, err := json.Marshal(d)
	if err != nil {
		return "{}"
	}
	return string(raw)
}
