package system_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	visit.Pages(t, []visit.Golden{
		{Scene: "full", Path: "/system?range=7d", Name: "system-week", Status: 200},
		{Scene: "full", Path: "/system", Name: "system", Status: 200},
		{Scene: "full", Path: "/system/pods?namespace=iris", Name: "pods", Status: 200},
		{Scene: "full", Path: "/system/pods/iris/iris-train-14-8fzqm", Name: "pod", Status: 200},
		{Scene: "full", Path: "/system/images", Name: "images", Status: 200},
		{Scene: "full", Path: "/system/objects?kind=Deployment", Name: "objects", Status: 200},
		{Scene: "full", Path: "/system/events", Name: "events", Status: 200},
		{Scene: "empty", Path: "/system/events", Name: "events", Status: 200},
		{Scene: "starting", Path: "/system/pods", Name: "pods", Status: 200},
		{Scene: "starting", Path: "/system/images", Name: "images", Status: 200},
		{Scene: "starting", Path: "/system/objects", Name: "objects", Status: 200},
		{Scene: "broken", Path: "/system/events", Name: "events", Status: 200},
	})
}
