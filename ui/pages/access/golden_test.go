package access_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	visit.Pages(t, []visit.Golden{
		{Scene: "full", Path: "/access", Name: "access", Status: 200},
		{Scene: "empty", Path: "/access", Name: "access", Status: 200},
		{Scene: "starting", Path: "/access", Name: "access", Status: 200},
	})
}
