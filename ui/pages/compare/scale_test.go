package compare

import (
	"fmt"
	"math"
	"testing"
)

func TestScale(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{[]float64{0.001, 0.2}, "[0 0.05 0.1 0.15 0.2]"},
		{[]float64{2, 4, 3}, "[2 3 4]"}, // whole numbers have no halves between them
		{[]float64{32, 256}, "[0 50 100 150 200 250 300]"},
		{[]float64{-0.31, 0.31}, "[-0.4 -0.2 0 0.2 0.4]"},
		{[]float64{7, 7, 7}, "[7]"},
		{[]float64{0.8954, 0.9084}, "[0.895 0.9 0.905 0.91]"},
		{[]float64{-math.MaxFloat64, math.MaxFloat64}, fmt.Sprint([]float64{-math.MaxFloat64, math.MaxFloat64})},
		{[]float64{1e300, math.Nextafter(1e300, math.Inf(1))}, fmt.Sprint([]float64{1e300, math.Nextafter(1e300, math.Inf(1))})},
		{[]float64{0, math.SmallestNonzeroFloat64}, fmt.Sprint([]float64{0, math.SmallestNonzeroFloat64})},
		{[]float64{1e17, 1e17 + 64}, fmt.Sprint([]float64{1e17, 1e17 + 64})}, // one more is no more there
	} {
		s, ticks := newScale(c.values, parallelTicks)
		if got := fmt.Sprint(ticks); got != c.want {
			t.Errorf("labels of %v: got %s, want %s", c.values, got, c.want)
		}
		for _, v := range c.values {
			if at := s.at(v); !(at >= 0 && at <= 1) {
				t.Errorf("%g lies at %g of the scale of %v", v, at, c.values)
			}
		}
	}
}

func TestMetricTexts(t *testing.T) {
	all := []bool{true, true, true}
	for want, values := range map[string][]float64{
		"[0.9733 0.9 0.5]":            {0.97334, 0.9, 0.5},
		"[0.97334 0.97331 0.5]":       {0.97334, 0.97331, 0.5}, // as many digits as it takes
		"[0.1 0.10000000000000003 1]": {0.1, math.Nextafter(math.Nextafter(0.1, 1), 1), 1},
		"[NaN NaN -Inf]":              {math.NaN(), math.NaN(), math.Inf(-1)},
		"[123456789 123456790 Inf]":   {123456789, 123456790, math.Inf(1)},
		"[1e-08 1.0000001e-08 0]":     {1e-8, 1.0000001e-8, 0},
	} {
		if got := fmt.Sprint(metricTexts(values, all)); got != want {
			t.Errorf("%v: got %s, want %s", values, got, want)
		}
	}
	if got := metricTexts([]float64{0, 1}, []bool{false, true}); got[0] != "" || got[1] != "1" {
		t.Errorf("a run without the metric got %q", got)
	}
}

func TestHeatEndsAreInTheKey(t *testing.T) {
	s := scale{1, 3}
	for v, want := range map[float64]string{1: "heat-0", 2: "heat-4", 3: "heat-8"} {
		if got := heatClass(s, v); got != want {
			t.Errorf("%g: got %s, want %s", v, got, want)
		}
	}
}
