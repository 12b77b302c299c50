package appliance

import (
	"context"
	"net/http"
	"reflect"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// someGPUs answers what it was asked.
type someGPUs struct{ asked []any }

func (g *someGPUs) of(what any) mlops.GPUs {
	g.asked = append(g.asked, what)
	return mlops.GPUs{Simulated: true, GPUs: []mlops.GPU{{Index: 3, Product: "NVIDIA T4"}}}
}

func (g *someGPUs) GPUs(context.Context) (mlops.GPUs, error) { return g.of("list"), nil }

func (g *someGPUs) PlanShare(_ context.Context, s mlops.GPUShare) (mlops.GPUPlan, error) {
	g.of("plan")
	return mlops.GPUPlan{Share: s, Steps: []string{"one"}}, nil
}

func (g *someGPUs) Share(_ context.Context, s mlops.GPUShare) (mlops.GPUs, error) {
	return g.of(s), nil
}

func (g *someGPUs) Recover(_ context.Context, gpu int) (mlops.GPUs, error) { return g.of(gpu), nil }

func (g *someGPUs) Inject(_ context.Context, f mlops.GPUFault) (mlops.GPUs, error) {
	if f.Kind == "hot" {
		return mlops.GPUs{}, mlops.Errorf(mlops.InvalidState, "it is hot already")
	}
	return g.of(f), nil
}

func TestControlOfGPUs(t *testing.T) {
	a, c := serveControl(t, http.NotFoundHandler())
	have := &someGPUs{}
	a.control.gpus = func() (ports.GPUs, error) { return have, nil }
	ctx := t.Context()
	share := mlops.GPUShare{Replicas: 2, MIG: []string{"1g.10gb"}, DeletePods: true}
	if plan, err := c.PlanGPUShare(ctx, share); err != nil || !reflect.DeepEqual(plan.Share, share) || len(plan.Steps) != 1 {
		t.Errorf("plan %+v, %v", plan, err)
	}
	for _, call := range []func() (mlops.GPUs, error){
		func() (mlops.GPUs, error) { return c.GPUs(ctx) },
		func() (mlops.GPUs, error) { return c.ShareGPUs(ctx, share) },
		func() (mlops.GPUs, error) { return c.RecoverGPU(ctx, 3) },
		func() (mlops.GPUs, error) { return c.FailGPU(ctx, mlops.GPUFault{GPU: 3, Kind: "xid", XID: 79}) },
	} {
		if g, err := call(); err != nil || !g.Simulated || len(g.GPUs) != 1 || g.GPUs[0].Product != "NVIDIA T4" {
			t.Errorf("answered %+v, %v", g, err)
		}
	}
	if want := []any{"plan", "list", share, 3, mlops.GPUFault{GPU: 3, Kind: "xid", XID: 79}}; !reflect.DeepEqual(have.asked, want) {
		t.Errorf("asked %+v\nexpected %+v", have.asked, want)
	}
	_, err := c.FailGPU(ctx, mlops.GPUFault{Kind: "hot"})
	expectCode(t, err, mlops.InvalidState, "it is hot already")
	err = c.call(ctx, http.MethodPost, "/v1/gpus/first/recover", nil, &mlops.GPUs{})
	expectCode(t, err, mlops.Invalid, `GPU "first": expected the index of a GPU, from 0`)
	a.control.gpus = func() (ports.GPUs, error) { return nil, mlops.Errorf(mlops.NotFound, "none here") }
	_, err = c.GPUs(ctx)
	expectCode(t, err, mlops.NotFound, "none here")
}
