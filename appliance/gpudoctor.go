package appliance

import (
	"context"
	"net/http"

	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/embedded/gpu"
)

// DiagnoseGPUs checks the machine's GPUs and their driver, and if the lab runs
// how it hands them to pods.
func DiagnoseGPUs(ctx context.Context, c Config) ([]doctor.Finding, error) {
	control := NewControl(c.DataDir)
	s, err := control.Status(ctx)
	if err != nil {
		return nil, err
	}
	if s.State == StateStopped {
		return c.gpuMachine()
	}
	// The lab that runs may have got other settings than this command.
	return control.gpuFindings(ctx)
}

// gpuMachine says what is wrong with the GPUs of the machine, or that they are
// simulated, or left alone.
func (c Config) gpuMachine() ([]doctor.Finding, error) {
	switch {
	case c.GPUSimulate != "":
		return []doctor.Finding{{Check: "gpu cards", Level: doctor.OK, Detail: "the lab simulates GPUs (" + c.GPUSimulate + "): nothing is computed on them, and those of the machine are left alone"}}, nil
	case c.GPUDriverRoot == noGPUs:
		return []doctor.Finding{{Check: "gpu cards", Level: doctor.OK, Detail: "the lab leaves the machine's GPUs alone: gpu.driver_root is off"}}, nil
	}
	host, err := gpu.Look("/", c.GPUDriverRoot)
	if err != nil {
		return nil, err
	}
	return host.Check(), nil
}

// findings say what is wrong with the GPUs that the lab hands to pods.
func (g *gpus) findings(ctx context.Context) ([]doctor.Finding, error) {
	client := g.cluster.Client()
	if client == nil {
		return []doctor.Finding{{Check: "gpu lab", Level: doctor.Warn, Detail: "the lab starts: pods can't be looked at yet", Fix: "wait a little"}}, nil
	}
	e := gpu.Evidence{Specs: gpu.CDISpecs()}
	var err error
	if e.Pods, err = client.GPUPods(ctx); err != nil {
		return nil, err
	}
	if !g.any() {
		return gpu.PodTroubles(e), nil // who asks for GPUs all the same
	}
	if e.State, e.Agent = g.unit.Agent().Now(ctx); e.Agent == nil {
		if e.State.GPUs, err = g.complete(ctx, e.State); err != nil {
			return nil, err
		}
	}
	return gpu.Troubles(e), nil
}

func (c *control) gpuFindings(w http.ResponseWriter, r *http.Request) {
	found, err := c.a.cfg.gpuMachine()
	if err == nil {
		var more []doctor.Finding
		more, err = c.a.gpus.findings(r.Context())
		found = append(found, more...)
	}
	c.answer(w, http.StatusOK, found, err)
}

func (c *Control) gpuFindings(ctx context.Context) (out []doctor.Finding, err error) {
	return out, c.call(ctx, http.MethodGet, "/v1/gpus/findings", nil, &out)
}
