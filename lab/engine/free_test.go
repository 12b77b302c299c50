package engine

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// A session whose row is closed does not keep its lab, for the moment that it is still known.
func TestClosedIsFree(t *testing.T) {
	e := &Engine{stays: map[place]*stay{}}
	for _, lab := range []string{"a", "b", "c", "d"} {
		e.stays[place{"ada", lab}] = &stay{row: mlops.LabSession{State: mlops.LabClosed}}
	}
	for _, lab := range []string{"a", "e"} {
		if err := e.free("ada", lab); err != nil {
			t.Errorf("%s: %v", lab, err)
		}
	}
	e.stays[place{"ada", "a"}].row.State = mlops.LabOpen
	if err := e.free("ada", "a"); mlops.CodeOf(err) != mlops.Exists || !strings.Contains(err.Error(), "Lab a is open already") {
		t.Errorf("open: %v", err)
	}
}

// Authors are told the limits that verify has.
func TestAuthoringSaysTheLimits(t *testing.T) {
	text, err := os.ReadFile("../AUTHORING.md")
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(text)), " ")
	for want, limit := range map[string]time.Duration{
		"undoes the task; 5 s after it": resetSeen, "takes at most 60 s": resetMost, "within 2 s": wrongFor, "within 60 s": solveLimit,
		"again within 30 s": holdLimit, "seen within 60 s": injectLimit, "within 90 s": mendLimit,
	} {
		if !strings.Contains(flat, want) || !strings.Contains(want, strings.TrimSuffix(limit.Round(time.Second).String(), "s")+" s") && limit < time.Minute {
			t.Errorf("expected %q in AUTHORING.md, and that to be %s", want, limit)
		}
	}
}
