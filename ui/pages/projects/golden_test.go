package projects_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	visit.Pages(t, []visit.Golden{
		{Scene: "full", Path: "/projects", Name: "projects", Status: 200},
		{Scene: "full", Path: "/projects?deleted=wine", Name: "projects-deleted", Status: 200},
		{Scene: "full", Path: "/projects/iris", Name: "project", Status: 200},
		{Scene: "gpus", Path: "/projects", Name: "projects", Status: 200},
		{Scene: "gpus", Path: "/projects/speech", Name: "project", Status: 200},
		{Scene: "code", Path: "/projects", Name: "projects", Status: 200},
		{Scene: "code", Path: "/projects/prices", Name: "project", Status: 200},
		{Scene: "empty", Path: "/projects", Name: "projects", Status: 200},
		{Scene: "starting", Path: "/projects", Name: "projects", Status: 200},
		{Scene: "starting", Path: "/projects/iris", Name: "project", Status: 503},
	})
}
