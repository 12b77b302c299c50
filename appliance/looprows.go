package appliance

import (
	"github.com/benchtop-lab/benchtop/appliance/loop"
	"github.com/benchtop-lab/benchtop/embedded/registry"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/datasets"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/deployments"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/projects"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
)

// The stores whose rows the loop acts on; a struct cannot embed several types
// of one name.
type (
	datasetRows    = datasets.Store
	projectRows    = projects.Store
	deploymentRows = deployments.Store
	runRows        = runs.Store
)

// loopRows is the registry as the loop needs it.
type loopRows struct {
	*datasetRows
	*projectRows
	*deploymentRows
	*runRows
	db *db.DB
}

var _ loop.Store = loopRows{}

func loopRowsOf(s *registry.Store) loop.Store {
	return loopRows{s.Datasets, s.Projects, s.Deployments, s.Runs, s.DB}
}

// ModelsChanged implements loop.Store.
func (r loopRows) ModelsChanged() <-chan struct{} { return r.db.ModelsChanged() }
