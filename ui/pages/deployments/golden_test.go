package deployments_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/ui/uitest/visit"
)

func TestPages(t *testing.T) {
	visit.Pages(t, []visit.Golden{
		{Scene: "full", Path: "/deployments", Name: "deployments", Status: 200},
		{Scene: "full", Path: "/deployments/iris", Name: "deployment", Status: 200},
		{Scene: "own", Path: "/deployments", Name: "deployments", Status: 200},
		{Scene: "own", Path: "/deployments/forest", Name: "deployment", Status: 200},
		{Scene: "full", Path: "/deployments/iris?range=24h&pod=q2x7k", Name: "deployment-day", Status: 200},
		{Scene: "full", Path: "/deployments/iris?range=2h", Name: "deployment-range-error", Status: 400},
		{Scene: "ailing", Path: "/deployments/iris", Name: "deployment", Status: 200},
		{Scene: "refused", Path: "/deployments/iris", Name: "deployment", Status: 200},
		{Scene: "waiting", Path: "/deployments/iris", Name: "deployment", Status: 200},
		{Scene: "full", Path: "/deployments/iris/predict?x0=6&x1=2,9&x2=4.5&x3=1.5", Name: "prediction", Status: 200},
		{Scene: "empty", Path: "/deployments", Name: "deployments", Status: 200},
		{Scene: "starting", Path: "/deployments", Name: "deployments", Status: 200},
		{Scene: "starting", Path: "/deployments/iris", Name: "deployment", Status: 503},
		{Scene: "broken", Path: "/deployments/iris", Name: "deployment", Status: 200},
	})
}
