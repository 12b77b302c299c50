package mlops

import (
	"strings"
	"testing"
)

func TestParseModelRef(t *testing.T) {
	for ref, want := range map[string]struct {
		model, alias string
		version      int
	}{
		"iris":                  {"iris", "", 0},
		"iris@live":             {"iris", "live", 0},
		"iris/3":                {"iris", "", 3},
		"models:/iris/3":        {"iris", "", 3},
		"models:/iris@champion": {"iris", "champion", 0},
		"my model 2":            {"my model 2", "", 0},
		"a@b@live":              {"a@b", "live", 0},
		"a@b c":                 {"a@b c", "", 0},
		"@live":                 {"@live", "", 0},
		"iris@latest":           {"iris@latest", "", 0},
		"iris/0":                {"iris/0", "", 0},
		"iris/newest":           {"iris/newest", "", 0},
		"main.default.wine/12":  {"main.default.wine", "", 12},
	} {
		if m, a, v := ParseModelRef(ref); m != want.model || a != want.alias || v != want.version {
			t.Errorf("%q is model %q, alias %q, version %d", ref, m, a, v)
		}
	}
}

func TestDeploymentName(t *testing.T) {
	long := strings.Repeat("long name ", 9)
	for _, c := range []struct{ model, suffix, want string }{
		{"iris", "", "iris"}, {"iris", "3", "iris-3"}, {"My Model_v2", "", "my-model-v2"}, {"main.default.wine", "Champion_1", "main-default-wine-champion-1"},
		{"42", "", "model-42"}, {"模型", "", "model"}, {"模型", "7", "model-7"}, {"--a--", "--", "a"},
		{long, "", "long-name-long-name-long-name-long-name"}, {long, "12", "long-name-long-name-long-name-long-na-12"},
		{"a", strings.Repeat("b", 50), "a-bbbbbbbbbbbbbbbbbbbb"},
	} {
		got := DeploymentName(c.model, c.suffix)
		if got != c.want {
			t.Errorf("%q, %q: %q, expected %q", c.model, c.suffix, got, c.want)
		}
		if err := ValidateName("deployment", got); err != nil {
			t.Errorf("%q, %q: %v", c.model, c.suffix, err)
		}
	}
}

func TestDeployRequest(t *testing.T) {
	n := func(i int) *int { return &i }
	for _, c := range []struct {
		r    DeployRequest
		want string
	}{
		{DeployRequest{Model: "iris", Alias: "live", Replicas: n(0)}, ""},
		{DeployRequest{Ref: "iris@live", Name: "b", Replicas: n(20)}, ""},
		{DeployRequest{}, "model is empty: expected the name of a registered model"},
		{DeployRequest{Ref: "iris", Version: 3}, "expected either ref, or model with alias or version"},
		{DeployRequest{Model: "iris", Version: 3, Alias: "live"}, "both an alias and a version are given: expected one, or none for the newest version"},
		{DeployRequest{Model: "iris", Version: -1}, "version is -1: expected the number of a model version, from 1"},
		{DeployRequest{Model: "iris", Replicas: n(21)}, "replicas is 21: expected 0 to 20"},
		{DeployRequest{Model: "iris", Replicas: n(-1)}, "replicas is -1: expected 0 to 20"},
		{DeployRequest{Model: "iris", Name: "B"}, `deployment name "B" is not usable: expected 1 to 40 lower-case letters, digits or '-', starting with a letter and not ending with '-'`},
	} {
		err := c.r.Validate()
		if c.want == "" && err != nil || c.want != "" && MessageOf(err) != c.want {
			t.Errorf("%+v: %v, expected %q", c.r, err, c.want)
		}
	}
}
