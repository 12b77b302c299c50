package gpus_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	visit.Pages(t, []visit.Golden{
		{Scene: "gpus", Path: "/gpus", Name: "gpus", Status: 200},
		{Scene: "gpus", Path: "/gpus?plan=1&replicas=2&mig=3g.40gb+4x1g.10gb", Name: "plan", Status: 200},
		{Scene: "gpus", Path: "/gpus?plan=1&replicas=0", Name: "plan-error", Status: 400},
		{Scene: "full", Path: "/gpus", Name: "gpus", Status: 200},
		{Scene: "starting", Path: "/gpus", Name: "gpus", Status: 200},
		{Scene: "broken", Path: "/gpus", Name: "gpus", Status: 200},
	})
}
