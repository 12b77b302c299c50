package uitest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// NoGPUs is what a lab without GPUs answers.
var NoGPUs = mlops.Errorf(mlops.NotFound, "this machine has no NVIDIA GPU on its PCI bus")

func (w *World) gpus() (ports.GPUs, error) {
	w.Lock()
	defer w.Unlock()
	if err := w.Down["gpus"]; err != nil {
		return nil, err
	}
	if w.GPUs == nil {
		return nil, NoGPUs
	}
	return gpus{w}, nil
}

// The GPUs of the world that has some.
const (
	gpuCut, gpuLost = "GPU-51b00000-0000-4000-8000-000000a10000", "GPU-51b00000-0000-4000-8000-000000a10001"
)

// WithGPUs returns a full lab with two simulated GPUs: one is cut into parts, the
// other one, of which four pods took turns, has fallen off the bus. A pod waits, and so
// does the training of a project that asks for both.
func WithGPUs(now func() time.Time) *World {
	w := Full(now)
	speech := w.Projects[0]
	speech.ID, speech.Name, speech.GPU = 100, "speech", mlops.GPURequests{Training: 2, Serving: 1, Memory: "40Gi"}
	w.Projects = append(w.Projects, speech)
	w.Trainings = append([]mlops.Training{{ID: 100, Project: speech.Name, Trigger: mlops.TriggerManual, State: mlops.TrainingRunning, Job: "speech-train-100",
		Message: "asks for 2 GPUs, the node has 4; 0 free: held by pod vision/embed-6d5c8f7b9-x2m4k", CreatedAt: now().Add(-3 * time.Minute)}}, w.Trainings...)
	part := func(n int, profile string, instance int, mib, used int64, start, slices int) mlops.GPUPartition {
		return mlops.GPUPartition{UUID: fmt.Sprintf("MIG-51b00000-0000-5000-8000-00000000000%d", n), Profile: profile, Instance: instance, MemoryMiB: mib, UsedMiB: used, Start: start, Slices: slices}
	}
	parts := []mlops.GPUPartition{part(1, "3g.40gb", 2, 40192, 21504, 0, 4), part(2, "2g.20gb", 3, 19968, 9216, 4, 2), part(3, "1g.10gb", 9, 9728, 12, 6, 1)}
	profiles := []mlops.GPUProfile{{Name: "1g.10gb", Count: 7}, {Name: "1g.20gb", Count: 4}, {Name: "2g.20gb", Count: 3}, {Name: "3g.40gb", Count: 2}, {Name: "4g.40gb", Count: 1}, {Name: "7g.80gb", Count: 1}}
	w.GPUs = &mlops.GPUs{Simulated: true, Driver: mlops.GPUDriver{Version: "550.54.15", CUDA: "12.4", Root: "/var/lib/benchtop/gpu/driver"},
		GPUs: []mlops.GPU{
			{Index: 0, UUID: gpuCut, Product: "NVIDIA A100-SXM4-80GB", PCI: "00000000:07:00.0", MemoryMiB: 81920, UsedMiB: 30732, Utilization: 61, Temperature: 58, Watts: 231.4, LimitWatts: 400,
				MIG: "Enabled", Partitions: parts, Profiles: profiles, Healthy: true, Holders: []mlops.GPUHolder{
					{Namespace: "iris", Pod: "iris-train-14-8fzqm", Container: "trainer", Resource: "nvidia.com/mig-3g.40gb", Devices: []string{parts[0].UUID}},
					{Namespace: "vision", Pod: "notebook-0", Container: "jupyter", Resource: "nvidia.com/mig-2g.20gb", Devices: []string{parts[1].UUID}}}},
			{Index: 1, UUID: gpuLost, Product: "NVIDIA A100-SXM4-80GB", PCI: "00000000:0f:00.0", MemoryMiB: 81920, UsedMiB: 2048, Temperature: 34, Watts: 61.2, LimitWatts: 400,
				MIG: "Disabled", Profiles: profiles, Fault: "The GPU has fallen off the bus (XID 79). Pods on it have lost it; restart the machine, or reset the GPU, and then say that it works again.", XID: 79,
				Holders: []mlops.GPUHolder{{Namespace: "vision", Pod: "embed-6d5c8f7b9-x2m4k", Container: "embed", Resource: mlops.GPUResource, Devices: []string{gpuLost + "::2"}}}}},
		Resources: []mlops.GPUOffer{{Name: mlops.GPUResource, Total: 4, Held: 1}, {Name: "nvidia.com/mig-1g.10gb", Total: 1, Healthy: 1},
			{Name: "nvidia.com/mig-2g.20gb", Total: 1, Healthy: 1, Held: 1}, {Name: "nvidia.com/mig-3g.40gb", Total: 1, Healthy: 1, Held: 1}},
		Labels: map[string]string{"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-SHARED", "nvidia.com/gpu.count": "2", "nvidia.com/gpu.memory": "81920", "nvidia.com/gpu.replicas": "4",
			"nvidia.com/cuda.driver-version.full": "550.54.15", "nvidia.com/mig.strategy": "mixed", "benchtop.dev/gpu-simulated": "true"},
		Sharing: mlops.GPUSharing{Config: "any", Source: "kube-system/nvidia-device-plugin", Replicas: 4, MIGStrategy: "mixed", MIGConfig: "benchtop", MIGState: "success"},
		Waiting: []mlops.GPUWait{{Namespace: "vision", Pod: "finetune-2-kq8wz", Resource: mlops.GPUResource, Count: 1, Reason: "It asks for 1 nvidia.com/gpu. There are 4, and none is healthy: GPU 1 has an error."}},
		Faults:  []mlops.GPUFault{{GPU: 1, Kind: "xid", XID: 79, Since: now().Add(-11 * time.Minute)}}}
	for _, name := range []string{"notebook-0", "embed-6d5c8f7b9-x2m4k"} {
		p := mlops.Pod{Namespace: "vision", Name: name, Phase: "Running", Ready: true, Node: "bench", IP: "10.42.0.44", StartedAt: now().Add(-50 * time.Minute)}
		w.Pods = append(w.Pods, p)
		w.Logs[p.Namespace+"/"+p.Name] = []string{"ready"}
	}
	w.Pods = append(w.Pods, mlops.Pod{Namespace: "vision", Name: "finetune-2-kq8wz", Phase: "Pending", Message: "Insufficient nvidia.com/gpu"})
	return w
}

type gpus struct{ w *World }

func (g gpus) GPUs(context.Context) (mlops.GPUs, error) {
	g.w.Lock()
	defer g.w.Unlock()
	if g.w.GPUs == nil {
		return mlops.GPUs{}, NoGPUs
	}
	return g.now(), nil
}

// now is a copy that the page may keep.
func (g gpus) now() mlops.GPUs {
	out := *g.w.GPUs
	out.GPUs, out.Faults, out.Resources = slices.Clone(out.GPUs), slices.Clone(out.Faults), slices.Clone(out.Resources)
	return out
}

// after is what is offered with a share: whole GPUs, or parts of those that can
// be cut.
func (g gpus) after(s mlops.GPUShare) []mlops.GPUOffer {
	times := max(s.Replicas, 1)
	if len(s.MIG) == 0 {
		return []mlops.GPUOffer{{Name: mlops.GPUResource, Total: len(g.w.GPUs.GPUs) * times}}
	}
	var out []mlops.GPUOffer
	for _, profile := range s.MIG {
		name := "nvidia.com/mig-" + profile
		i := slices.IndexFunc(out, func(o mlops.GPUOffer) bool { return o.Name == name })
		if i < 0 {
			i = len(out)
			out = append(out, mlops.GPUOffer{Name: name})
		}
		out[i].Total += len(g.w.GPUs.GPUs) * times
	}
	return out
}

func (g gpus) plan(s mlops.GPUShare) mlops.GPUPlan {
	p := mlops.GPUPlan{Share: s, Before: slices.Clone(g.w.GPUs.Resources), After: g.after(s)}
	cut := func(one mlops.GPU) bool { return len(one.Partitions) > 0 }
	repartition := len(s.MIG) > 0 || slices.ContainsFunc(g.w.GPUs.GPUs, cut)
	for _, one := range g.w.GPUs.GPUs {
		p.Pods = append(p.Pods, one.Holders...)
		if i := slices.IndexFunc(s.MIG, func(m string) bool {
			return !slices.ContainsFunc(one.Profiles, func(p mlops.GPUProfile) bool { return p.Name == m })
		}); i >= 0 {
			p.Blocked = fmt.Sprintf("GPU %d has no MIG profile %s.", one.Index, s.MIG[i])
		}
	}
	if repartition && len(p.Pods) > 0 {
		if s.DeletePods {
			p.Steps = append(p.Steps, fmt.Sprintf("Delete %d pods that hold a GPU; what made them makes new ones.", len(p.Pods)))
		} else if p.Blocked == "" {
			p.Blocked = fmt.Sprintf("%d pods hold a GPU that has to be free before its parts can change.", len(p.Pods))
		}
	}
	if repartition {
		p.Steps = append(p.Steps, "Cut the GPUs anew: "+strings.Join(append(slices.Clone(s.MIG), "no parts")[:max(len(s.MIG), 1)], ", ")+".")
	}
	p.Steps = append(p.Steps, "Start the device plugin with the new configuration.", "Write the node's labels anew.")
	return p
}

// PlanShare says what Share does. Parts change only while no pod holds a GPU.
func (g gpus) PlanShare(_ context.Context, s mlops.GPUShare) (mlops.GPUPlan, error) {
	g.w.Lock()
	defer g.w.Unlock()
	if s.Replicas > 100 {
		return mlops.GPUPlan{}, mlops.Errorf(mlops.Invalid, "%d pods in turn are too many: expected 1 to 100", s.Replicas)
	}
	return g.plan(s), nil
}

// Share changes what is offered.
func (g gpus) Share(_ context.Context, s mlops.GPUShare) (out mlops.GPUs, err error) {
	g.w.Change(func() {
		plan := g.plan(s)
		if plan.Blocked != "" {
			err = mlops.Errorf(mlops.InvalidState, "%s", strings.ToLower(plan.Blocked[:1])+plan.Blocked[1:])
			return
		}
		all := g.w.GPUs
		all.Sharing = mlops.GPUSharing{Config: "benchtop", Source: "kube-system/nvidia-device-plugin", Replicas: max(s.Replicas, 1), MIGStrategy: "none"}
		all.Resources = plan.After
		for i := range all.Resources {
			all.Resources[i].Healthy = all.Resources[i].Total
		}
		for i := range all.GPUs {
			one := &all.GPUs[i]
			one.Partitions, one.MIG = nil, "Disabled"
			if s.DeletePods {
				one.Holders = nil
			}
			start := 0
			for n, profile := range s.MIG {
				var compute, memory int
				_, _ = fmt.Sscanf(profile, "%dg.%dgb", &compute, &memory)
				one.MIG = "Enabled"
				one.Partitions = append(one.Partitions, mlops.GPUPartition{UUID: fmt.Sprintf("MIG-51b00000-0000-5000-8000-0000000000%d%d", i, n), Profile: profile, MemoryMiB: int64(memory) << 10, Start: start, Slices: max(memory/10, 1)})
				start += max(memory/10, 1)
			}
		}
		if len(s.MIG) > 0 {
			all.Sharing.MIGStrategy, all.Sharing.MIGConfig, all.Sharing.MIGState = "mixed", "benchtop", "success"
		}
		out = g.now()
	})
	return out, err
}

// Recover makes a GPU healthy.
func (g gpus) Recover(_ context.Context, gpu int) (out mlops.GPUs, err error) {
	g.w.Change(func() {
		if _, err = g.w.GPUs.At(gpu); err != nil {
			return
		}
		if slices.ContainsFunc(g.w.GPUs.Faults, func(f mlops.GPUFault) bool { return f.GPU == gpu && f.Kind == "hot" }) {
			err = mlops.Errorf(mlops.InvalidState, "GPU %d is still too hot: end that first", gpu)
			return
		}
		g.heal(gpu)
		out = g.now()
	})
	return out, err
}

func (g gpus) heal(gpu int) {
	g.w.GPUs.Faults = slices.DeleteFunc(slices.Clone(g.w.GPUs.Faults), func(f mlops.GPUFault) bool { return f.GPU == gpu })
	one := &g.w.GPUs.GPUs[gpu]
	one.Healthy, one.Fault, one.XID = true, "", 0
	for i, r := range g.w.GPUs.Resources {
		g.w.GPUs.Resources[i].Healthy = r.Total
	}
	g.w.GPUs.Waiting = nil
}

// Inject makes a GPU fail, and none heals it.
func (g gpus) Inject(_ context.Context, f mlops.GPUFault) (out mlops.GPUs, err error) {
	g.w.Change(func() {
		if err = g.w.GPUs.Simulates(f.GPU); err != nil {
			return
		}
		if f.Kind == "none" {
			g.heal(f.GPU)
		} else {
			f.Since = g.w.Clock()
			g.w.GPUs.Faults = append(g.w.GPUs.Faults, f)
			one := &g.w.GPUs.GPUs[f.GPU]
			one.Healthy, one.XID, one.Fault = false, f.XID, "It was made to fail: "+f.Kind+"."
		}
		out = g.now()
	})
	return out, err
}
