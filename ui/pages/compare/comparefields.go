package compare

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// compareField is one param or metric of all compared runs.
type compareField struct {
	name    string // params.<key> or metrics.<key>, as in filters
	key     string
	metric  bool
	numeric bool      // every value there is a number
	has     []bool    // by run
	text    []string  // by run
	number  []float64 // by run; NaN where there is no number
}

// differs reports whether the runs do not all have the same value.
func (f *compareField) differs() bool {
	for i := range f.has {
		if f.has[i] != f.has[0] || f.text[i] != f.text[0] {
			return true
		}
	}
	return false
}

// distinct counts the values.
func (f *compareField) distinct() int {
	values := map[string]bool{}
	for i, has := range f.has {
		if has {
			values[f.text[i]] = true
		}
	}
	return len(values)
}

// missing counts the runs without a value.
func (f *compareField) missing() int {
	n := 0
	for _, has := range f.has {
		if !has {
			n++
		}
	}
	return n
}

// drawable reports whether run i has a place on a numeric axis.
func (f *compareField) drawable(i int) bool {
	return f.has[i] && !math.IsNaN(f.number[i]) && !math.IsInf(f.number[i], 0)
}

// compareFields holds the params and then the metrics, each by key.
type compareFields []*compareField

func fieldsOf(runs []mlops.Run) compareFields {
	known := map[string]*compareField{}
	var all compareFields
	at := func(prefix, key string) *compareField {
		f := known[prefix+key]
		if f == nil {
			f = &compareField{name: prefix + key, key: key, metric: prefix == "metrics.", has: make([]bool, len(runs)), text: make([]string, len(runs)), number: make([]float64, len(runs))}
			known[f.name], all = f, append(all, f)
		}
		return f
	}
	for i, r := range runs {
		for _, p := range r.Params {
			f := at("params.", p.Key)
			f.has[i], f.text[i] = true, p.Value
		}
		for _, m := range r.Metrics {
			f := at("metrics.", m.Key)
			f.has[i], f.number[i] = true, m.Value
		}
	}
	for _, f := range all {
		if f.metric {
			f.numeric, f.text = true, metricTexts(f.number, f.has)
		} else {
			f.number, f.numeric = paramNumbers(f.text, f.has)
		}
	}
	slices.SortFunc(all, func(a, b *compareField) int {
		if a.metric != b.metric {
			if b.metric {
				return -1
			}
			return 1
		}
		return strings.Compare(a.key, b.key)
	})
	return all
}

// metricTexts formats values with as many digits as it takes to tell them
// apart: two values that differ must not look the same side by side.
func metricTexts(values []float64, has []bool) []string {
	out, apart := formatMetrics(values, has, view.Number)
	for digits := 5; !apart && digits <= 12; digits++ {
		out, apart = formatMetrics(values, has, withDigits(digits))
	}
	if !apart {
		out, _ = formatMetrics(values, has, withDigits(-1)) // all there are
	}
	return out
}

func withDigits(digits int) func(float64) string {
	return func(v float64) string { return strings.TrimPrefix(strconv.FormatFloat(v, 'g', digits, 64), "+") }
}

// formatMetrics reports whether all values that differ look different.
func formatMetrics(values []float64, has []bool, format func(float64) string) (out []string, apart bool) {
	out, apart = make([]string, len(values)), true
	seen := map[string]float64{}
	for i, v := range values {
		if !has[i] {
			continue
		}
		out[i] = format(v)
		if other, ok := seen[out[i]]; ok && other != v && !math.IsNaN(v) {
			apart = false
		}
		seen[out[i]] = v
	}
	return out, apart
}

// paramNumbers reports whether all values are numbers, and which.
func paramNumbers(texts []string, has []bool) (numbers []float64, numeric bool) {
	numbers = make([]float64, len(texts))
	for i, text := range texts {
		if !has[i] {
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return make([]float64, len(texts)), false
		}
		numbers[i] = v
	}
	return numbers, true
}

// find returns the field of that name, nil if no run has it.
func (fs compareFields) find(name string) *compareField {
	for _, f := range fs {
		if f.name == name {
			return f
		}
	}
	return nil
}

// chosen returns the fields that match.
func (fs compareFields) chosen(match func(*compareField) bool) compareFields {
	var out compareFields
	for _, f := range fs {
		if match(f) {
			out = append(out, f)
		}
	}
	return out
}

// defaultAxes are those that are likely to say something: up to five params
// and three metrics in which the runs differ.
func (fs compareFields) defaultAxes() []string {
	var out []string
	params, metrics := 5, 3
	for _, f := range fs.byWorth() {
		left := &params
		if f.metric {
			left = &metrics
		}
		if *left > 0 && f.differs() {
			*left--
			out = append(out, f.name)
		}
	}
	// Params first, so that lines run from what was chosen to what came out.
	slices.SortStableFunc(out, func(a, b string) int { return -strings.Compare(a[:1], b[:1]) })
	return out
}

// defaultPair is what the scatter plot starts with: the metric that matters
// most over the numeric param that has the most values, or two metrics; of
// those that most runs have both of.
func (fs compareFields) defaultPair() (x, y string) {
	numeric := fs.byWorth().chosen(func(f *compareField) bool { return f.numeric })
	metrics := numeric.chosen(func(f *compareField) bool { return f.metric })
	if len(metrics) == 0 {
		metrics = numeric
	}
	if len(metrics) == 0 {
		return "", ""
	}
	best := [3]int{-1}
	for _, f := range numeric {
		both := 0
		for i := range f.has {
			if f.drawable(i) && metrics[0].drawable(i) {
				both++
			}
		}
		param := 0
		if !f.metric && f.differs() {
			param = 1
		}
		worth := [3]int{both, param, f.distinct()}
		if f != metrics[0] && slices.Compare(worth[:], best[:]) > 0 {
			x, best = f.name, worth
		}
	}
	return x, metrics[0].name
}

// byWorth puts first the fields that most runs have, and of the metrics those
// that most people look at.
func (fs compareFields) byWorth() compareFields {
	rank := func(f *compareField) int {
		key := strings.ToLower(f.key)
		switch {
		case !f.metric || strings.Contains(key, "val") || strings.Contains(key, "test"):
			return 0
		case strings.Contains(key, "acc") || strings.Contains(key, "loss") || strings.Contains(key, "auc") || strings.Contains(key, "f1"):
			return 1
		}
		return 2
	}
	out := slices.Clone(fs)
	slices.SortStableFunc(out, func(a, b *compareField) int {
		return cmp.Or(cmp.Compare(a.missing(), b.missing()), cmp.Compare(rank(a), rank(b)))
	})
	return out
}
