package compare

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const (
	// curvePoints is what a screen can show of one line, and curveBudget of
	// all lines together.
	curvePoints    = 500
	curveBudget    = 20_000
	minCurvePoints = 120
)

// curvesPlot reads the history of the chosen metric of all runs.
func (s *section) curvesPlot(ctx context.Context, ch compareChoices, runs []mlops.Run, shown []view.ComparedRun, fields compareFields) (view.CompareCurves, []view.Notice) {
	metrics := fields.chosen(func(f *compareField) bool { return f.metric })
	v := view.CompareCurves{Metric: fieldPicker("metric", "Metric", "", "", metrics)}
	for g := range v.Metric.Groups {
		for i := range v.Metric.Groups[g].Picks {
			v.Metric.Groups[g].Picks[i].Value = v.Metric.Groups[g].Picks[i].Text // the key alone is the choice
		}
	}
	v.Overs = ch.links("curves", curveOvers, ch.over, func(c *compareChoices, over string) { c.over = over })
	v.Scales = ch.links("curves", curveScales, ch.scale, func(c *compareChoices, scale string) { c.scale = scale })
	v.Data = view.CurveData{Over: ch.over, Log: ch.scale == "log", Lines: []view.Curve{}}
	if len(metrics) == 0 {
		v.Nothing = "None of these runs has logged a metric yet."
		return v, nil
	}
	var notices []view.Notice
	chosen := metrics.find("metrics." + ch.metric)
	if chosen == nil && ch.metric != "" {
		notices = append(notices, unknownField("metric", ch.metric))
	}
	histories, err := s.curveHistories(ctx, runs, chosen, metrics)
	if v.Problem = s.Problem("the curves", err); v.Problem != nil {
		return v, notices
	}
	v.Title, v.Metric.Value = histories.key, histories.key
	drawCurves(&v, ch, runs, shown, histories.points)
	return v, notices
}

type curveHistories struct {
	key    string
	points [][]mlops.Metric // by run; nil for a run without the metric
}

// curveHistories reads the curves of the metric. When none was chosen, it is
// the first of which a run has more than one point.
func (s *section) curveHistories(ctx context.Context, runs []mlops.Run, chosen *compareField, metrics compareFields) (curveHistories, error) {
	candidates := compareFields{chosen}
	if chosen == nil {
		candidates = metrics.byWorth()
		// Of each that is likely, one history tells enough.
		for _, f := range candidates[:min(len(candidates), likelyCurves)] {
			i := slices.Index(f.has, true)
			h, err := s.readCurves(ctx, runs[i:i+1], f.key)
			if err != nil {
				return curveHistories{}, err
			}
			if len(h[0]) > 1 {
				candidates = compareFields{f}
				break
			}
		}
	}
	points, err := s.readCurves(ctx, runs, candidates[0].key)
	return curveHistories{candidates[0].key, points}, err
}

// likelyCurves bounds how many metrics are looked at to find one with a curve.
const likelyCurves = 20

func (s *section) readCurves(ctx context.Context, runs []mlops.Run, key string) ([][]mlops.Metric, error) {
	points, errs := make([][]mlops.Metric, len(runs)), make([]error, len(runs))
	page.Each(len(runs), func(i int) {
		for _, m := range runs[i].Metrics {
			if m.Key == key {
				points[i], errs[i] = s.histories.get(ctx, s.Registry, s.Now(), runs[i].ID, m, max(minCurvePoints, min(curvePoints, curveBudget/len(runs))))
			}
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return points, nil
}

// drawCurves makes lines of histories, and says what cannot be drawn.
func drawCurves(v *view.CompareCurves, ch compareChoices, runs []mlops.Run, shown []view.ComparedRun, points [][]mlops.Metric) {
	var without, broken []string
	notPositive := 0
	for i, history := range points {
		if len(history) == 0 {
			without = append(without, shown[i].Name)
			continue
		}
		line := view.Curve{Run: i, Name: shown[i].Name, X: make([]float64, 0, len(history)), Y: make([]*float64, 0, len(history))}
		gaps := 0
		start := runs[i].StartedAt
		if start.IsZero() {
			start = history[0].Time
		}
		if ch.over != "step" {
			history = slices.Clone(history)
			slices.SortStableFunc(history, func(a, b mlops.Metric) int { return a.Time.Compare(b.Time) })
		}
		for _, p := range history {
			x := float64(p.Step)
			switch ch.over {
			case "time":
				x = float64(p.Time.UnixMilli()) / 1000
			case "relative":
				x = p.Time.Sub(start).Seconds()
			}
			y := view.Finite(p.Value)
			if y == nil {
				gaps++
			} else if v.Data.Log && *y <= 0 {
				y = nil
				notPositive++
			}
			line.X, line.Y = append(line.X, significant(x, 13)), append(line.Y, roundedTo(y, 6))
		}
		if gaps > 0 {
			broken = append(broken, shown[i].Name)
		}
		v.Data.Lines, v.Runs = append(v.Data.Lines, line), append(v.Runs, shown[i])
	}
	if len(v.Runs) == 0 {
		v.Nothing = fmt.Sprintf("There is no point of %s in these runs.", v.Title)
		return
	}
	if len(without) > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("Without %s: %s.", v.Title, countNames(without)))
	}
	if len(broken) > 0 {
		v.Notes = append(v.Notes, "NaN or infinite values leave gaps in: "+countNames(broken)+".")
	}
	if notPositive > 0 {
		v.Notes = append(v.Notes, view.Plural(notPositive, "point is", "points are")+" zero or below, which a log scale cannot show; the linear scale can.")
	}
}

func roundedTo(v *float64, digits int) *float64 {
	if v == nil {
		return nil
	}
	r := significant(*v, digits)
	return &r
}

// significant drops digits that no screen shows; they are most of the weight
// of a curve.
func significant(v float64, digits int) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil {
		return v // rounded up beyond the greatest number
	}
	return r
}
