package appliance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// ReleaseRequest is what the command line asks of a deployment.
type ReleaseRequest struct {
	Version  int       `json:"version,omitempty"`  // promote
	Override bool      `json:"override,omitempty"` // promote
	Revision int       `json:"revision,omitempty"` // rollback: 0 is the one before; approve and reject: 0 is the one that waits
	Pinned   *bool     `json:"pinned,omitempty"`   // hold
	Paused   *bool     `json:"paused,omitempty"`   // hold
	Act      mlops.Act `json:"act"`
}

// releaseCalls are the calls of the command line about what is served.
func (c *control) releaseCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/deployments", func(w http.ResponseWriter, r *http.Request) {
		ds, err := c.a.loopPort.Deployments(r.Context())
		c.answer(w, http.StatusOK, ds, err)
	})
	mux.HandleFunc("POST /v1/deployments", c.deploy)
	mux.HandleFunc("DELETE /v1/deployments/{deployment}", func(w http.ResponseWriter, r *http.Request) {
		c.answerStep(w, http.StatusAccepted, func(s steps) (any, error) { return s.Undeploy(r.Context(), r.PathValue("deployment")) })
	})
	mux.HandleFunc("GET /v1/deployments/{deployment}/revisions", func(w http.ResponseWriter, r *http.Request) {
		rs, err := c.a.loopPort.Revisions(r.Context(), r.PathValue("deployment"), maxHistory)
		c.answer(w, http.StatusOK, rs, err)
	})
	mux.HandleFunc("POST /v1/deployments/{deployment}/{verb}", c.release)
	mux.HandleFunc("GET /v1/projects/{project}/gates", func(w http.ResponseWriter, r *http.Request) {
		g, err := c.a.loopPort.Gates(r.Context(), r.PathValue("project"))
		c.answer(w, http.StatusOK, g, err)
	})
	mux.HandleFunc("PUT /v1/projects/{project}/gates", func(w http.ResponseWriter, r *http.Request) {
		var g mlops.Gates
		err := decodeCall(r, &g)
		if err == nil {
			err = c.a.loopPort.SetGates(r.Context(), r.PathValue("project"), g)
		}
		c.answer(w, http.StatusOK, g, err)
	})
}

// maxHistory is how many revisions one answer has at most.
const maxHistory = 1000

func (c *control) answer(w http.ResponseWriter, status int, v any, err error) {
	if err != nil {
		c.fail(w, err)
		return
	}
	writeJSON(w, status, v)
}

// answerStep has the loop do something, once it runs, and answers with what came
// of it.
func (c *control) answerStep(w http.ResponseWriter, status int, do func(steps) (any, error)) {
	var out any
	s, err := c.a.loopPort.steps()
	if err == nil {
		out, err = do(s)
	}
	c.answer(w, status, out, err)
}

func (c *control) release(w http.ResponseWriter, r *http.Request) {
	var in ReleaseRequest
	if err := decodeCall(r, &in); err != nil {
		c.fail(w, err)
		return
	}
	name, verb, ctx := r.PathValue("deployment"), r.PathValue("verb"), r.Context()
	change := map[string]func(steps) (any, error){
		"promote":  func(s steps) (any, error) { return s.Promote(ctx, name, in.Version, in.Override, in.Act) },
		"rollback": func(s steps) (any, error) { return s.Rollback(ctx, name, in.Revision, in.Act) },
		"approve":  func(s steps) (any, error) { return s.Approve(ctx, name, in.Revision, in.Act) },
		"reject":   func(s steps) (any, error) { return s.Reject(ctx, name, in.Revision, in.Act) },
		"hold":     func(s steps) (any, error) { return s.Hold(ctx, name, in.Pinned, in.Paused) },
	}[verb]
	if change == nil {
		c.fail(w, mlops.Errorf(mlops.EndpointError, "a deployment cannot %s", verb))
		return
	}
	c.answerStep(w, http.StatusOK, func(s steps) (any, error) {
		out, err := change(s)
		if err == nil {
			c.a.log.Info("what is served was changed", "deployment", name, "how", verb, "by", in.Act.By)
		}
		return out, err
	})
}

// Deployments lists what is served.
func (c *Control) Deployments(ctx context.Context) (out []mlops.Deployment, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/deployments", nil, &out)
}

// Revisions returns the history of a deployment, newest first.
func (c *Control) Revisions(ctx context.Context, deployment string) (out []mlops.Revision, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/deployments/"+url.PathEscape(deployment)+"/revisions", nil, &out)
}

// Release changes which version a deployment serves; verb is promote,
// rollback, approve or reject.
func (c *Control) Release(ctx context.Context, deployment, verb string, req ReleaseRequest) (out mlops.Revision, err error) {
	return out, c.send(ctx, http.MethodPost, "/v1/deployments/"+url.PathEscape(deployment)+"/"+verb, req, &out)
}

// Hold pins or pauses a deployment, or ends that.
func (c *Control) Hold(ctx context.Context, deployment string, req ReleaseRequest) (out mlops.Deployment, err error) {
	return out, c.send(ctx, http.MethodPost, "/v1/deployments/"+url.PathEscape(deployment)+"/hold", req, &out)
}

// Gates returns what versions of a project's model must pass.
func (c *Control) Gates(ctx context.Context, project string) (g mlops.Gates, err error) {
	return g, c.call(ctx, http.MethodGet, "/v1/projects/"+url.PathEscape(project)+"/gates", nil, &g)
}

// SetGates changes what versions of a project's model must pass.
func (c *Control) SetGates(ctx context.Context, project string, g mlops.Gates) error {
	return c.send(ctx, http.MethodPut, "/v1/projects/"+url.PathEscape(project)+"/gates", g, &g)
}

// send makes a call with a JSON body.
func (c *Control) send(ctx context.Context, method, path string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	return c.call(ctx, method, path, bytes.NewReader(b), out)
}
