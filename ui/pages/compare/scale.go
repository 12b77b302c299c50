package compare

import (
	"math"
	"strconv"

	"github.com/benchtop-lab/benchtop/ui/view"
)

// scale maps numbers to 0 … 1, with round numbers at its ends.
type scale struct{ low, high float64 }

// newScale returns the scale of the values, which are finite, and the places
// of its labels: about n of them.
func newScale(values []float64, n int) (scale, []float64) {
	low, high, whole := values[0], values[0], true
	for _, v := range values {
		low, high, whole = min(low, v), max(high, v), whole && v == math.Trunc(v)
	}
	if low == high {
		return scale{low, high}, []float64{low}
	}
	step := niceStep((high/2 - low/2) / float64(n) * 2)
	if whole {
		step = max(step, 1) // nobody has two and a half layers
	}
	first, last := math.Floor(low/step), math.Ceil(high/step)
	if !(last-first < 100) || math.Abs(first) > 1e12 || math.Abs(last) > 1e12 || math.IsInf(last*step-first*step, 0) {
		// So far apart, or so close at so great a size, that round numbers are
		// not to be had.
		return scale{low, high}, []float64{low, high}
	}
	var ticks []float64
	for i := first; i <= last; i++ {
		// Rounded, so that 0.30000000000000004 is 0.3.
		v, _ := strconv.ParseFloat(strconv.FormatFloat(i*step, 'g', 12, 64), 64)
		ticks = append(ticks, v)
	}
	return scale{ticks[0], ticks[len(ticks)-1]}, ticks
}

// niceStep returns the first of 1, 2, 5 × 10ⁿ that is not below v.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}

// at returns where v lies.
func (s scale) at(v float64) float64 {
	span := s.high - s.low
	switch {
	case span == 0:
		return 0.5
	case math.IsInf(span, 0): // between the greatest numbers; their halves have a span
		return (v/2 - s.low/2) / (s.high/2 - s.low/2)
	}
	return (v - s.low) / span
}

// decimal writes a coordinate as short as a screen needs it.
func decimal(v float64) string {
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}

// percentAt writes a share of the width or height between two margins.
func percentAt(share, from, to float64) string {
	return decimal(from+share*(to-from)) + "%"
}

// tickTexts labels the places of a scale, with enough digits to tell them apart.
func tickTexts(ticks []float64) []string {
	has := make([]bool, len(ticks))
	for i := range has {
		has[i] = true
	}
	return metricTexts(ticks, has)
}

func heatClass(s scale, v float64) string {
	return "heat-" + strconv.Itoa(min(view.HeatSteps-1, int(s.at(v)*view.HeatSteps)))
}
