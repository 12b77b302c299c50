package gpu

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Agent speaks to the agent in the device plugin's pod, which alone opens the
// driver: this process is linked without a C library.
type Agent struct {
	http *http.Client
}

// NewAgent returns a client of the agent that listens on the unix socket.
func NewAgent(socket string) *Agent {
	return &Agent{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		MaxIdleConns: 2, IdleConnTimeout: time.Minute,
	}}}
}

// Partitions is a layout of MIG devices for some of the GPUs, as NVIDIA's
// mig-parted writes it.
type Partitions = json.RawMessage

// Now asks for the state as it is.
func (a *Agent) Now(ctx context.Context) (mlops.GPUState, error) {
	return a.call(ctx, http.MethodGet, "/v1/gpus", nil)
}

// Next waits until what is offered differs from a generation, or wait is over.
func (a *Agent) Next(ctx context.Context, since int64, wait time.Duration) (mlops.GPUState, error) {
	q := url.Values{"since": {strconv.FormatInt(since, 10)}, "wait": {wait.String()}}
	return a.call(ctx, http.MethodGet, "/v1/gpus?"+q.Encode(), nil)
}

// Configure has NVIDIA's plugin run with a configuration of its own format,
// with none if it is empty. What the plugin refuses is an *mlops.Error, and the
// configuration before stays.
func (a *Agent) Configure(ctx context.Context, config []byte) (mlops.GPUState, error) {
	return a.call(ctx, http.MethodPut, "/v1/config", config)
}

// Partition cuts the GPUs. It refuses while a container holds one that would
// change.
func (a *Agent) Partition(ctx context.Context, p Partitions) (mlops.GPUState, error) {
	return a.call(ctx, http.MethodPut, "/v1/mig", p)
}

// Recover says that a GPU works again.
func (a *Agent) Recover(ctx context.Context, uuid string) (mlops.GPUState, error) {
	return a.call(ctx, http.MethodPost, "/v1/gpus/"+url.PathEscape(uuid)+"/recover", nil)
}

func (a *Agent) call(ctx context.Context, method, path string, body []byte) (mlops.GPUState, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, bytes.NewReader(body))
	if err != nil {
		return mlops.GPUState{}, fmt.Errorf("make request to the GPU agent: %w", err)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		if ctx.Err() == nil { // its pod starts, or starts anew
			return mlops.GPUState{}, mlops.Errorf(mlops.Unavailable, "the GPU agent does not answer yet: see `benchtop kubectl -n kube-system get pods -l app.kubernetes.io/name=nvidia-device-plugin`")
		}
		return mlops.GPUState{}, fmt.Errorf("ask the GPU agent: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return mlops.GPUState{}, fmt.Errorf("read the GPU agent's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return mlops.GPUState{}, refusal(resp.StatusCode, b)
	}
	var s mlops.GPUState
	if err := json.Unmarshal(b, &s); err != nil {
		return mlops.GPUState{}, fmt.Errorf("read the GPU agent's answer: %w", err)
	}
	return s, nil
}

// refusal passes on what the agent says about a request.
func refusal(status int, body []byte) error {
	var said struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Error == "" {
		return fmt.Errorf("the GPU agent answers with status %d: %s", status, body)
	}
	switch status {
	case http.StatusConflict:
		return mlops.Errorf(mlops.InvalidState, "%s", said.Error)
	case http.StatusNotFound:
		return mlops.Errorf(mlops.NotFound, "%s", said.Error)
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return mlops.Errorf(mlops.Invalid, "%s", said.Error)
	}
	return fmt.Errorf("the GPU agent: %s", said.Error)
}
