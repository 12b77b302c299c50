package appliance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/benchtop-lab/benchtop/appliance/loop"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
	"github.com/benchtop-lab/benchtop/embedded/registry"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// The pages ask before everything has started; until a system serves, its
// port is an error that says what is being waited for.

func unavailable(what string) error {
	return mlops.Errorf(mlops.Unavailable, "%s is still starting: try again in a few seconds", what)
}

// clusterPort is the cluster as pages and commands read it.
type clusterPort struct{ *cluster.Client }

var _ ports.Cluster = clusterPort{}

// connected returns the cluster once it can be asked.
func connected(to *cluster.Cluster) (clusterPort, error) {
	if c := to.Client(); c != nil {
		return clusterPort{c}, nil
	}
	return clusterPort{}, unavailable("Kubernetes")
}

// loopPort joins the rows, the cluster and what the servers say of themselves.
type loopPort struct {
	registry *registry.Unit
	cluster  *cluster.Cluster
	loop     *loopUnit
	ingress  ingressClient
	domain   string
	dataDir  string
}

// rows returns the registry's rows once they can be read.
func (p loopPort) rows() (*registry.Store, error) {
	if s := p.registry.Store(); s != nil {
		return s, nil
	}
	return nil, unavailable("the registry")
}

// steps is the running loop as pages and commands have it act. Its answers say
// where a deployment answers, and of a project that is not there, which are.
type steps struct {
	*loop.Loop
	port loopPort
}

var _ ports.Steps = steps{}

// steps returns the loop once it runs.
func (p loopPort) steps() (steps, error) {
	if l := p.loop.get(); l != nil {
		return steps{l, p}, nil
	}
	return steps{}, unavailable("the loop")
}

func (p loopPort) Projects(ctx context.Context) ([]mlops.Project, error) {
	store, err := p.rows()
	if err != nil {
		return nil, err
	}
	return store.Projects.Projects(ctx)
}

func (p loopPort) NextTrainings(ctx context.Context) (map[string]time.Time, error) {
	c, err := connected(p.cluster)
	if err != nil {
		return nil, err
	}
	return c.NextTrainings(ctx, time.Now())
}

// askedAtOnce is how many servers are asked at the same time what they serve.
const askedAtOnce = 8

// Deployments are the rows that the cluster has an object of. It asks the
// cluster once for all, and each deployment that has a pod to answer.
func (p loopPort) Deployments(ctx context.Context) ([]mlops.Deployment, error) {
	store, err := p.rows()
	if err != nil {
		return nil, err
	}
	rows, err := store.Deployments.Deployments(ctx)
	if err != nil {
		return nil, err
	}
	c, err := connected(p.cluster)
	if err != nil {
		return nil, err
	}
	out, err := c.Observe(ctx, rows)
	if err != nil {
		return nil, err
	}
	var g errgroup.Group
	g.SetLimit(askedAtOnce)
	for i := range out {
		d := &out[i]
		*d = p.addressed(*d)
		if d.Ready == 0 || d.Deleting {
			continue // nobody is there to be asked
		}
		g.Go(func() error {
			if err := p.ingress.describe(ctx, d); err != nil {
				d.Unreached = err.Error()
				if d.Message == "" {
					d.Message = "the server does not answer: " + err.Error()
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var troubles, ofProjects map[string]error
	if l := p.loop.get(); l != nil {
		troubles, ofProjects = l.DeploymentTroubles(), l.Troubles()
	}
	for i := range out {
		if err := explain(ctx, store, &out[i], troubles[out[i].Name], ofProjects[out[i].Project]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// troubleText is what users see of a trouble. What is not meant for them is
// told to whoever may ask for the status.
func troubleText(trouble error) string {
	if mlops.CodeOf(trouble) == mlops.Internal {
		return "`benchtop status` says why"
	}
	return mlops.MessageOf(trouble)
}

// explain says why a deployment has nothing to serve, as far as rows and the
// loop know; trouble is what the loop had with it, ofProject with its project,
// which comes first.
func explain(ctx context.Context, store *registry.Store, d *mlops.Deployment, trouble, ofProject error) error {
	switch {
	case trouble != nil:
		d.Message = "it is not up to date, it is tried again: " + troubleText(trouble)
	case d.Deleting:
		d.Message = "it is being deleted"
	case d.Replicas == 0:
		d.Message = "it has no servers: `benchtop deploy` with --replicas gives it some"
	case ofProject != nil && d.Ready == 0:
		d.Message = "its project " + d.Project + " is not up to date, it is tried again: " + troubleText(ofProject)
	case d.Version == "" && d.Revision == nil:
		history, err := store.Deployments.Revisions(ctx, d.Name, 1)
		if err != nil {
			return err
		}
		if len(history) > 0 && history[0].Message != "" {
			d.Message = fmt.Sprintf("it serves nothing, version %d is %s: %s", history[0].Version, history[0].State, history[0].Message)
		}
	}
	return nil
}

func (p loopPort) Predict(ctx context.Context, deployment string, body []byte) (int, []byte, time.Duration, error) {
	store, err := p.rows()
	if err != nil {
		return 0, nil, 0, err
	}
	deployments, err := store.Deployments.Deployments(ctx)
	if err != nil {
		return 0, nil, 0, err
	}
	names := make([]string, 0, len(deployments))
	for _, d := range deployments {
		if d.Name == deployment {
			return p.ingress.predict(ctx, deployment, body)
		}
		names = append(names, d.Name)
	}
	if len(names) == 0 {
		return 0, nil, 0, mlops.Errorf(mlops.NotFound, "deployment %s does not exist, the lab has no project yet: %s", deployment, addOne)
	}
	return 0, nil, 0, mlops.Errorf(mlops.NotFound, "deployment %s does not exist: expected one of %s", deployment, strings.Join(names, ", "))
}

var _ loop.Cluster = (*cluster.Client)(nil)

// ingressClient speaks to the servers as a user would: through the ingress.
type ingressClient struct {
	base string // http://<node address>:<port>
	http *http.Client
}

const maxAnswer = 8 << 20

func (c ingressClient) predict(ctx context.Context, deployment string, body []byte) (int, []byte, time.Duration, error) {
	if err := mlops.ValidateName("deployment", deployment); err != nil {
		return 0, nil, 0, err
	}
	start := time.Now()
	status, answer, err := c.do(ctx, http.MethodPost, deployment, "/predict", body)
	if err != nil {
		return 0, nil, 0, &mlops.Error{Code: mlops.Unavailable, Message: "deployment " + deployment + " does not answer: see its page, or `benchtop doctor`", Err: err}
	}
	return status, answer, time.Since(start), nil
}

func (c ingressClient) do(ctx context.Context, method, deployment, path string, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/models/"+deployment+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("ask deployment %s: %w", deployment, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("read answer of deployment %s: %w", deployment, err)
	}
	return resp.StatusCode, answer, nil
}

// description is what the lab's server says of itself at its root.
type description struct {
	Ready bool `json:"ready"`
	Model struct {
		Name     string    `json:"name"`
		Version  string    `json:"version"`
		RunID    string    `json:"run_id"`
		Created  time.Time `json:"created_at"`
		Features []string  `json:"features"`
		Classes  []string  `json:"classes"`
	} `json:"model"`
}

// describe fills in what the server serves now.
func (c ingressClient) describe(ctx context.Context, d *mlops.Deployment) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	status, answer, err := c.do(ctx, http.MethodGet, d.Name, "/", nil)
	if err != nil {
		return err
	}
	var s description
	if err := json.Unmarshal(answer, &s); err != nil || status != http.StatusOK {
		return fmt.Errorf("it answered with status %d", status)
	}
	m := s.Model
	d.Version, d.RunID, d.FeatureNames, d.Classes, d.LoadedAt = m.Version, m.RunID, m.Features, m.Classes, m.Created
	if m.Name != "" {
		d.Model = m.Name
	}
	if !s.Ready && d.Message == "" {
		d.Message = "no model has been loaded yet"
	}
	return nil
}
