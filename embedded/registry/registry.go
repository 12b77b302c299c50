// Package registry is an MLflow-compatible tracking server and model registry
// on one SQLite file and an object store. The stores of its nouns are below
// store, the protocol is in package mlflow; this package puts them together.
package registry

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/mlflow"
	"github.com/benchtop-lab/benchtop/embedded/registry/store"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/artifacts"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/lineage"
)

// Store is the registry's database with the stores of its nouns.
type Store = store.Store

// Deployments lists the deployments, for lineage.
type Deployments = lineage.Deployments

// GCReport counts what Artifacts.GC has removed.
type GCReport = artifacts.GCReport

// Options of Open.
type Options = store.Options

// Open opens the registry's database, creating or migrating it as needed.
func Open(ctx context.Context, path string, opt Options) (*Store, error) {
	return store.Open(ctx, path, opt)
}

// NewHandler returns the MLflow API over a store. With auth nil everybody may
// do everything.
func NewHandler(s *Store, auth mlops.Authenticator, log *slog.Logger) http.Handler {
	return mlflow.NewHandler(s, auth, log)
}
