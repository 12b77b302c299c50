package uitest

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/ui"
)

type metrics struct{ w *World }

// wave makes the same value for the same time.
func wave(base float64, t time.Time) float64 {
	x := float64(t.Unix())
	return base * (1 + 0.35*math.Sin(x/170) + 0.12*math.Sin(x/31))
}

func (m metrics) value(promql string, t time.Time) float64 {
	m.w.Lock()
	defer m.w.Unlock()
	switch {
	case strings.Contains(promql, "quantile(0.5"):
		return wave(0.0021, t)
	case strings.Contains(promql, "quantile(0.99"):
		return wave(0.0094, t)
	case strings.Contains(promql, "5.."):
		return m.w.ErrorRate
	}
	return wave(m.w.Rate, t)
}

func (m metrics) idle() bool {
	m.w.Lock()
	defer m.w.Unlock()
	return m.w.Rate == 0
}

func (m metrics) Query(_ context.Context, promql string, at time.Time) ([]ui.Sample, error) {
	if err := m.w.down("metrics"); err != nil || m.idle() {
		return nil, err
	}
	return []ui.Sample{{Value: m.value(promql, at), Time: at}}, nil
}

func (m metrics) QueryRange(_ context.Context, promql string, from, to time.Time, step time.Duration) ([]ui.Series, error) {
	if err := m.w.down("metrics"); err != nil || m.idle() {
		return nil, err
	}
	var s ui.Series
	for t := from.Add(4 * time.Minute); !t.After(to); t = t.Add(step) {
		s.Points = append(s.Points, ui.Point{Time: t, Value: m.value(promql, t)})
	}
	return []ui.Series{s}, nil
}
