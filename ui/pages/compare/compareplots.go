package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/ui/view"
)

const (
	parallelTicks = 5
	scatterTicks  = 6
	axisChars     = 16
	tickChars     = 15
	maxCategories = 14 // labels of a text axis
)

// parallelPlot draws the chosen params and metrics side by side, a line a run.
func parallelPlot(ch compareChoices, shown []view.ComparedRun, fields compareFields) (view.Parallel, []view.Notice) {
	names, notices := ch.axes, []view.Notice(nil)
	var axes compareFields
	for _, name := range names {
		if f := fields.find(name); f != nil {
			axes = append(axes, f)
		} else {
			notices = append(notices, unknownField("axis", name))
		}
	}
	if len(axes) == 0 {
		names = fields.defaultAxes()
		axes = nil
		for _, name := range names {
			axes = append(axes, fields.find(name))
		}
	}
	p := view.Parallel{Color: fieldPicker("color", "Colour", "a colour for each run", ch.color, fields.chosen(func(f *compareField) bool { return f.metric }))}
	p.Picks = axisPicks(fields, axes)
	color := fields.find(ch.color)
	if ch.color != "" && (color == nil || !color.metric) {
		notices, color, p.Color.Value = append(notices, unknownField("color", ch.color)), nil, ""
	}
	if len(axes) < 2 {
		p.Problem = "Lines need at least two axes: choose params and metrics that the runs have."
		if len(fields) >= 2 && len(ch.axes) == 0 {
			p.Problem = "The runs do not differ in two params or metrics; choose axes to see them all the same."
		}
		return p, notices
	}
	points := make([][]string, len(shown))
	for a, f := range axes {
		axis, ys := parallelAxis(f)
		axis.X = percentAt((float64(a)+0.5)/float64(len(axes)), 0, 100)
		x := decimal((float64(a) + 0.5) / float64(len(axes)) * view.ParallelWidth)
		for i, y := range ys {
			if math.IsNaN(y) {
				axis.Absent++
				p.Lane = true
				y = view.ParallelHeight + view.ParallelLane - 6
			}
			points[i] = append(points[i], x+","+decimal(y))
		}
		p.Axes = append(p.Axes, axis)
	}
	classes := make([]string, len(shown))
	if color != nil {
		p.Heat, classes = heat(color)
	}
	for i, run := range shown {
		p.Lines = append(p.Lines, view.ParallelLine{Run: run, Class: classes[i], Points: strings.Join(points[i], " "), Label: runLabel(run, i, axes)})
	}
	return p, notices
}

// parallelAxis returns the axis and the places of the runs on it, NaN for
// those that have none.
func parallelAxis(f *compareField) (view.Axis, []float64) {
	axis := view.Axis{Name: f.name, Title: f.key, Short: cutTo(f.key, axisChars), Kind: "param", Low: "0", High: "1"}
	if f.metric {
		axis.Kind = "metric"
	}
	ys := make([]float64, len(f.has))
	for i := range ys {
		ys[i] = math.NaN()
	}
	place := func(share float64) float64 { return (1 - share) * view.ParallelHeight }
	if !f.numeric {
		categories := categoriesOf(f)
		for i := range ys {
			if at := slices.Index(categories, f.text[i]); f.has[i] {
				ys[i] = place((float64(at) + 0.5) / float64(len(categories)))
			}
		}
		every := (len(categories) + maxCategories - 1) / maxCategories
		for at := 0; at < len(categories); at += every {
			text := categories[at]
			if text == "" {
				text = "(empty)"
			}
			axis.Ticks = append(axis.Ticks, view.Tick{At: decimal(place((float64(at) + 0.5) / float64(len(categories)))), Text: cutTo(text, tickChars), Title: cutTo(text, titleChars)})
		}
		return axis, ys
	}
	values := drawableValues(f)
	if len(values) == 0 {
		return axis, ys
	}
	s, ticks := newScale(values, parallelTicks)
	if s.low < s.high {
		axis.Low, axis.High = strconv.FormatFloat(s.low, 'g', -1, 64), strconv.FormatFloat(s.high, 'g', -1, 64)
	}
	for i, text := range tickTexts(ticks) {
		axis.Ticks = append(axis.Ticks, view.Tick{At: decimal(place(s.at(ticks[i]))), Text: text})
	}
	for i := range ys {
		if f.drawable(i) {
			ys[i] = place(s.at(f.number[i]))
		}
	}
	return axis, ys
}

// categoriesOf returns the texts of a field, the first by alphabet last, so
// that it is at the top of a scale that grows upwards.
func categoriesOf(f *compareField) []string {
	var out []string
	for i, text := range f.text {
		if f.has[i] {
			out = append(out, text)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	slices.Reverse(out)
	return out
}

func drawableValues(f *compareField) []float64 {
	var out []float64
	for i, v := range f.number {
		if f.drawable(i) {
			out = append(out, v)
		}
	}
	return out
}

// heat colours the runs by a metric.
func heat(f *compareField) (*view.Heat, []string) {
	key, classes := &view.Heat{Metric: f.key, Steps: view.HeatSteps}, make([]string, len(f.has))
	values := drawableValues(f)
	s := scale{}
	if len(values) > 0 {
		s = scale{slices.Min(values), slices.Max(values)}
		ends := tickTexts([]float64{s.low, s.high})
		key.Low, key.High = ends[0], ends[1]
	}
	for i := range classes {
		if f.drawable(i) {
			classes[i] = heatClass(s, f.number[i])
		} else {
			classes[i] = "heat-none"
			key.Absent++
		}
	}
	return key, classes
}

// scatterPlot draws one param or metric against another, a point a run.
func scatterPlot(ch compareChoices, shown []view.ComparedRun, fields compareFields) (view.Scatter, []view.Notice) {
	numeric := fields.chosen(func(f *compareField) bool { return f.numeric })
	var notices []view.Notice
	defaultX, defaultY := fields.defaultPair()
	pick := func(name, wanted, fallback string) *compareField {
		if wanted == "" {
			return numeric.find(fallback)
		}
		if f := numeric.find(wanted); f != nil {
			return f
		}
		if f := fields.find(wanted); f != nil {
			notices = append(notices, view.Notice{Kind: view.Warn, Text: fmt.Sprintf("The address asks for %s=%s, which is text in some run: expected a param of numbers or a metric. Choose another in the list.", name, wanted)})
		} else {
			notices = append(notices, unknownField(name, wanted))
		}
		return numeric.find(fallback)
	}
	x, y := pick("x", ch.x, defaultX), pick("y", ch.y, defaultY)
	sc := view.Scatter{X: fieldPicker("x", "X axis", "", "", numeric), Y: fieldPicker("y", "Y axis", "", "", numeric)}
	if x == nil || y == nil {
		sc.Problem = "A scatter plot needs two params of numbers or metrics, and the runs do not have them."
		return sc, notices
	}
	sc.X.Value, sc.Y.Value, sc.XTitle, sc.YTitle = x.name, y.name, x.key, y.key
	var xs, ys []float64
	var absent []string
	for i, run := range shown {
		if x.drawable(i) && y.drawable(i) {
			xs, ys = append(xs, x.number[i]), append(ys, y.number[i])
		} else {
			absent = append(absent, run.Name)
		}
	}
	if len(xs) == 0 {
		sc.Problem = fmt.Sprintf("No run has a number for both %s and %s. Choose others.", x.key, y.key)
		return sc, notices
	}
	sc.Absent = countNames(absent)
	sx, xTicks := newScale(xs, scatterTicks)
	sy, yTicks := newScale(ys, scatterTicks)
	for i, text := range tickTexts(xTicks) {
		sc.XTicks = append(sc.XTicks, view.Tick{At: percentAt(sx.at(xTicks[i]), plotLeft, plotRight), Text: text})
	}
	for i, text := range tickTexts(yTicks) {
		sc.YTicks = append(sc.YTicks, view.Tick{At: percentAt(sy.at(yTicks[i]), plotBottom, plotTop), Text: text})
	}
	for i, run := range shown {
		if x.drawable(i) && y.drawable(i) {
			sc.Points = append(sc.Points, view.ScatterPoint{Run: run, X: percentAt(sx.at(x.number[i]), plotLeft, plotRight), Y: percentAt(sy.at(y.number[i]), plotBottom, plotTop),
				Label: runLabel(run, i, compareFields{x, y})})
		}
	}
	return sc, notices
}

// The margins of the scatter plot in percent, with room for labels.
const (
	plotLeft, plotRight = 10., 97.
	plotTop, plotBottom = 5., 88.
)

// runLabel names a run with its values, one a line.
func runLabel(run view.ComparedRun, i int, fields compareFields) string {
	lines := []string{run.Name}
	for _, f := range fields {
		text := "no value"
		if f.has[i] {
			text = cutTo(f.text[i], cellChars)
		}
		lines = append(lines, f.key+": "+text)
	}
	return strings.Join(lines, "\n")
}

func unknownField(choice, name string) view.Notice {
	kind := "param or metric"
	if choice == "color" || choice == "metric" {
		kind = "metric"
	}
	return view.Notice{Kind: view.Warn, Text: fmt.Sprintf("None of these runs has the %s %q that the address names as %s: it is left out. Choose another in the list.", kind, name, choice)}
}

func fieldPicker(name, label, none, value string, fields compareFields) view.Picker {
	return view.Picker{ID: "pick-" + name, Name: name, Label: label, None: none, Value: value, Groups: pickGroups(fields, func(*compareField) bool { return false })}
}

func axisPicks(fields, axes compareFields) []view.PickGroup {
	return pickGroups(fields, func(f *compareField) bool { return slices.Contains(axes, f) })
}

func pickGroups(fields compareFields, on func(*compareField) bool) []view.PickGroup {
	groups := []view.PickGroup{{Name: "Params"}, {Name: "Metrics"}}
	for _, f := range fields {
		g := &groups[0]
		if f.metric {
			g = &groups[1]
		}
		g.Picks = append(g.Picks, view.Option{Value: f.name, Text: f.key, Selected: on(f)})
	}
	return slices.DeleteFunc(groups, func(g view.PickGroup) bool { return len(g.Picks) == 0 })
}

// countNames names the first few of many.
func countNames(names []string) string {
	if len(names) > 6 {
		return strings.Join(names[:5], ", ") + " and " + strconv.Itoa(len(names)-5) + " more"
	}
	return strings.Join(names, ", ")
}
