package models_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest"
	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	visit.Pages(t, []visit.Golden{
		{Scene: "full", Path: "/models", Name: "models", Status: 200},
		{Scene: "full", Path: "/models?name=FOREST", Name: "models-search", Status: 200},
		{Scene: "full", Path: "/models?name=nothing", Name: "models-no-match", Status: 200},
		{Scene: "full", Path: "/models/iris", Name: "model", Status: 200},
		{Scene: "full", Path: "/models/energy-demand?metric=rmse&page=from-50", Name: "model-paged", Status: 200},
		{Scene: "full", Path: "/models/not-trained-yet", Name: "model-without-version", Status: 200},
		{Scene: "full", Path: "/models/iris/versions/12", Name: "version-served", Status: 200},
		{Scene: "full", Path: "/models/digits-forest/versions/1", Name: "version-of-a-script", Status: 200},
		{Scene: "full", Path: "/models/energy-demand/versions/118", Name: "version-of-a-deleted-run", Status: 200},
		{Scene: "full", Path: "/models/" + uitest.LongName + "/versions/7", Name: "version-without-run", Status: 200},
		{Scene: "own", Path: "/models/digits-forest/versions/1", Name: "version", Status: 200},
		{Scene: "refused", Path: "/models/iris/versions/11", Name: "version", Status: 200},
		{Scene: "waiting", Path: "/models/iris/versions/11", Name: "version", Status: 200},
		{Scene: "empty", Path: "/models", Name: "models", Status: 200},
		{Scene: "starting", Path: "/models", Name: "models", Status: 200},
		{Scene: "starting", Path: "/models/iris/versions/12", Name: "version", Status: 503},
	})
}
