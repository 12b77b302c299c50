package compare_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	swept := visit.Scene(t, "full").AddSweep()
	visit.Pages(t, []visit.Golden{
		{Scene: "sweep", Path: visit.CompareURL(swept, "tag=stage"), Name: "compare", Status: 200},
		{Scene: "sweep", Path: visit.CompareURL(swept[3:6], "only=differences", "metric=val_loss", "over=relative", "scale=log", "color=metrics.val_auc", "x=params.dropout", "axis=params.optimizer", "axis=metrics.val_loss"), Name: "compare-choices", Status: 200},
		{Scene: "sweep", Path: visit.CompareURL(swept[:1]), Name: "compare-error", Status: 400},
		{Scene: "starting", Path: visit.CompareURL(swept), Name: "compare", Status: 503},
	})
}
