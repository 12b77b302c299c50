package datasets_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	full := visit.Scene(t, "full")
	visit.Pages(t, []visit.Golden{
		{Scene: "full", Path: "/datasets", Name: "datasets", Status: 200},
		{Scene: "full", Path: "/datasets/" + full.Datasets[0].SHA256, Name: "dataset", Status: 200},
		{Scene: "full", Path: "/datasets/0bad", Name: "dataset-unknown", Status: 404},
		{Scene: "empty", Path: "/datasets", Name: "datasets", Status: 200},
		{Scene: "starting", Path: "/datasets", Name: "datasets", Status: 200},
	})
}
