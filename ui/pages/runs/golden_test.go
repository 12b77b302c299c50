package runs_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	full := visit.Scene(t, "full")
	visit.Pages(t, []visit.Golden{
		{Scene: "full", Path: "/runs", Name: "runs", Status: 200},
		{Scene: "full", Path: "/runs?filter=metrics.accuracy+%3E+0.96", Name: "runs-filtered", Status: 200},
		{Scene: "full", Path: "/runs?filter=nonsense", Name: "runs-filter-error", Status: 400},
		{Scene: "full", Path: "/runs?experiment=5&order=metrics.%60val%2Ff1%60+DESC", Name: "runs-sorted", Status: 200},
		{Scene: "full", Path: "/runs?experiment=5&order=nonsense&column=attributes.user_id&column=metrics.val%2Ff1", Name: "runs-order-error", Status: 400},
		{Scene: "full", Path: "/runs?experiment=6", Name: "runs-deleted-experiment", Status: 404},
		{Scene: "full", Path: "/experiments?deleted=1", Name: "experiments", Status: 200},
		{Scene: "full", Path: "/runs/" + full.Runs[len(full.Runs)-2].ID, Name: "run-parent", Status: 200},
		{Scene: "full", Path: "/runs/" + full.Runs[len(full.Runs)-3].ID, Name: "run-child", Status: 200},
		{Scene: "full", Path: "/runs/" + full.Runs[0].ID, Name: "run-running", Status: 200},
		{Scene: "full", Path: "/runs/" + full.Runs[1].ID, Name: "run-finished", Status: 200},
		{Scene: "full", Path: "/runs/" + full.Runs[9].ID, Name: "run-failed", Status: 200},
		{Scene: "full", Path: "/runs/" + full.Runs[1].ID + "/artifacts", Name: "artifacts", Status: 200},
		{Scene: "full", Path: "/runs/" + full.Runs[1].ID + "/artifacts?path=model/model.json", Name: "artifact-json", Status: 200},
		{Scene: "full", Path: "/runs/" + full.Runs[1].ID + "/artifacts?path=predictions.csv", Name: "artifact-csv", Status: 200},
		{Scene: "full", Path: "/runs/" + full.Runs[1].ID + "/artifacts?path=plots/confusion.svg", Name: "artifact-picture", Status: 200},
		{Scene: "full", Path: "/runs/" + full.Runs[1].ID + "/artifacts?path=model/weights.bin", Name: "artifact-binary", Status: 200},
		{Scene: "empty", Path: "/runs", Name: "runs", Status: 200},
		{Scene: "empty", Path: "/experiments", Name: "experiments", Status: 200},
		{Scene: "starting", Path: "/runs", Name: "runs", Status: 200},
		{Scene: "starting", Path: "/experiments", Name: "experiments", Status: 200},
	})
}
