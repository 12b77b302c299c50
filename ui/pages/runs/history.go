package runs

import (
	"context"
	"sort"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const (
	historyPoints = 500 // per metric
	historyCharts = 12
)

// historyCharts draws the metrics that have more than one point. Metrics
// that differ in train, test or val only share a chart.
func (s *section) historyCharts(ctx context.Context, r mlops.Run) ([]view.Chart, error) {
	type line struct {
		name   string
		points []mlops.Metric
	}
	groups := map[string][]line{}
	var order []string
	for _, m := range r.Metrics {
		group := metricGroup(m.Key)
		if _, known := groups[group]; !known && len(order) == historyCharts {
			continue
		}
		points, err := s.Registry.MetricHistory(ctx, r.ID, m.Key, historyPoints)
		if err != nil {
			return nil, err
		}
		if len(points) < 2 {
			continue
		}
		if _, known := groups[group]; !known {
			order = append(order, group)
		}
		groups[group] = append(groups[group], line{m.Key, points})
	}
	var drawn []view.Chart
	for _, group := range order {
		c := view.Chart{ID: "metric-" + safeID(group), Title: group, Unit: "number", Steps: true}
		at := map[float64]int{}
		for _, l := range groups[group] {
			for _, p := range l.points {
				if _, known := at[float64(p.Step)]; !known {
					at[float64(p.Step)] = 0
					c.X = append(c.X, float64(p.Step))
				}
			}
		}
		sort.Float64s(c.X)
		for i, x := range c.X {
			at[x] = i
		}
		var last []string
		for _, l := range groups[group] {
			y := make([]*float64, len(c.X))
			for _, p := range l.points {
				y[at[float64(p.Step)]] = view.Finite(p.Value)
			}
			c.Lines, c.Y = append(c.Lines, l.name), append(c.Y, y)
			last = append(last, view.Number(l.points[len(l.points)-1].Value))
		}
		c.Now = strings.Join(last, " / ")
		c.Summary = "latest " + c.Now
		drawn = append(drawn, c)
	}
	return drawn, nil
}

// metricGroup returns the name that a metric shares with its siblings.
func metricGroup(key string) string {
	words := strings.FieldsFunc(key, func(r rune) bool { return r == '_' || r == '.' || r == '/' })
	kept := words[:0:0]
	for _, w := range words {
		switch strings.ToLower(w) {
		case "train", "training", "test", "val", "valid", "validation", "eval", "curve":
		default:
			kept = append(kept, w)
		}
	}
	if len(kept) == 0 {
		return key
	}
	return strings.Join(kept, " ")
}

func safeID(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, s)
}
