package engine

import (
	"fmt"
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
	for said, limit := range map[string]time.Duration{
		"undoes the task; %d s after it": resetSeen, "takes at most %d s": resetMost, "don't pass it within %d s": wrongFor, "solution passes it within %d s": solveLimit,
		"holds again within %d s": holdLimit, "symptom is seen within %d s": injectLimit, "mends it within %d s": mendLimit, "symptom is there within %d s": injectLimit,
	} {
		if want := fmt.Sprintf(said, int(limit.Seconds())); !strings.Contains(flat, want) {
			t.Errorf("expected %q in AUTHORING.md", want)
		}
	}
}
