package main

import (
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestPrintProjects(t *testing.T) {
	wine := appliance.ProjectDetails{Project: mlops.Project{Name: "wine", Dataset: "wine", Schedule: "0 3 * * *", TimeZone: "Europe/Berlin", Params: `{"C":2}`, Edited: mlops.EditedFields{Schedule: true, Environment: true},
		Resources:   mlops.TrainerResources{Requests: mlops.ResourceAmounts{CPU: "100m"}, Limits: mlops.ResourceAmounts{Memory: "1Gi"}},
		Environment: mlops.Variables{"OMP_NUM_THREADS": "2", "LINES": "a\nb"}},
		LastTraining: &mlops.Training{Job: "wine-train-1", State: mlops.TrainingSucceeded, CodeSHA256: "0123456789abcdef", Image: "lab:1"}, NextTraining: time.Unix(0, 0),
		Deployment: &mlops.Deployment{Version: "4", Host: "wine.lab.internal", Path: "/models/wine"}}
	hand := appliance.ProjectDetails{Project: mlops.Project{Name: "iris", Dataset: "iris"}}
	going := appliance.ProjectDetails{Project: mlops.Project{Name: "old", Dataset: "old", Deleting: true}}
	var out strings.Builder
	if err := printProjects(&out, []appliance.ProjectDetails{hand, going, wine}); err != nil {
		t.Fatal(err)
	}
	want := `NAME  DATASET  SCHEDULE                 LAST TRAINING           SERVES
iris  iris     by hand only             none                    no model yet
old   old      by hand only             none                    being deleted
wine  wine     0 3 * * * Europe/Berlin  wine-train-1 succeeded  version 4
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	printProject(&out, wine)
	want = `project   wine
dataset   wine
schedule  0 3 * * *
zone      Europe/Berlin  (from the configuration)
params    {"C":2}  (from the configuration)
cpu       100m set aside, no limit  (from the configuration)
memory    nothing set aside, at most 1Gi  (from the configuration)
env       LINES="a\nb"
          OMP_NUM_THREADS=2
training  wine-train-1 succeeded
code      0123456789ab in image lab:1
next      1970-01-01T00:00:00Z
serves    version 4
address   http://wine.lab.internal and /models/wine
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	if err := printProjects(&out, nil); err != nil || out.String() != "there are no projects; add one with `benchtop project add iris`\n" {
		t.Errorf("printed %q, %v", out.String(), err)
	}
}

func TestProjectMistakes(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"project", "edit", "wine"}, "what should change? Give --dataset, --schedule, --time-zone, --params, --cpu, --memory, --gpu or --env: see `benchtop project edit --help`"},
		{[]string{"project", "edit", "wine", "--env", "A"}, "--env A: expected NAME=VALUE, such as OMP_NUM_THREADS=2; to take a variable away, --unset-env A"},
		{[]string{"project", "edit", "wine", "--env", "A=1", "--env", "A=2"}, "--env names A twice: expected one value"},
		{[]string{"project", "edit", "wine", "--env", "A=1", "--unset-env", "A"}, "--env and --unset-env both name A: expected one of them"},
		{[]string{"project", "edit", "wine", "--unset-env", "A=1"}, "--unset-env A=1: expected the name of a variable, without a value"},
		{[]string{"project", "edit", "wine", "--params", "C=1"}, `--params: expected a JSON object such as {"C": 0.5}, found C=1`},
	} {
		cmd := root()
		cmd.SetArgs(append(c.args, "--data-dir", t.TempDir()))
		if err := cmd.ExecuteContext(t.Context()); err == nil || userMessage(err) != c.want {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
}
