package appliance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

func pid() int { return os.Getpid() }

// control serves the command line on a unix socket that only root can open,
// so it needs no further credentials.
type control struct {
	a      *Appliance
	gpus   func() (ports.GPUs, error)
	labs   ports.Labs
	served atomic.Bool
	quit   sync.Once
}

func newControl(a *Appliance) *control { return &control{a: a, gpus: a.gpuPort, labs: a.labs.Engine} }

func (c *control) Name() string { return "control" }

// setServed notes that the default deployment has answered.
func (c *control) setServed() { c.served.Store(true) }

// Run implements supervise.Unit.
func (c *control) Run(ctx context.Context, h *supervise.Handle) error {
	path := c.a.paths.Socket()
	// Whoever left it there is gone: we hold the lock.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove old control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("listen on control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("set mode of control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", c.status)
	mux.HandleFunc("POST /v1/stop", c.stop)
	mux.HandleFunc("POST /v1/projects/{project}/train", c.train)
	mux.HandleFunc("GET /v1/projects/{project}/trainings/{id}", c.training)
	mux.HandleFunc("GET /v1/logs/{name}", c.podLogs)
	c.pushCalls(mux)
	mux.HandleFunc("POST /v1/deployments/{deployment}/predict", c.predict)
	mux.HandleFunc("POST /v1/registry/gc", c.registryGC)
	mux.HandleFunc("GET /v1/kubeconfigs", c.kubeconfigs)
	mux.HandleFunc("POST /v1/kubeconfigs", c.kubeconfig)
	mux.HandleFunc("DELETE /v1/kubeconfigs/{user}", c.revokeKubeconfig)
	mux.HandleFunc("GET /v1/images", c.images)
	mux.HandleFunc("POST /v1/images", c.loadImages)
	mux.HandleFunc("DELETE /v1/images", c.removeImage)
	c.packageCalls(mux)
	c.keyCalls(mux)
	c.releaseCalls(mux)
	c.lineageCalls(mux)
	c.projectCalls(mux)
	c.gpuCalls(mux)
	c.labCalls(mux)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	h.Ready()
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve control socket: %w", err)
	case <-ctx.Done():
	}
	sctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := srv.Shutdown(sctx); err != nil {
		return srv.Close() // a log is being followed
	}
	return nil
}

func (c *control) status(w http.ResponseWriter, r *http.Request) {
	var diagnose diagnosis
	if r.URL.Query().Has("findings") {
		diagnose = c.a.diagnose
	}
	writeJSON(w, http.StatusOK, c.a.status(r.Context(), c.served.Load(), diagnose))
}

func (c *control) stop(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusAccepted, map[string]int{"pid": pid()})
	c.quit.Do(func() { close(c.a.quit) })
}

func (c *control) train(w http.ResponseWriter, r *http.Request) {
	c.answerStep(w, http.StatusCreated, func(s steps) (any, error) { return s.Train(r.Context(), r.PathValue("project")) })
}

func (c *control) training(w http.ResponseWriter, r *http.Request) {
	store := c.a.registry.Store()
	if store == nil {
		c.fail(w, unavailable("the registry"))
		return
	}
	trainings, err := store.Projects.Trainings(r.Context(), r.PathValue("project"), 1000)
	if err != nil {
		c.fail(w, err)
		return
	}
	for _, t := range trainings {
		if strconv.FormatInt(t.ID, 10) == r.PathValue("id") {
			writeJSON(w, http.StatusOK, t)
			return
		}
	}
	c.fail(w, mlops.Errorf(mlops.NotFound, "training %s of project %s does not exist", r.PathValue("id"), r.PathValue("project")))
}

func (c *control) predict(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	if err != nil {
		c.fail(w, fmt.Errorf("read request: %w", err))
		return
	}
	status, answer, _, err := c.a.loopPort.Predict(r.Context(), r.PathValue("deployment"), body)
	if err != nil {
		c.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

// registryGC removes what was deleted longer ago than the query's older_than.
func (c *control) registryGC(w http.ResponseWriter, r *http.Request) {
	olderThan, err := time.ParseDuration(r.URL.Query().Get("older_than"))
	if err != nil || olderThan < 0 {
		c.fail(w, mlops.Errorf(mlops.Invalid, "older_than: expected a duration such as 720h, found %q", r.URL.Query().Get("older_than")))
		return
	}
	store := c.a.registry.Store()
	if store == nil {
		c.fail(w, unavailable("the registry"))
		return
	}
	report, err := store.Artifacts.GC(r.Context(), olderThan)
	if err != nil {
		c.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, report)
}

const controlErrorHeader = "Benchtop-Error"

type controlError struct {
	Code    mlops.Code `json:"code"`
	Message string     `json:"message"`
}

func (c *control) fail(w http.ResponseWriter, err error) {
	code := mlops.CodeOf(err)
	status := code.HTTPStatus()
	if status == http.StatusInternalServerError {
		c.a.log.Error("control request failed", "err", err)
	}
	// Tells our own errors from what a deployment answered.
	w.Header().Set(controlErrorHeader, "true")
	writeJSON(w, status, controlError{code, mlops.MessageOf(err)})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // these are our own types
	}
	w.Header().Set("Content-Type", "application/json")
	// With its length an answer is complete before the handler has returned.
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client went away
}
