package mlops

import (
	"math"
	"testing"
)

func at(f float64) *float64 { return &f }

func TestGatesValidate(t *testing.T) {
	metric := func(b Bound) Gates { return Gates{Metrics: map[string]Bound{"accuracy": b}} }
	for want, g := range map[string]Gates{
		`approval is "maybe": expected "required", or nothing`:                  {Approval: "maybe"},
		"a metric has no name":                                                  {Metrics: map[string]Bound{"": {Minimum: at(1)}}},
		"metric accuracy has no bound: expected minimum, maximum or comparison": metric(Bound{}),
		"metric accuracy: expected a finite number as its bound":                metric(Bound{Maximum: at(math.Inf(1))}),
		"metric accuracy: the minimum 2 is above the maximum 1":                 metric(Bound{Minimum: at(2), Maximum: at(1)}),
		`metric accuracy: comparison is "better", expected "gte" or "lte"`:      metric(Bound{Comparison: "better"}),
	} {
		if err := g.Validate(); CodeOf(err) != Invalid || MessageOf(err) != want {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
	for _, g := range []Gates{{}, {Approval: ApprovalRequired}, metric(Bound{Minimum: at(0.5), Maximum: at(1), Comparison: CompareGTE})} {
		if err := g.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestJudge(t *testing.T) {
	served := &Evidence{Metrics: map[string]float64{"accuracy": 0.95, "loss": 0.3}, Dataset: "iris abc"}
	for name, c := range map[string]struct {
		bound  Bound
		metric string
		value  float64
		served *Evidence
		want   string
	}{
		"above the minimum":  {Bound{Minimum: at(0.9)}, "accuracy", 0.91, nil, "gate accuracy passed: 0.91, expected at least 0.9"},
		"at the minimum":     {Bound{Minimum: at(0.9)}, "accuracy", 0.9, nil, "gate accuracy passed: 0.9, expected at least 0.9"},
		"below the minimum":  {Bound{Minimum: at(0.9)}, "accuracy", 0.89, nil, "gate accuracy failed: 0.89, expected at least 0.9"},
		"above the maximum":  {Bound{Maximum: at(0.4)}, "loss", 0.5, nil, "gate loss failed: 0.5, expected at most 0.4"},
		"not a number":       {Bound{Minimum: at(0.9)}, "accuracy", math.NaN(), nil, "gate accuracy failed: none, expected at least 0.9 (the run has logged no such metric)"},
		"no such metric":     {Bound{Minimum: at(0.9)}, "f1", 1, nil, "gate accuracy failed: none, expected at least 0.9 (the run has logged no such metric)"},
		"not worse":          {Bound{Comparison: CompareGTE}, "accuracy", 0.95, served, "gate accuracy passed: 0.95, expected at least 0.95"},
		"worse":              {Bound{Comparison: CompareGTE}, "accuracy", 0.94, served, "gate accuracy failed: 0.94, expected at least 0.95"},
		"a larger loss":      {Bound{Comparison: CompareLTE}, "loss", 0.31, served, "gate loss failed: 0.31, expected at most 0.3"},
		"nothing served":     {Bound{Comparison: CompareGTE}, "accuracy", 0.1, nil, "gate accuracy passed: 0.1, expected at least the served version's (nothing is served yet)"},
		"not comparable":     {Bound{Comparison: CompareGTE}, "accuracy", 0.1, &Evidence{Metrics: served.Metrics, Dataset: "iris def"}, "gate accuracy passed: 0.1, expected at least 0.95 (not compared: the served version was tested on another dataset)"},
		"nothing to compare": {Bound{Comparison: CompareGTE}, "accuracy", 0.1, &Evidence{Dataset: "iris abc"}, "gate accuracy passed: 0.1, expected at least the served version's (the served version has no such metric)"},
	} {
		gated := "accuracy"
		if c.metric == "loss" {
			gated = "loss"
		}
		results := Gates{Metrics: map[string]Bound{gated: c.bound}}.Judge(Evidence{Metrics: map[string]float64{c.metric: c.value}, Dataset: "iris abc"}, c.served)
		if len(results) != 1 || results[0].String() != c.want {
			t.Errorf("%s: %v, expected %q", name, results, c.want)
		}
	}
	both := Gates{Metrics: map[string]Bound{"b": {Minimum: at(0), Maximum: at(1)}, "a": {Maximum: at(1)}}}.Judge(Evidence{}, nil)
	if len(both) != 3 || both[0].Metric != "a" {
		t.Errorf("results are %v", both)
	}
}
