package gatesfile_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/gatesfile"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func ptr(f float64) *float64 { return &f }

// What is written is read as it was.
func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		gates mlops.Gates
		text  string
	}{
		{mlops.Gates{}, ""},
		{mlops.Gates{Approval: "required"}, "approval: required\n"},
		{mlops.Gates{Metrics: map[string]mlops.Bound{"accuracy": {Minimum: ptr(0.9), Comparison: "gte"}}, Approval: "required"},
			"metrics:\n  accuracy:\n    minimum: 0.9\n    comparison: gte\napproval: required\n"},
		{mlops.Gates{Metrics: map[string]mlops.Bound{"loss": {Maximum: ptr(1)}, "accuracy": {Minimum: ptr(0)}}},
			"metrics:\n  accuracy:\n    minimum: 0\n  loss:\n    maximum: 1\n"},
		{mlops.Gates{Metrics: map[string]mlops.Bound{"true": {Minimum: ptr(-1e300), Maximum: ptr(1e21)}, "a: b #": {Maximum: ptr(0.1 + 0.2)}, "7": {Comparison: "lte"}, "val/f1 ü": {Minimum: ptr(1e-9)}}}, ""},
	} {
		text := gatesfile.Print(c.gates)
		if c.text != "" && text != c.text {
			t.Errorf("%+v is written\n%s, want\n%s", c.gates, text, c.text)
		}
		got, err := gatesfile.Parse([]byte(text))
		if err != nil || !reflect.DeepEqual(got, c.gates) {
			t.Errorf("%s is read as %+v, %v", text, got, err)
		}
		// As a browser sends it.
		got, err = gatesfile.Parse([]byte(strings.ReplaceAll(text, "\n", "\r\n")))
		if err != nil || !reflect.DeepEqual(got, c.gates) {
			t.Errorf("%s with CRLF is read as %+v, %v", text, got, err)
		}
	}
}

func TestParse(t *testing.T) {
	want := mlops.Gates{Metrics: map[string]mlops.Bound{"accuracy": {Minimum: ptr(0.9), Comparison: "gte"}}, Approval: "required"}
	for _, text := range []string{
		"metrics: {accuracy: {minimum: 0.9, comparison: gte}}\napproval: required\n",
		`{"metrics": {"accuracy": {"minimum": 0.9, "comparison": "gte"}}, "approval": "required"}`,
		"# ours\napproval: required\nmetrics:\n  accuracy: {comparison: gte, minimum: 9.0e-1}",
	} {
		if got, err := gatesfile.Parse([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "{}", "metrics:\napproval:\n", "metrics: {}"} {
		if got, err := gatesfile.Parse([]byte(text)); err != nil || !reflect.DeepEqual(got, mlops.Gates{}) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"metric: {}": `gates, line 1: the key "metric" is not known: expected metrics: {NAME: {minimum: NUMBER`,
		"approval: required\nmetrics:\n  f1:\n    min: 1":  `gates, line 4: metric f1: the key "min" is not known: expected {minimum: NUMBER, maximum: NUMBER, comparison: gte or lte}`,
		"metrics:\n  f1: {minimum: high}":                  `gates, line 2: metric f1: minimum is "high": expected a number`,
		"metrics:\n  f1: {minimum: }":                      `gates, line 2: metric f1: minimum is "": expected a number`,
		"metrics:\n  f1: {maximum: [1]}":                   `gates, line 2: metric f1: maximum is a list: expected a number`,
		"metrics:\n  f1: {maximum: .inf}":                  `gates, line 2: metric f1: expected a finite number as its bound`,
		"metrics:\n  f1: {minimum: 2, maximum: 1}":         `gates, line 2: metric f1: the minimum 2 is above the maximum 1`,
		"metrics:\n  f1: {comparison: gt}":                 `gates, line 2: metric f1: comparison is "gt", expected "gte" or "lte"`,
		"metrics:\n  f1: {comparison: {a: b}}":             `gates, line 2: metric f1: comparison is a mapping: expected gte or lte`,
		"metrics:\n  f1:":                                  `gates, line 2: metric f1 has no bound: expected minimum, maximum or comparison`,
		"metrics:\n  f1: 0.9":                              `gates, line 2: metric f1: expected {minimum: NUMBER`,
		"metrics:\n  f1: {minimum: 1}\n  f1: {maximum: 2}": `gates, line 3: metrics: the key "f1" is there twice: expected it once`,
		"metrics: [f1]":                                    `gates, line 1: metrics: expected NAME: {minimum: NUMBER`,
		"metrics:\n  [a, b]: {minimum: 1}":                 `gates, line 2: metrics: a key is not a name`,
		"metrics:\n  '': {minimum: 1}":                     `gates, line 2: a metric has no name`,
		"approval: yes please":                             `gates, line 1: approval is "yes please": expected "required", or nothing`,
		"approval: true":                                   `gates, line 1: approval is "true": expected required, or nothing`,
		"required":                                         `gates, line 1: the gates: expected metrics: {NAME:`,
		"approval: required\n---\napproval: required":      `a second document: expected one`,
		"metrics: {f1":                                     `gates: this is not YAML: line 1: did not find expected`,
		"a: *b":                                            `gates: this is not YAML: unknown anchor`,
		"approval: required\n\tx: 1":                       `gates: this is not YAML: line 2:`,
	} {
		_, err := gatesfile.Parse([]byte(text))
		if mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("metrics: {accuracy: {minimum: 0.9, comparison: gte}}\napproval: required\n")
	f.Add("a: &a [*a]")
	f.Add("? {a: b}\n: c")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := gatesfile.Parse([]byte(text))
		if err != nil {
			return
		}
		again, err := gatesfile.Parse([]byte(gatesfile.Print(g)))
		if err != nil || len(g.Metrics) != len(again.Metrics) || g.Approval != again.Approval {
			t.Errorf("%q is %+v, and again %+v, %v", text, g, again, err)
		}
	})
}
