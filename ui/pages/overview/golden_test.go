package overview_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	visit.Pages(t, []visit.Golden{
		{Scene: "full", Path: "/", Name: "overview", Status: 200},
		{Scene: "own", Path: "/", Name: "overview", Status: 200},
		{Scene: "empty", Path: "/", Name: "overview", Status: 200},
		{Scene: "booting", Path: "/", Name: "overview", Status: 200},
		{Scene: "boot-failed", Path: "/", Name: "overview", Status: 200},
		{Scene: "starting", Path: "/", Name: "overview", Status: 200},
		{Scene: "broken", Path: "/", Name: "overview", Status: 200},
	})
}
