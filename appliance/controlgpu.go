package appliance

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// gpuCalls are the calls of the command line about GPUs. What has begun goes on
// when the command ends early: half of a change would help nobody.
func (c *control) gpuCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/gpus/findings", c.gpuFindings)
	mux.HandleFunc("GET /v1/gpus", c.gpuCall(func(r *http.Request, g ports.GPUs) (any, error) { return g.GPUs(r.Context()) }))
	mux.HandleFunc("POST /v1/gpus/plan", c.gpuCall(func(r *http.Request, g ports.GPUs) (any, error) {
		var s mlops.GPUShare
		if err := decodeCall(r, &s); err != nil {
			return nil, err
		}
		return g.PlanShare(r.Context(), s)
	}))
	mux.HandleFunc("POST /v1/gpus/share", c.gpuCall(func(r *http.Request, g ports.GPUs) (any, error) {
		var s mlops.GPUShare
		if err := decodeCall(r, &s); err != nil {
			return nil, err
		}
		out, err := g.Share(context.WithoutCancel(r.Context()), s)
		if err == nil {
			c.a.log.Info("sharing of GPUs changed", "replicas", s.Replicas, "mig", s.MIG, "delete_pods", s.DeletePods)
		}
		return out, err
	}))
	mux.HandleFunc("POST /v1/gpus/{index}/recover", c.gpuCall(func(r *http.Request, g ports.GPUs) (any, error) {
		n, err := strconv.Atoi(r.PathValue("index"))
		if err != nil {
			return nil, mlops.Errorf(mlops.Invalid, "GPU %q: expected the index of a GPU, from 0", r.PathValue("index"))
		}
		out, err := g.Recover(context.WithoutCancel(r.Context()), n)
		if err == nil {
			c.a.log.Info("a GPU works again", "gpu", n)
		}
		return out, err
	}))
	mux.HandleFunc("POST /v1/gpus/faults", c.gpuCall(func(r *http.Request, g ports.GPUs) (any, error) {
		var f mlops.GPUFault
		if err := decodeCall(r, &f); err != nil {
			return nil, err
		}
		out, err := g.Inject(context.WithoutCancel(r.Context()), f)
		if err == nil {
			c.a.log.Info("a fault of a simulated GPU", "gpu", f.GPU, "kind", f.Kind, "xid", f.XID)
		}
		return out, err
	}))
}

// gpuCall answers with what the GPUs say, once they can be asked.
func (c *control) gpuCall(do func(r *http.Request, g ports.GPUs) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var out any
		g, err := c.gpus()
		if err == nil {
			out, err = do(r, g)
		}
		c.answer(w, http.StatusOK, out, err)
	}
}

// GPUs says what GPUs the lab has. Without any the error says why.
func (c *Control) GPUs(ctx context.Context) (out mlops.GPUs, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/gpus", nil, &out)
}

// PlanGPUShare says what ShareGPUs would do.
func (c *Control) PlanGPUShare(ctx context.Context, s mlops.GPUShare) (out mlops.GPUPlan, err error) {
	return out, c.send(ctx, http.MethodPost, "/v1/gpus/plan", s, &out)
}

// ShareGPUs changes how pods share the GPUs, and returns when they are offered so.
func (c *Control) ShareGPUs(ctx context.Context, s mlops.GPUShare) (out mlops.GPUs, err error) {
	return out, c.send(ctx, http.MethodPost, "/v1/gpus/share", s, &out)
}

// RecoverGPU says that a GPU works again.
func (c *Control) RecoverGPU(ctx context.Context, gpu int) (out mlops.GPUs, err error) {
	return out, c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/gpus/%d/recover", gpu), nil, &out)
}

// FailGPU makes something happen to a simulated GPU.
func (c *Control) FailGPU(ctx context.Context, f mlops.GPUFault) (out mlops.GPUs, err error) {
	return out, c.send(ctx, http.MethodPost, "/v1/gpus/faults", f, &out)
}
