package filter

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestParse(t *testing.T) {
	num := func(c Comparison, n float64) Comparison {
		c.Number = n
		if n == math.Trunc(n) && math.Abs(n) < 1e15 {
			c.Int, c.IsInt = int64(n), true
		}
		return c
	}
	for s, want := range map[string][]Comparison{
		"":                     nil,
		"  ":                   nil,
		"metrics.acc>0.5":      {num(Comparison{Entity: Metric, Key: "acc", Op: Gt}, 0.5)},
		"metric.acc <= -1":     {num(Comparison{Entity: Metric, Key: "acc", Op: Le}, -1)},
		"metrics.`a b/c` = 1 ": {num(Comparison{Entity: Metric, Key: "a b/c", Op: Eq}, 1)},
		"metrics.a < 1e400":    {{Entity: Metric, Key: "a", Op: Lt, Number: math.MaxFloat64}},
		`params."x.y" != 'z'`:  {{Entity: Param, Key: "x.y", Op: Ne, Text: "z"}},
		"tags.mlflow.source.name = 'a''b' and params.p LIKE \"q%\"": {{Entity: Tag, Key: "mlflow.source.name", Op: Eq, Text: "a'b"}, {Entity: Param, Key: "p", Op: Like, Text: "q%"}},
		"status = 'FINISHED' AND run.`run name` ILIKE 'x'":          {{Entity: Attribute, Key: "status", Op: Eq, Text: "FINISHED"}, {Entity: Attribute, Key: "run_name", Op: ILike, Text: "x"}},
		"run_id not  in ('a','b')":                                  {{Entity: Attribute, Key: "run_id", Op: NotIn, List: []string{"a", "b"}}},
		"tags.x is null AND tags.y IS NOT NULL":                     {{Entity: Tag, Key: "x", Op: IsNull}, {Entity: Tag, Key: "y", Op: IsNotNull}},
		"created >= 17":                                             {num(Comparison{Entity: Attribute, Key: "start_time", Op: Ge}, 17)},
		"dataset.name IN ('d')":                                     {{Entity: Dataset, Key: "name", Op: In, List: []string{"d"}}},
	} {
		got, err := Parse(s, Runs)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v (%v), want %+v", s, got, err, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for s, text := range map[string]string{
		"metrics.acc":                    "comparison operator",
		"metrics.acc > 'x'":              "compared with a number",
		"metrics.acc LIKE 'x'":           "expected one of =, !=",
		"params.p = 5":                   "string in quotes",
		"params.p = x":                   "string in quotes",
		"params.p = 'x":                  "never closed",
		"metrics.a/b > 1":                "must be quoted",
		"metrics. > 1":                   "no key after the dot",
		"metrics.a > 1 or metrics.b > 1": "OR is not supported",
		"metrics.a > 1 metrics.b > 1":    "expected AND",
		"nothing.a = 'x'":                "is not known: expected one of attr",
		"lifecycle = 'x'":                "no attribute",
		"dataset.size = 'x'":             "expected one of name, digest, context",
		"status IN ('x')":                "cannot be compared with IN",
		"run_id IN ()":                   "list of strings",
		"run_id IN ('a'":                 "comma or )",
		"metrics.a == 1":                 "single =",
		"metrics.a IS NULL":              "cannot be compared with IS NULL",
		"metrics.a > 1e":                 "not a number",
		"tags.\xff = 'x'":                "UTF-8",
		strings.Repeat("a='b' AND ", 60): "no attribute",
		"metrics.a NOT LIKE 'x'":         "expected NOT IN",
		strings.Repeat("run_id = 'b' AND ", 60) + "run_id = 'b'": "more than 50",
	} {
		_, err := Parse(s, Runs)
		if mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), text) {
			t.Errorf("%.60s: %v, want an error with %q", s, err, text)
		}
	}
}

func TestParseOrder(t *testing.T) {
	got, err := ParseOrder([]string{"metrics.`a b` desc", "start_time ASC", "tags.x"}, Runs)
	want := []Order{{Metric, "a b", true}, {Attribute, "start_time", false}, {Tag, "x", false}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v (%v), want %+v", got, err, want)
	}
	for clause, text := range map[string]string{"": "expected a key", "metrics.a up": "expected ASC or DESC", "dataset.name": "cannot be ordered by", "metrics.a desc x": "expected a key", "nothing": "no attribute"} {
		if _, err := ParseOrder([]string{clause}, Runs); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v, want an error with %q", clause, err, text)
		}
	}
	if _, err := ParseOrder([]string{"start_time", "created"}, Runs); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("the same column twice: %v", err)
	}
}

// TestOrderByAnyKey reads clauses as the pages write them: whatever a client
// may use as a key can be quoted.
func TestOrderByAnyKey(t *testing.T) {
	for clause, key := range map[string]string{"metrics.loss DESC": "loss", "metrics.a.b DESC": "a.b", "metrics.`val/f1` DESC": "val/f1", "metrics.`1st` DESC": "1st", "metrics.`a.` DESC": "a.",
		"metrics.`fit \"seconds\"` DESC": `fit "seconds"`, "metrics.\"weird`key`\" DESC": "weird`key`", "metrics.`both``\"` DESC": "both`\"", "metrics.`шаг` DESC": "шаг", "metrics.`DESC ` DESC": "DESC ",
		"metrics.`it's` DESC": "it's"} {
		got, err := ParseOrder([]string{clause}, Runs)
		if want := []Order{{Metric, key, true}}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v (%v), want %+v", clause, got, err, want)
		}
	}
}

// FuzzParse looks for panics and for errors that do not blame the filter.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"metrics.a > 1 and params.`b` = 'c'", "run_id IN ('a', \"b\")", "tags.\"x\".y IS NOT NULL", "a'b\"c`d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, schema := range []*Schema{Runs, Experiments, RegisteredModels, ModelVersions, LoggedModels, Traces} {
			if _, err := Parse(s, schema); err != nil && mlops.CodeOf(err) != mlops.Invalid {
				t.Errorf("%q: %v", s, err)
			}
			if _, err := ParseOrder([]string{s}, schema); err != nil && mlops.CodeOf(err) != mlops.Invalid {
				t.Errorf("order %q: %v", s, err)
			}
		}
	})
}
