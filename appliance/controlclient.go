package appliance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry"
)

// Control asks a running appliance through its control socket.
type Control struct {
	paths Paths
	http  *http.Client
}

// NewControl returns a client for the appliance of a data dir. It does not
// connect yet.
func NewControl(dataDir string) *Control {
	p := Paths{Data: dataDir}
	return &Control{paths: p, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", p.Socket())
		},
	}}}
}

func (c *Control) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://benchtop"+path, body)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	resp, err := c.http.Do(req)
	return resp, c.explain(err)
}

// explain says why the control socket could not be asked.
func (c *Control) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return &mlops.Error{Code: mlops.Unavailable, Message: "benchtop does not run with data dir " + c.paths.Data + ": start it with `benchtop up`, or name its --data-dir", Err: err}
	case errors.Is(err, fs.ErrPermission):
		return &mlops.Error{Code: mlops.Denied, Message: "only root may ask the appliance: run this with sudo", Err: err}
	case err != nil:
		return fmt.Errorf("ask the appliance: %w", err)
	}
	return nil
}

func (c *Control) call(ctx context.Context, method, path string, body io.Reader, out any) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read answer of the appliance: %w", err)
	}
	if resp.StatusCode >= 400 {
		return refused(resp.Status, b)
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("decode answer of the appliance: %w", err)
	}
	return nil
}

// refused is the error that the appliance answered with.
func refused(status string, body []byte) error {
	var e controlError
	if json.Unmarshal(body, &e) == nil && e.Message != "" {
		return mlops.Errorf(e.Code, "%s", e.Message)
	}
	return fmt.Errorf("the appliance answered %s: %s", status, bytes.TrimSpace(body))
}

// Status returns the appliance's status; one that does not run is no error.
func (c *Control) Status(ctx context.Context) (Status, error) { return c.status(ctx, "/v1/status") }

// diagnosed is Status with what is wrong with each deployment.
func (c *Control) diagnosed(ctx context.Context) (Status, error) {
	return c.status(ctx, "/v1/status?findings")
}

func (c *Control) status(ctx context.Context, path string) (Status, error) {
	var s Status
	err := c.call(ctx, http.MethodGet, path, nil, &s)
	if mlops.CodeOf(err) == mlops.Unavailable && !Locked(c.paths) {
		return Status{State: StateStopped, DataDir: c.paths.Data, Loop: []ProjectStatus{}, Serving: []ServingStatus{}, Warnings: []string{}}, nil
	}
	return s, err
}

// Stop asks the appliance to stop and waits until it has released its data
// dir, or ctx ends.
func (c *Control) Stop(ctx context.Context) error {
	var out struct{ PID int }
	if err := c.call(ctx, http.MethodPost, "/v1/stop", nil, &out); err != nil {
		return err
	}
	for Locked(c.paths) {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return mlops.Errorf(mlops.Unavailable, "process %d has been asked to stop but still runs: see `benchtop logs`, or end it with kill", out.PID)
		}
	}
	return nil
}

// Train requests a training.
func (c *Control) Train(ctx context.Context, project string) (mlops.Training, error) {
	var t mlops.Training
	return t, c.call(ctx, http.MethodPost, "/v1/projects/"+url.PathEscape(project)+"/train", nil, &t)
}

// Training returns one training.
func (c *Control) Training(ctx context.Context, project string, id int64) (mlops.Training, error) {
	var t mlops.Training
	return t, c.call(ctx, http.MethodGet, fmt.Sprintf("/v1/projects/%s/trainings/%d", url.PathEscape(project), id), nil, &t)
}

// Predict sends a request body to a deployment and returns its answer.
func (c *Control) Predict(ctx context.Context, deployment string, body []byte) (status int, answer []byte, err error) {
	resp, err := c.do(ctx, http.MethodPost, "/v1/deployments/"+url.PathEscape(deployment)+"/predict", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	var e controlError
	if resp.Header.Get(controlErrorHeader) != "" && json.Unmarshal(answer, &e) == nil {
		return 0, nil, mlops.Errorf(e.Code, "%s", e.Message)
	}
	return resp.StatusCode, answer, nil
}

// RegistryGC removes for good what was deleted more than olderThan ago.
func (c *Control) RegistryGC(ctx context.Context, olderThan time.Duration) (registry.GCReport, error) {
	var report registry.GCReport
	return report, c.call(ctx, http.MethodPost, "/v1/registry/gc?older_than="+olderThan.String(), nil, &report)
}
