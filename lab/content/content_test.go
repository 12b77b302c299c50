package content_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/lab/content"
	"github.com/benchtop-lab/benchtop/lab/engine/format"
)

// Whether the labs do what they say is what `benchtop lab verify --all` finds out.
func TestEveryLabCanBeRead(t *testing.T) {
	labs, err := format.All(content.Labs)
	if err != nil {
		t.Errorf("these have to be mended:\n%v", err)
	}
	for _, l := range labs {
		t.Logf("%3d %s: %d tasks, %d faults", l.Order, l.Name, len(l.Tasks), len(l.Faults))
	}
}
