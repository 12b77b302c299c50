package mlops

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestResourcesInWords(t *testing.T) {
	for want, r := range map[string]TrainerResources{
		"nothing set aside, no limit":    {},
		"256Mi set aside, at most 1Gi":   {Requests: ResourceAmounts{Memory: "256Mi"}, Limits: ResourceAmounts{Memory: "1Gi"}},
		"nothing set aside, at most 2Gi": {Limits: ResourceAmounts{Memory: "2Gi"}},
	} {
		if got := r.MemoryText(); got != want {
			t.Errorf("%+v is %q, want %q", r, got, want)
		}
	}
	if got := (TrainerResources{Requests: ResourceAmounts{CPU: "100m"}}).CPUText(); got != "100m set aside, no limit" {
		t.Errorf("found %q", got)
	}
}

// An edit changes what it names and nothing else.
func TestEditOfResourcesAndEnvironment(t *testing.T) {
	had := Variables{"A": "1", "B": "2"}
	p := Project{Resources: TrainerResources{Requests: ResourceAmounts{CPU: "100m"}, Limits: ResourceAmounts{Memory: "1Gi"}}, Environment: had}
	edited := func(text string) Project {
		t.Helper()
		var e ProjectEdit
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		return e.Of(p)
	}
	if got := edited(`{"resources": {"limits": {"memory": " 1Gi "}}, "environment": {"A": "1", "C": null}}`); !got.Equal(p) {
		t.Errorf("what changes nothing makes %+v", got)
	}
	got := edited(`{"resources": {"requests": {"cpu": ""}, "limits": {"memory": "2Gi"}}}`)
	if got.Resources != (TrainerResources{Limits: ResourceAmounts{Memory: "2Gi"}}) || got.Edited != (EditedFields{Resources: true}) {
		t.Errorf("it has %+v, edited is %+v", got.Resources, got.Edited)
	}
	got = edited(`{"environment": {"A": null, "B": "", "C": "3"}}`)
	if want := (Variables{"B": "", "C": "3"}); !got.Equal(Project{Resources: p.Resources, Environment: want, Edited: EditedFields{Environment: true}}) {
		t.Errorf("its environment is %v, edited is %+v", got.Environment, got.Edited)
	}
	if len(had) != 2 || had["B"] != "2" {
		t.Errorf("the edit changed the project that it was made from: %v", had)
	}
	if got = edited(`{"environment": {"A": null, "B": null}}`); got.Environment != nil {
		t.Errorf("without variables it has %#v, which is not equal to none", got.Environment)
	}
	edit := had.Until(Variables{"B": "5"})
	if got := (ProjectEdit{Environment: &edit}).Of(p); len(got.Environment) != 1 || got.Environment["B"] != "5" {
		t.Errorf("instead it has %v", got.Environment)
	}
	// What somebody else has added meanwhile stays.
	meanwhile := Project{Environment: Variables{"A": "1", "B": "2", "NEW": "x"}}
	if got := (ProjectEdit{Environment: &edit}).Of(meanwhile); len(got.Environment) != 2 || got.Environment["NEW"] != "x" {
		t.Errorf("beside what was added it has %v", got.Environment)
	}
	if edit := had.Until(had); edit != nil {
		t.Errorf("no change is %v", edit)
	}
	d := ProjectDefaults{Resources: p.Resources, Environment: had}
	if got := d.Of(Project{}); got.Resources != p.Resources || len(got.Environment) != 2 {
		t.Errorf("what is not edited follows to %+v", got)
	}
	mine := Project{Edited: EditedFields{Resources: true, Environment: true}}
	if got := d.Of(mine); !got.Equal(mine) {
		t.Errorf("what is edited became %+v", got)
	}
}

func TestVariables(t *testing.T) {
	const example = `expected a JSON object of strings such as {"OMP_NUM_THREADS": "2"}, found `
	if _, err := ParseVariables(`{"OLD": null}`); CodeOf(err) != Invalid || MessageOf(err) != "OLD is null: expected a string, or leave the variable out" {
		t.Errorf("null: %v", err)
	}
	for _, text := range []string{`5`, `{"A": 1}`, `["A"]`} {
		var e ProjectEdit
		if err := json.Unmarshal([]byte(`{"environment": `+text+`}`), &e); CodeOf(err) != Invalid || MessageOf(err) != example+text {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := ParseVariables(text); CodeOf(err) != Invalid || MessageOf(err) != example+text {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"", " ", "{}"} {
		if v, err := ParseVariables(text); v != nil || err != nil {
			t.Errorf("%q is %v, %v", text, v, err)
		}
	}
	if v, err := ParseVariables(`{"A": "1"}`); err != nil || v["A"] != "1" {
		t.Errorf("found %v, %v", v, err)
	}
	own := " is Benchtop's to set: expected a name other than HOME, PATH, NO_PROXY, no_proxy that begins with none of BENCHTOP_, MLFLOW_, AWS_, KUBERNETES_, PYTHON, LD_"
	for name, want := range map[string]string{
		"OMP_NUM_THREADS": "", "_x": "", "HTTP_PROXY": "", "HOMES": "", "AWSOME": "",
		"MLFLOW_REGISTRY_URI": "MLFLOW_REGISTRY_URI" + own, "PYTHONPATH": "PYTHONPATH" + own, "LD_PRELOAD": "LD_PRELOAD" + own, "no_proxy": "no_proxy" + own, "PATH": "PATH" + own,
		"HOME": "HOME" + own, "AWS_REGION": "AWS_REGION" + own, "BENCHTOP_PARAMS": "BENCHTOP_PARAMS" + own, "MLFLOW_TRACKING_URI": "MLFLOW_TRACKING_URI" + own,
		"1A":  `"1A" is no name of an environment variable: expected letters, digits and '_', not beginning with a digit, such as OMP_NUM_THREADS`,
		"":    `"" is no name of an environment variable: expected letters, digits and '_', not beginning with a digit, such as OMP_NUM_THREADS`,
		"a-b": `"a-b" is no name of an environment variable: expected letters, digits and '_', not beginning with a digit, such as OMP_NUM_THREADS`,
	} {
		if err := (Variables{name: "x"}).Validate(); want == "" && err != nil || want != "" && (CodeOf(err) != Invalid || MessageOf(err) != want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
	for want, v := range map[string]Variables{
		"the value of A holds a NUL character: expected text without one":                                                      {"A": "x\x00"},
		"the variables have 32769 bytes in all, expected at most 32768: put what is larger into the dataset or the parameters": {"A": strings.Repeat("x", MaxVariables)},
	} {
		if err := v.Validate(); MessageOf(err) != want {
			t.Errorf("found %v, want %s", err, want)
		}
	}
}
