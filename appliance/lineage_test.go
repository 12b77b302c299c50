package appliance

import (
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestServedVersion(t *testing.T) {
	ds := []mlops.Deployment{{Name: "iris", Model: "iris", Version: "3"}, {Name: "wine", Model: "wine"}}
	if m, v, err := servedVersion(ds, "iris"); m != "iris" || v != "3" || err != nil {
		t.Errorf("iris serves %s/%s, %v", m, v, err)
	}
	for name, want := range map[string]string{"wine": "serves nothing yet", "x": "expected one of iris, wine, or MODEL/VERSION"} {
		if _, _, err := servedVersion(ds, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", name, err, want)
		}
	}
	if _, _, err := servedVersion(nil, "x"); err == nil || !strings.Contains(err.Error(), "none yet") {
		t.Errorf("without deployments: %v", err)
	}
	for of, want := range map[string][2]string{"iris/3": {"iris", "3"}, "a/b/4": {"a/b", "4"}, "iris": {"iris", ""}} {
		if m, v, _ := cutLast(of, "/"); m != want[0] || v != want[1] {
			t.Errorf("%s is cut into %q and %q", of, m, v)
		}
	}
}
