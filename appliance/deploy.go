package appliance

import (
	"context"
	"net/http"
	"net/url"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Deploy makes a deployment of a registered model.
func (s steps) Deploy(ctx context.Context, req mlops.DeployRequest) (mlops.Deployed, error) {
	out, err := s.Loop.Deploy(ctx, req)
	return mlops.Deployed{Deployment: s.port.addressed(out.Deployment), Created: out.Created, Changed: out.Changed, Beside: out.Beside}, err
}

// Scale sets how many servers a deployment ought to have.
func (s steps) Scale(ctx context.Context, deployment string, replicas int) (mlops.Deployment, error) {
	d, err := s.Loop.Scale(ctx, deployment, replicas)
	return s.port.addressed(d), err
}

// Undeploy begins to delete a deployment that is not its project's.
func (s steps) Undeploy(ctx context.Context, deployment string) (mlops.Deployment, error) {
	d, err := s.Loop.Undeploy(ctx, deployment)
	return s.port.addressed(d), err
}

// addressed says where a deployment answers.
func (p loopPort) addressed(d mlops.Deployment) mlops.Deployment {
	if d.Name != "" {
		d.Host, d.Path = d.Name+"."+p.domain, "/models/"+d.Name
	}
	return d
}

// Deployed is the answer to a command that asks for a deployment.
type Deployed struct {
	mlops.Deployed
	URL string `json:"url"` // where it answers, by this machine's address
}

func (c *control) deploy(w http.ResponseWriter, r *http.Request) {
	var req mlops.DeployRequest
	if err := decodeCall(r, &req); err != nil {
		c.fail(w, err)
		return
	}
	var out mlops.Deployed
	s, err := c.a.loopPort.steps()
	if err == nil {
		out, err = s.Deploy(r.Context(), req)
	}
	status := http.StatusOK
	if out.Created {
		status = http.StatusCreated
	}
	c.answer(w, status, Deployed{out, c.a.ingressURL(hostAddress(c.a.cfg.NodeAddress)) + out.Deployment.Path}, err)
}

// Deploy makes a deployment of a registered model, or changes its replicas. It
// does not wait for the servers.
func (c *Control) Deploy(ctx context.Context, req mlops.DeployRequest) (out Deployed, err error) {
	return out, c.send(ctx, http.MethodPost, "/v1/deployments", req, &out)
}

// Deployment returns what is known of one deployment.
func (c *Control) Deployment(ctx context.Context, name string) (mlops.Deployment, error) {
	all, err := c.Deployments(ctx)
	if err != nil {
		return mlops.Deployment{}, err
	}
	for _, d := range all {
		if d.Name == name {
			return d, nil
		}
	}
	return mlops.Deployment{}, mlops.Errorf(mlops.NotFound, "there is no deployment %q", name)
}

// Undeploy deletes a deployment and waits until it is gone, or ctx ends: the
// appliance goes on with it.
func (c *Control) Undeploy(ctx context.Context, name string) error {
	var d mlops.Deployment
	if err := c.call(ctx, http.MethodDelete, "/v1/deployments/"+url.PathEscape(name), nil, &d); err != nil {
		return err
	}
	return untilGone(ctx, "deployment "+name, "benchtop deployments", d.ID, func() (int64, error) {
		now, err := c.Deployment(ctx, name)
		return now.ID, err
	})
}
