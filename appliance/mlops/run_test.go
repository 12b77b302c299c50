package mlops

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

func TestRunLookups(t *testing.T) {
	r := Run{
		Tags:    []KV{{TagProject, "iris"}, {TagTrigger, "manual"}},
		Params:  []KV{{"C", "1.0"}},
		Metrics: []Metric{{Key: "accuracy", Value: 0.97}, {Key: "loss", Value: math.NaN()}},
	}
	if got := r.Tag(TagTrigger); got != "manual" {
		t.Errorf("tag is %q", got)
	}
	if got := r.Tag("none") + r.Param("none"); got != "" {
		t.Errorf("what is not set is %q", got)
	}
	if got := r.Param("C"); got != "1.0" {
		t.Errorf("param is %q", got)
	}
	if v, ok := r.Metric("accuracy"); !ok || v != 0.97 {
		t.Errorf("metric is %v, %t", v, ok)
	}
	if v, ok := r.Metric("loss"); !ok || !math.IsNaN(v) {
		t.Errorf("NaN is a value, found %v, %t", v, ok)
	}
	if _, ok := r.Metric("f1"); ok {
		t.Error("a metric that was never logged was found")
	}
}

func TestRunDuration(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := Run{StartedAt: begin}
	if d := r.Duration(begin.Add(time.Minute)); d != time.Minute {
		t.Errorf("a running run has taken %s", d)
	}
	r.EndedAt = begin.Add(5 * time.Second)
	if d := r.Duration(begin.Add(time.Minute)); d != 5*time.Second {
		t.Errorf("an ended run took %s", d)
	}
}

func TestTerminalStates(t *testing.T) {
	for s, want := range map[RunStatus]bool{RunRunning: false, RunScheduled: false, RunFinished: true, RunFailed: true, RunKilled: true} {
		if s.Terminal() != want {
			t.Errorf("run status %s: terminal is %t", s, !want)
		}
	}
	for s, want := range map[TrainingState]bool{TrainingRequested: false, TrainingRunning: false, TrainingSucceeded: true, TrainingFailed: true} {
		if s.Terminal() != want {
			t.Errorf("training state %s: terminal is %t", s, !want)
		}
	}
}

func TestIsJSONObject(t *testing.T) {
	for s, want := range map[string]bool{
		`{}`: true, `{"C": 0.5, "penalty": "l2"}`: true, " {\"a\": null}\n": true,
		``: false, `null`: false, `[]`: false, `1`: false, `"{}"`: false, `{"a"}`: false, `{} {}`: false, `{"a": 1,}`: false,
	} {
		if IsJSONObject(s) != want {
			t.Errorf("IsJSONObject(%q) is %t", s, !want)
		}
	}
}

// Times that have not come are left out of what clients read.
func TestUnsetTimesAreOmitted(t *testing.T) {
	for _, v := range []any{Run{}, Training{}, Deployment{}, Pod{}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"ended_at", "loaded_at"} {
			if x, ok := m[key]; ok {
				t.Errorf("%T: %s is written as %v", v, key, x)
			}
		}
	}
}
