package appliance

import (
	"context"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// This file is how pages, programs and commands read and change what is served.

func (p loopPort) Revisions(ctx context.Context, deployment string, max int) ([]mlops.Revision, error) {
	store, err := p.rows()
	if err != nil {
		return nil, err
	}
	if _, err := store.Deployments.Deployment(ctx, deployment); err != nil {
		return nil, err
	}
	return store.Deployments.Revisions(ctx, deployment, max)
}

func (p loopPort) RevisionsOf(ctx context.Context, model string, version int) ([]mlops.Revision, error) {
	store, err := p.rows()
	if err != nil {
		return nil, err
	}
	return store.Deployments.RevisionsOf(ctx, model, version)
}

func (p loopPort) SetGates(ctx context.Context, project string, g mlops.Gates) error {
	store, err := p.rows()
	if err != nil {
		return err
	}
	return store.Projects.SetGates(ctx, project, g)
}

// Gates returns what versions of a project's model must pass.
func (p loopPort) Gates(ctx context.Context, project string) (mlops.Gates, error) {
	store, err := p.rows()
	if err != nil {
		return mlops.Gates{}, err
	}
	pr, err := store.Projects.Project(ctx, project)
	return pr.Gates, err
}
