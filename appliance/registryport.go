package appliance

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/artifacts"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/experiments"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/lineage"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/loggedmodels"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// registryHandler serves the MLflow API on the web server's port too. Until
// the registry is open it answers as MLflow's clients expect: try again.
func registryHandler(unit *registry.Unit, auth mlops.Authenticator, log *slog.Logger) http.Handler {
	var mu sync.Mutex
	var of *registry.Store
	var handler http.Handler
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		store := unit.Store()
		if store == nil {
			w.Header().Set("Retry-After", "2")
			writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error_code": string(mlops.Unavailable), "message": unavailable("the registry").Error()})
			return
		}
		mu.Lock()
		if of != store { // the unit was restarted
			of, handler = store, registry.NewHandler(store, auth, log)
		}
		h := handler
		mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

// askDeployments is a registry.Deployments by a function.
type askDeployments func(context.Context) ([]mlops.Deployment, error)

func (f askDeployments) Deployments(ctx context.Context) ([]mlops.Deployment, error) { return f(ctx) }

// The stores whose rows the pages read, beside those that the loop acts on.
type (
	experimentRows  = experiments.Store
	modelRows       = models.Store
	artifactRows    = artifacts.Store
	lineageRows     = lineage.Store
	loggedModelRows = loggedmodels.Store
)

// registryPort is the registry as pages and commands read it.
type registryPort struct {
	*experimentRows
	*runRows
	*modelRows
	*artifactRows
	*datasetRows
	*projectRows
	*lineageRows
	*loggedModelRows
	db *db.DB
}

var _ ports.Registry = registryPort{}

// openRegistry returns the registry once it is open.
func openRegistry(unit *registry.Unit) (registryPort, error) {
	s := unit.Store()
	if s == nil {
		return registryPort{}, unavailable("the registry")
	}
	return registryPort{s.Experiments, s.Runs, s.Models, s.Artifacts, s.Datasets, s.Projects, s.Lineage, s.LoggedModels, s.DB}, nil
}

// Lineage implements ports.Registry.
func (p registryPort) Lineage(ctx context.Context, model string, version int, deployed []mlops.Deployment) (mlops.ModelVersion, mlops.Lineage, error) {
	return p.LineageOf(ctx, model, version, known(deployed))
}

// DatasetUse implements ports.Registry.
func (p registryPort) DatasetUse(ctx context.Context, digest string, deployed []mlops.Deployment) (mlops.DatasetUse, error) {
	return p.lineageRows.DatasetUse(ctx, digest, known(deployed))
}

// known is a lineage.Deployments of what was asked for already.
func known(deployed []mlops.Deployment) askDeployments {
	return func(context.Context) ([]mlops.Deployment, error) { return deployed, nil }
}

// SetAlias implements ports.Registry.
func (p registryPort) SetAlias(ctx context.Context, model, alias string, version int) error {
	return p.modelRows.SetAlias(ctx, model, alias, strconv.Itoa(version))
}

// LoggedModels implements ports.Registry.
func (p registryPort) LoggedModels(ctx context.Context, runID string) ([]mlops.LoggedModel, error) {
	return p.RunModels(ctx, runID)
}

// Changed implements ports.Registry.
func (p registryPort) Changed() <-chan struct{} { return p.db.Changed() }
