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

func (p loopPort) Promote(ctx context.Context, deployment string, version int, override bool, act mlops.Act) (mlops.Revision, error) {
	l, err := p.running()
	if err != nil {
		return mlops.Revision{}, err
	}
	return l.Promote(ctx, deployment, version, override, act)
}

func (p loopPort) Rollback(ctx context.Context, deployment string, to int, act mlops.Act) (mlops.Revision, error) {
	l, err := p.running()
	if err != nil {
		return mlops.Revision{}, err
	}
	return l.Rollback(ctx, deployment, to, act)
}

func (p loopPort) Approve(ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	l, err := p.running()
	if err != nil {
		return mlops.Revision{}, err
	}
	return l.Approve(ctx, deployment, number, act)
}

func (p loopPort) Reject(ctx context.Context, deployment string, number int, act mlops.Act) (mlops.Revision, error) {
	l, err := p.running()
	if err != nil {
		return mlops.Revision{}, err
	}
	return l.Reject(ctx, deployment, number, act)
}

func (p loopPort) Hold(ctx context.Context, deployment string, pinned, paused *bool) (mlops.Deployment, error) {
	l, err := p.running()
	if err != nil {
		return mlops.Deployment{}, err
	}
	return l.Hold(ctx, deployment, pinned, paused)
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
