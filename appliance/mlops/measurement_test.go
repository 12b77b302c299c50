package mlops

import (
	"strings"
	"testing"
	"time"
)

var measuredAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestJudgeMeasured(t *testing.T) {
	served := &Evidence{Version: 6, Dataset: "iris abc"}
	later := &Evidence{Version: 8}
	m := &Measurement{At: measuredAt, Against: 6,
		Candidate: map[string]float64{MeasuredLatency: 2.5, MeasuredSize: 0.25, MeasuredStability: 0.8},
		Served:    map[string]float64{MeasuredLatency: 2, MeasuredSize: 0.25}}
	first := &Measurement{At: measuredAt, Candidate: map[string]float64{MeasuredLatency: 2.5}}
	broken := &Measurement{At: measuredAt, Against: 6, Candidate: map[string]float64{MeasuredSize: 1},
		Errors: []MeasureError{{[]string{MeasuredLatency, MeasuredStability}, "the server cannot load it"}}, ServedErrors: []MeasureError{{[]string{MeasuredSize}, "it has no files"}}}
	const when = "measured at 2026-01-02 03:04 UTC"
	for _, c := range []struct {
		metric string
		bound  Bound
		m      *Measurement
		served *Evidence
		want   string
	}{
		{MeasuredLatency, Bound{Maximum: at(10000)}, m, served, "gate latency_p95_ms passed: 2.5 ms, expected at most 10000 ms (" + when + ")"},
		{MeasuredLatency, Bound{Maximum: at(0.000001)}, m, served, "gate latency_p95_ms failed: 2.5 ms, expected at most 1e-06 ms (" + when + ")"},
		{MeasuredLatency, Bound{Comparison: CompareLTE}, m, served, "gate latency_p95_ms failed: 2.5 ms, expected at most 2 ms (both versions " + when + ")"},
		{MeasuredLatency, Bound{Comparison: CompareLTE}, first, nil, "gate latency_p95_ms passed: 2.5 ms, expected at most the served version's (nothing is served yet)"},
		{MeasuredLatency, Bound{Comparison: CompareLTE}, broken, served, "gate latency_p95_ms failed: none, expected at most the served version's (could not be measured: the server cannot load it)"},
		{MeasuredSize, Bound{Maximum: at(0.2)}, m, served, "gate model_size_mb failed: 0.25 MB, expected at most 0.2 MB (" + when + ")"},
		{MeasuredSize, Bound{Comparison: CompareLTE}, m, later, "gate model_size_mb passed: 0.25 MB, expected at most 0.25 MB (both versions " + when + ", when version 6 was served)"},
		{MeasuredSize, Bound{Comparison: CompareLTE}, broken, served, "gate model_size_mb failed: 1 MB, expected at most the served version's (the served version: could not be measured: it has no files)"},
		{MeasuredStability, Bound{Minimum: at(0.5)}, m, served, "gate feature_importance_stability passed: 0.8, expected at least 0.5 (" + when + ", compared with version 6)"},
		{MeasuredStability, Bound{Minimum: at(1.1)}, m, served, "gate feature_importance_stability failed: 0.8, expected at least 1.1 (" + when + ", compared with version 6)"},
		{MeasuredStability, Bound{Minimum: at(0.5)}, first, nil, "gate feature_importance_stability passed: none, expected at least 0.5 (nothing is served yet that it could be compared with)"},
		{MeasuredStability, Bound{Minimum: at(0.5)}, &Measurement{Failed: "no memory"}, served, "gate feature_importance_stability failed: none, expected at least 0.5 (could not be measured: no memory)"},
		{MeasuredStability, Bound{Minimum: at(0.5)}, &Measurement{Failed: "no memory"}, nil, "gate feature_importance_stability passed: none, expected at least 0.5 (nothing is served yet that it could be compared with)"},
		{MeasuredStability, Bound{Minimum: at(0.5)}, nil, nil, "gate feature_importance_stability passed: none, expected at least 0.5 (nothing is served yet that it could be compared with)"},
		{MeasuredStability, Bound{Minimum: at(0.5)}, first, served, "gate feature_importance_stability passed: none, expected at least 0.5 (nothing is served yet that it could be compared with)"},
		{MeasuredStability, Bound{Minimum: at(0.5)}, broken, served, "gate feature_importance_stability failed: none, expected at least 0.5 (could not be measured: the server cannot load it)"},
		{MeasuredSize, Bound{Maximum: at(1)}, &Measurement{}, served, "gate model_size_mb failed: none, expected at most 1 MB (could not be measured: the measurement has no such metric)"},
		{MeasuredSize, Bound{Maximum: at(1)}, nil, served, "gate model_size_mb failed: none, expected at most 1 MB (not measured: the gates are overridden)"},
	} {
		// What the run has logged by that name does not count.
		candidate := Evidence{Dataset: "iris abc", Metrics: map[string]float64{c.metric: 0}, Measured: c.m}
		results := Gates{Metrics: map[string]Bound{c.metric: c.bound}}.Judge(candidate, c.served)
		if len(results) != 1 || results[0].String() != c.want {
			t.Errorf("found %v, expected\n%q", results, c.want)
		}
	}
}

func TestJudgeOnOneHoldOut(t *testing.T) {
	served := &Evidence{Version: 6, Dataset: "iris def", Metrics: map[string]float64{"accuracy": 0.99}}
	candidate := Evidence{Dataset: "iris abc", Metrics: map[string]float64{"accuracy": 0.9}}
	g := Gates{Metrics: map[string]Bound{"accuracy": {Comparison: CompareGTE}}}
	for want, m := range map[string]*Measurement{
		"gate accuracy passed: 0.9, expected at least 0.85 (both versions measured on the 30 rows at 2026-01-02 03:04 UTC)": {
			Candidate: map[string]float64{"accuracy": 0.9}, Served: map[string]float64{"accuracy": 0.85}, Against: 6},
		"gate accuracy failed: 0.9, expected at least 0.95 (both versions measured on the 30 rows at 2026-01-02 03:04 UTC, when version 5 was served)": {
			Candidate: map[string]float64{"accuracy": 0.9}, Served: map[string]float64{"accuracy": 0.95}, Against: 5},
		"gate accuracy failed: none, expected at least the served version's (could not be measured: no hold-out)": {
			Errors: []MeasureError{{[]string{"accuracy"}, "no hold-out"}}, Against: 6},
		"gate accuracy failed: 0.9, expected at least the served version's (the served version: could not be measured: other features)": {
			Candidate: map[string]float64{"accuracy": 0.9}, ServedErrors: []MeasureError{{[]string{"accuracy"}, "other features"}}, Against: 6},
	} {
		m.At, m.HoldOut = measuredAt, "30 rows"
		candidate.Measured = m
		if got := g.Judge(candidate, served); len(got) != 1 || got[0].String() != want {
			t.Errorf("found %v, expected\n%q", got, want)
		}
	}
	// On the dataset of the served version, the runs' own values are compared.
	served.Dataset = candidate.Dataset
	if got := g.Judge(candidate, served)[0].String(); got != "gate accuracy failed: 0.9, expected at least 0.99" {
		t.Errorf("found %q", got)
	}
}

func TestToMeasure(t *testing.T) {
	g := Gates{Metrics: map[string]Bound{
		MeasuredSize: {Maximum: at(1)}, "accuracy": {Comparison: CompareGTE}, "log_loss": {Maximum: at(1)}, "own": {Comparison: CompareGTE}}}
	abc, def := Evidence{Dataset: "abc"}, Evidence{Dataset: "def"}
	for _, c := range []struct {
		candidate Evidence
		served    *Evidence
		want      string
	}{{abc, &def, "accuracy,model_size_mb"}, {abc, &abc, "model_size_mb"}, {abc, nil, "model_size_mb"}, {Evidence{}, &def, "model_size_mb"}} {
		if got := strings.Join(g.ToMeasure(c.candidate, c.served), ","); got != c.want {
			t.Errorf("%s is to be measured, expected %s", got, c.want)
		}
	}
	stable := Gates{Metrics: map[string]Bound{MeasuredStability: {Minimum: at(0.5)}, MeasuredLatency: {Maximum: at(1)}}}
	if got := strings.Join(stable.ToMeasure(abc, nil), ","); got != MeasuredLatency {
		t.Errorf("with nothing to compare with %s is to be measured", got)
	}
	if got := strings.Join(stable.ToMeasure(abc, &def), ","); got != MeasuredStability+","+MeasuredLatency {
		t.Errorf("%s is to be measured", got)
	}
	bad := Gates{Metrics: map[string]Bound{MeasuredStability: {Comparison: CompareGTE}}}
	if err := bad.Validate(); CodeOf(err) != Invalid || !strings.Contains(MessageOf(err), "compares with the served version by itself: expected minimum or maximum") {
		t.Errorf("error %v", err)
	}
}

// What was measured before it was said what was asked for was all there is.
func TestCovers(t *testing.T) {
	both := []string{MeasuredLatency, MeasuredSize}
	for _, c := range []struct {
		asked, names []string
		want         bool
	}{{nil, both, true}, {both, both[:1], true}, {both[:1], both, false}, {both, []string{"accuracy"}, false}} {
		if got := (&Measurement{Asked: c.asked}).Covers(c.names); got != c.want {
			t.Errorf("of %v, %v is covered: %t", c.asked, c.names, got)
		}
	}
}

func TestParseMeasurement(t *testing.T) {
	m, err := ParseMeasurement(`{"candidate": {"accuracy": 0.9}, "errors": [{"metrics": ["log_loss"], "reason": "no"}], "holdout": "30 rows", "against": 6, "served": {"accuracy": 1}, "served_errors": []}`)
	if err != nil || m.Candidate["accuracy"] != 0.9 || m.Against != 6 || m.reason("log_loss") != "no" {
		t.Errorf("it is %+v, %v", m, err)
	}
	for said, want := range map[string]string{"": "its Job has ended without a result", "killed": `its Job has said "killed" when it ended, expected what it has measured as JSON`,
		strings.Repeat("€", 70): `its Job has said "` + strings.Repeat("€", 66) + `" when it ended, expected what it has measured as JSON`} {
		if _, err := ParseMeasurement(said); MessageOf(err) != want {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
}
