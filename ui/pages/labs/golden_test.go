package labs_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	visit.Pages(t, []visit.Golden{
		{Scene: "labs", Path: "/labs", Name: "catalogue", Status: 200},
		{Scene: "labs", Path: "/labs/from-name-to-pod", Name: "about", Status: 200},
		{Scene: "full", Path: "/labs", Name: "catalogue", Status: 200},
		{Scene: "lab-mid-way", Path: "/labs", Name: "catalogue", Status: 200},
		{Scene: "lab-mid-way", Path: "/labs/from-name-to-pod", Name: "bench", Status: 200},
		{Scene: "lab-passed", Path: "/labs/from-name-to-pod", Name: "bench", Status: 200},
		{Scene: "lab-broken", Path: "/labs/from-name-to-pod", Name: "bench", Status: 200},
		{Scene: "lab-mended", Path: "/labs/from-name-to-pod", Name: "bench", Status: 200},
		{Scene: "lab-opening", Path: "/labs/from-name-to-pod", Name: "about", Status: 200},
		{Scene: "lab-closing", Path: "/labs/from-name-to-pod", Name: "about", Status: 200},
		{Scene: "starting", Path: "/labs", Name: "catalogue", Status: 200},
		{Scene: "starting", Path: "/labs/from-name-to-pod", Name: "lab", Status: 200},
		{Scene: "broken", Path: "/labs", Name: "catalogue", Status: 200},
		{Scene: "broken", Path: "/labs/from-name-to-pod", Name: "lab", Status: 200},
		{Scene: "labs", Path: "/labs/none", Name: "none", Status: 404},
	})
}
