package appliance

import (
	"errors"
	"slices"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// A first training that fails is no start that goes on for ever.
func TestFirstModel(t *testing.T) {
	failed := &mlops.Training{Job: "iris-train-1", State: mlops.TrainingFailed, Message: "C must be positive"}
	running := &mlops.Training{Job: "iris-train-2", State: mlops.TrainingRunning}
	for name, c := range map[string]struct {
		loop    []ProjectStatus
		serves  bool
		trouble string
	}{
		"nothing yet":            {nil, false, ""},
		"training":               {[]ProjectStatus{{Project: "iris", Training: running}}, false, ""},
		"failed":                 {[]ProjectStatus{{Project: "iris", Training: failed, Deployment: &mlops.Deployment{Replicas: 1}}}, false, "nothing is served yet, and training iris-train-1 failed: C must be positive; see `benchtop logs iris`"},
		"a pod, no model":        {[]ProjectStatus{{Project: "iris", Training: running, Deployment: &mlops.Deployment{Replicas: 1, Ready: 1}}}, false, ""},
		"kept without servers":   {[]ProjectStatus{{Project: "iris", Training: failed, Deployment: &mlops.Deployment{}}}, true, ""},
		"one of two is kept":     {[]ProjectStatus{{Project: "iris", Deployment: &mlops.Deployment{}}, {Project: "wine", Training: running, Deployment: &mlops.Deployment{Replicas: 1}}}, false, ""},
		"served, then a bad one": {[]ProjectStatus{{Project: "iris", Training: failed, Deployment: &mlops.Deployment{Replicas: 1, Ready: 1, Version: "3"}}}, true, ""},
	} {
		serves, trouble := firstModel(c.loop)
		if serves != c.serves || trouble != c.trouble {
			t.Errorf("%s: %t, %q; want %t, %q", name, serves, trouble, c.serves, c.trouble)
		}
	}
}

func TestTroublesAreInOrder(t *testing.T) {
	want := []string{"project a is not up to date, it is tried again: no luck", "project b is not up to date, it is tried again: no quota", "project c is not up to date, it is tried again: no node"}
	for range 20 {
		if got := troubleWarnings("project", map[string]error{"c": errors.New("no node"), "a": errors.New("no luck"), "b": errors.New("no quota")}); !slices.Equal(got, want) {
			t.Fatalf("the warnings are %v", got)
		}
	}
}
