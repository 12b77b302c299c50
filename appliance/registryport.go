package appliance

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry"
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

// registryPort reads the registry for the pages.
type registryPort struct{ unit *registry.Unit }

func (p registryPort) store() (*registry.Store, error) {
	if s := p.unit.Store(); s != nil {
		return s, nil
	}
	return nil, unavailable("the registry")
}

func (p registryPort) Experiments(ctx context.Context) ([]mlops.Experiment, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.Experiments.Experiments(ctx)
}

func (p registryPort) ExperimentSummaries(ctx context.Context) ([]mlops.ExperimentSummary, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.Experiments.ExperimentSummaries(ctx)
}

func (p registryPort) SearchRuns(ctx context.Context, q mlops.RunQuery) (mlops.RunPage, error) {
	s, err := p.store()
	if err != nil {
		return mlops.RunPage{}, err
	}
	return s.Runs.SearchRuns(ctx, q)
}

func (p registryPort) Run(ctx context.Context, id string) (mlops.Run, error) {
	s, err := p.store()
	if err != nil {
		return mlops.Run{}, err
	}
	return s.Runs.Run(ctx, id)
}

func (p registryPort) MetricHistory(ctx context.Context, runID, key string, max int) ([]mlops.Metric, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.Runs.MetricHistory(ctx, runID, key, max)
}

func (p registryPort) RunsByID(ctx context.Context, runIDs []string) ([]mlops.Run, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.Runs.RunsByID(ctx, runIDs)
}

func (p registryPort) Models(ctx context.Context, q mlops.ModelQuery) (mlops.ModelPage, error) {
	s, err := p.store()
	if err != nil {
		return mlops.ModelPage{}, err
	}
	return s.Models.Models(ctx, q)
}

func (p registryPort) Model(ctx context.Context, name string) (mlops.RegisteredModel, error) {
	s, err := p.store()
	if err != nil {
		return mlops.RegisteredModel{}, err
	}
	return s.Models.Model(ctx, name)
}

func (p registryPort) Versions(ctx context.Context, q mlops.VersionQuery) (mlops.VersionPage, error) {
	s, err := p.store()
	if err != nil {
		return mlops.VersionPage{}, err
	}
	return s.Models.Versions(ctx, q)
}

func (p registryPort) Lineage(ctx context.Context, model string, version int, deployed []mlops.Deployment) (mlops.ModelVersion, mlops.Lineage, error) {
	s, err := p.store()
	if err != nil {
		return mlops.ModelVersion{}, mlops.Lineage{}, err
	}
	return s.Lineage.LineageOf(ctx, model, version, askDeployments(func(context.Context) ([]mlops.Deployment, error) { return deployed, nil }))
}

func (p registryPort) SetAlias(ctx context.Context, model, alias string, version int) error {
	s, err := p.store()
	if err != nil {
		return err
	}
	return s.Models.SetAlias(ctx, model, alias, strconv.Itoa(version))
}

func (p registryPort) DeleteAlias(ctx context.Context, model, alias string) error {
	s, err := p.store()
	if err != nil {
		return err
	}
	return s.Models.DeleteAlias(ctx, model, alias)
}

func (p registryPort) VersionsOfRuns(ctx context.Context, runIDs []string) ([]mlops.ModelVersion, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.Models.VersionsOfRuns(ctx, runIDs)
}

func (p registryPort) NewestVersions(ctx context.Context, models []string) ([]mlops.ModelVersion, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.Models.NewestVersions(ctx, models)
}

func (p registryPort) NewestTrainings(ctx context.Context) ([]mlops.Training, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.Projects.NewestTrainings(ctx)
}

func (p registryPort) LoggedModels(ctx context.Context, runID string) ([]mlops.LoggedModel, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.LoggedModels.RunModels(ctx, runID)
}

func (p registryPort) Artifacts(ctx context.Context, runID, path string) ([]mlops.Artifact, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.Artifacts.Artifacts(ctx, runID, path)
}

func (p registryPort) OpenArtifact(ctx context.Context, runID, path string) (io.ReadCloser, mlops.Artifact, error) {
	s, err := p.store()
	if err != nil {
		return nil, mlops.Artifact{}, err
	}
	return s.Artifacts.OpenArtifact(ctx, runID, path)
}

func (p registryPort) Datasets(ctx context.Context) ([]mlops.Dataset, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.Datasets.Datasets(ctx)
}

func (p registryPort) DatasetSummaries(ctx context.Context) ([]mlops.DatasetSummary, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.Lineage.DatasetSummaries(ctx)
}

func (p registryPort) DatasetUse(ctx context.Context, digest string, deployed []mlops.Deployment) (mlops.DatasetUse, error) {
	s, err := p.store()
	if err != nil {
		return mlops.DatasetUse{}, err
	}
	return s.Lineage.DatasetUse(ctx, digest, askDeployments(func(context.Context) ([]mlops.Deployment, error) { return deployed, nil }))
}

func (p registryPort) Trainings(ctx context.Context, project string, max int) ([]mlops.Training, error) {
	s, err := p.store()
	if err != nil {
		return nil, err
	}
	return s.Projects.Trainings(ctx, project, max)
}

// Changed never fires before the store is open; pages look again by then,
// because the registry becoming ready is a change of its unit.
func (p registryPort) Changed() <-chan struct{} {
	if s := p.unit.Store(); s != nil {
		return s.DB.Changed()
	}
	return nil
}
