package uitest

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
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
	case strings.Contains(promql, "p50"):
		return wave(0.0021, t)
	case strings.Contains(promql, "p99"):
		return wave(0.0094, t)
	case strings.Contains(promql, "errors"):
		return m.w.ErrorRate
	case strings.Contains(promql, "cpu_ratio"):
		return wave(0.11, t)
	case strings.Contains(promql, "memory_used"):
		return wave(3<<30, t)
	case strings.Contains(promql, "disk_used"):
		return 31 << 30
	}
	return wave(m.w.Rate, t)
}

// quiet reports whether a query is about traffic where there is none.
func (m metrics) quiet(promql string) bool {
	m.w.Lock()
	defer m.w.Unlock()
	return m.w.Rate == 0 && strings.Contains(promql, "deployment:")
}

func (m metrics) Query(_ context.Context, promql string, at time.Time) ([]mlops.Sample, error) {
	m.w.Lock()
	m.w.Queries++
	m.w.Unlock()
	if err := m.w.down("metrics"); err != nil || m.quiet(promql) {
		return nil, err
	}
	var out []mlops.Sample
	m.w.Lock()
	deployments, pods := slices.Clone(m.w.Deployments), slices.Clone(m.w.Pods)
	m.w.Unlock()
	switch {
	case strings.Contains(promql, "container_cpu"):
		for _, p := range pods {
			out = append(out, mlops.Sample{Labels: map[string]string{"pod": p.Name}, Value: 0.004, Time: at})
		}
	case strings.Contains(promql, "container_memory"):
		for _, p := range pods {
			out = append(out, mlops.Sample{Labels: map[string]string{"pod": p.Name}, Value: 61 << 20, Time: at})
		}
	default:
		for _, d := range deployments {
			out = append(out, mlops.Sample{Labels: map[string]string{"deployment": d.Name}, Value: m.value(promql, at), Time: at})
		}
	}
	return out, nil
}

func (m metrics) QueryRange(_ context.Context, promql string, from, to time.Time, step time.Duration) ([]mlops.Series, error) {
	m.w.Lock()
	m.w.Queries++
	m.w.Unlock()
	if err := m.w.down("metrics"); err != nil || m.quiet(promql) {
		return nil, err
	}
	if strings.Contains(promql, "DCGM_") {
		return m.gpuSeries(promql, from, to, step), nil
	}
	var s mlops.Series
	for t := from.Add(to.Sub(from) / 8).Truncate(step); !t.After(to); t = t.Add(step) {
		s.Points = append(s.Points, mlops.Point{T: t, V: m.value(promql, t)})
	}
	return []mlops.Series{s}, nil
}

// gpuSeries is one series for each GPU. One that has an error does nothing.
func (m metrics) gpuSeries(promql string, from, to time.Time, step time.Duration) []mlops.Series {
	m.w.Lock()
	defer m.w.Unlock()
	if m.w.GPUs == nil {
		return nil
	}
	var out []mlops.Series
	for _, g := range m.w.GPUs.GPUs {
		idle, busy := 0.0, float64(g.Utilization)/100
		switch {
		case strings.Contains(promql, "FB_USED"):
			idle, busy = float64(g.UsedMiB)*0.8*(1<<20), float64(g.UsedMiB)*0.15*(1<<20)
		case strings.Contains(promql, "GPU_TEMP"):
			idle, busy = 33, float64(g.Temperature-33)
		case strings.Contains(promql, "POWER"):
			idle, busy = 60, g.Watts-60
		}
		s := mlops.Series{Labels: map[string]string{"UUID": g.UUID}}
		for t := from.Add(to.Sub(from) / 8).Truncate(step); !t.After(to); t = t.Add(step) {
			s.Points = append(s.Points, mlops.Point{T: t, V: idle + wave(busy*0.9, t)})
		}
		out = append(out, s)
	}
	return out
}
