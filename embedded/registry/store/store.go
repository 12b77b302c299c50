// Package store opens the registry's database with the stores of all its nouns.
// Code that needs one noun takes its store from here, and no store knows this
// package. DESIGN.md, one folder up, says which stores know each other.
package store

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/artifacts"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/datasets"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/deployments"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/experiments"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/keys"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/labs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/lineage"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/loggedmodels"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/projects"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/scope"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/traces"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/webhooks"
)

// Options of Open. All fields may be zero.
type Options struct {
	// Artifacts holds what runs upload. It may also be a
	// mlops.MultipartStore. Until it is set (here or by Artifacts.SetArtifacts)
	// artifact calls answer mlops.Unavailable.
	Artifacts mlops.ObjectStore
	Log       *slog.Logger
	Now       func() time.Time
	// Readers is the number of connections that read at once; 4 if zero.
	Readers int
	// WebhookAllow lists networks that webhooks may reach although they belong
	// to this machine or the cluster.
	WebhookAllow []netip.Prefix
}

// Store is the registry's database and the stores over it.
type Store struct {
	DB           *db.DB
	Experiments  *experiments.Store
	Runs         *runs.Store
	LoggedModels *loggedmodels.Store
	Models       *models.Store
	Traces       *traces.Store
	Webhooks     *webhooks.Store
	Artifacts    *artifacts.Store
	Datasets     *datasets.Store
	Lineage      *lineage.Store
	Projects     *projects.Store
	Deployments  *deployments.Store
	Keys         *keys.Store
	Labs         *labs.Store
	Scope        *scope.Store
}

// Open opens the database at path, creating or migrating it as needed, and
// begins to deliver to webhooks.
func Open(ctx context.Context, path string, opt Options) (*Store, error) {
	d, err := db.Open(ctx, path, db.Options{Log: opt.Log, Now: opt.Now, Readers: opt.Readers})
	if err != nil {
		return nil, err
	}
	s := over(d, opt)
	if err := errors.Join(s.Experiments.EnsureDefault(ctx), s.Webhooks.Start(ctx)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// over makes the stores over a database.
func over(d *db.DB, opt Options) *Store {
	s := &Store{DB: d, Experiments: experiments.New(d), LoggedModels: loggedmodels.New(d), Webhooks: webhooks.New(d, opt.WebhookAllow),
		Datasets: datasets.New(d), Projects: projects.New(d), Deployments: deployments.New(d), Keys: keys.New(d), Labs: labs.New(d), Scope: scope.New(d)}
	s.Runs = runs.New(d, s.Experiments)
	s.Models = models.New(d, s.Runs, s.LoggedModels)
	s.Traces = traces.New(d, s.Runs)
	s.Artifacts = artifacts.New(d, s.Runs, opt.Artifacts)
	s.Lineage = lineage.New(d, s.Experiments, s.Runs, s.LoggedModels, s.Models, s.Datasets)
	return s
}

// Close ends deliveries, waits for writes under way and closes the database.
func (s *Store) Close() error {
	s.Webhooks.Close()
	return s.DB.Close()
}
