package appliance

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
	gpucontroller "github.com/benchtop-lab/benchtop/embedded/controllers/gpu"
	"github.com/benchtop-lab/benchtop/embedded/gpu"
	"github.com/benchtop-lab/benchtop/embedded/gpu/simulated"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// gpus is what the lab does with GPUs. Without any, its fields are nil but none.
type gpus struct {
	none       error // why there are none
	unit       *gpu.Unit
	controller *gpucontroller.Controller
	cluster    *cluster.Cluster
}

// newGPUs looks for GPUs, and makes what hands them to pods. On a machine without
// GPUs that is nothing.
func newGPUs(c Config, p Paths, node string, kube func() *cluster.Cluster) (*gpus, error) {
	cfg := gpu.Config{Dir: p.Dir("gpu")}
	if c.GPUSimulate != "" {
		spec, err := simulated.Parse(c.GPUSimulate)
		if err != nil {
			return nil, err
		}
		cfg.Simulate = spec
	} else {
		if c.GPUDriverRoot == noGPUs {
			return &gpus{none: mlops.Errorf(mlops.NotFound, "the lab leaves this machine's GPUs alone: gpu.driver_root is off")}, nil
		}
		host, err := gpu.Look("/", c.GPUDriverRoot)
		if err != nil {
			return nil, err
		}
		if !host.Usable() {
			return &gpus{none: mlops.Errorf(mlops.NotFound, "%s. To practise without a GPU, start the lab with `benchtop up --simulate-gpus 2xA100-80GB`", host.Lacks())}, nil
		}
		cfg.Driver = host.Driver
	}
	use := &podUses{cluster: kube}
	cfg.Use = use.now
	g := &gpus{unit: gpu.NewUnit(cfg)}
	g.controller = gpucontroller.New(gpucontroller.Config{Node: node, Agent: g.unit.Agent()})
	return g, nil
}

// any reports whether the lab has GPUs.
func (g *gpus) any() bool { return g.unit != nil }

// GPUs says what GPUs the lab has, who holds them and who waits.
func (g *gpus) GPUs(ctx context.Context) (mlops.GPUs, error) {
	if !g.any() {
		return mlops.GPUs{}, g.none
	}
	state, err := g.unit.Agent().Now(ctx)
	if err != nil {
		return mlops.GPUs{}, err
	}
	return g.complete(ctx, state)
}

// complete adds what the agent does not know.
func (g *gpus) complete(ctx context.Context, state mlops.GPUState) (mlops.GPUs, error) {
	out := state.GPUs
	if !state.Plugin.Running && out.Problem == "" && state.Plugin.Error != "" {
		out.Problem = "NVIDIA's device plugin does not run: " + state.Plugin.Error
	}
	s := g.controller.Sharing()
	out.Sharing.Config, out.Sharing.Source, out.Sharing.MIGConfig, out.Sharing.MIGState = s.Config, s.Source, s.MIGConfig, s.MIGState
	if s.Problem != "" {
		out.Sharing.Problem = s.Problem
	}
	out.Faults = g.unit.Faults()
	client := g.cluster.Client()
	if client == nil {
		return out, nil
	}
	var err error
	out.Waiting, err = client.GPUWaits(ctx)
	return out, err
}

// waitingTimeout is how long a scrape waits for Kubernetes: it has other numbers
// to bring.
const waitingTimeout = time.Second

// waiting counts the pods that wait for a GPU, for the metrics. It is nil if the
// lab has none: then nobody is asked.
func (g *gpus) waiting() func() (int, error) {
	if !g.any() {
		return nil
	}
	return func() (int, error) {
		client := g.cluster.Client()
		if client == nil {
			return 0, unavailable("the cluster")
		}
		ctx, cancel := context.WithTimeout(context.Background(), waitingTimeout)
		defer cancel()
		waits, err := client.GPUWaits(ctx)
		pods := map[string]bool{} // one that asks for two resources waits once
		for _, w := range waits {
			pods[w.Namespace+"/"+w.Pod] = true
		}
		return len(pods), err
	}
}

// PlanShare says what Share would do.
func (g *gpus) PlanShare(ctx context.Context, s mlops.GPUShare) (mlops.GPUPlan, error) {
	now, err := g.GPUs(ctx)
	if err != nil {
		return mlops.GPUPlan{}, err
	}
	return gpucontroller.Plan(now, s)
}

// Share changes how pods share the GPUs.
func (g *gpus) Share(ctx context.Context, s mlops.GPUShare) (mlops.GPUs, error) {
	now, err := g.GPUs(ctx)
	if err != nil {
		return mlops.GPUs{}, err
	}
	plan, err := gpucontroller.Plan(now, s)
	if err != nil {
		return mlops.GPUs{}, err
	}
	if plan.Blocked != "" {
		return mlops.GPUs{}, mlops.Errorf(mlops.InvalidState, "%s", plan.Blocked)
	}
	if err := g.controller.Share(ctx, plan.Share, now.GPUs); err != nil {
		return mlops.GPUs{}, err
	}
	return g.scheduled(ctx)
}

// scheduleTimeout is a little more than the kubelet takes to tell the scheduler
// what its devices are.
const scheduleTimeout = 15 * time.Second

// scheduled waits until the scheduler knows what is offered: a pod that is made
// before then would wait.
func (g *gpus) scheduled(ctx context.Context) (mlops.GPUs, error) {
	for until := time.Now().Add(scheduleTimeout); ; {
		now, err := g.GPUs(ctx)
		client := g.cluster.Client()
		if err != nil || client == nil || time.Now().After(until) {
			return now, err
		}
		known, err := client.GPUsOffered(ctx)
		if err != nil {
			return now, err
		}
		same := true
		for _, r := range now.Resources {
			same = same && known[r.Name] == r.Healthy
			delete(known, r.Name)
		}
		for _, n := range known {
			same = same && n == 0
		}
		if same {
			return now, nil
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}

// Recover says that a GPU works again after an error.
func (g *gpus) Recover(ctx context.Context, index int) (mlops.GPUs, error) {
	now, err := g.GPUs(ctx)
	if err != nil {
		return mlops.GPUs{}, err
	}
	found, err := now.At(index)
	if err != nil {
		return mlops.GPUs{}, err
	}
	state, err := g.unit.Agent().Recover(ctx, found.UUID)
	if err != nil {
		return mlops.GPUs{}, err
	}
	return g.complete(ctx, state)
}

// Inject makes something happen to a simulated GPU.
func (g *gpus) Inject(ctx context.Context, f mlops.GPUFault) (mlops.GPUs, error) {
	if !g.any() {
		return mlops.GPUs{}, g.none
	}
	f.Since = time.Now()
	if err := g.unit.Inject(f); err != nil {
		return mlops.GPUs{}, err
	}
	return g.GPUs(ctx)
}

// podUses knows how busy pods are: the kubelet counts since their start, so two
// looks are needed.
type podUses struct {
	cluster func() *cluster.Cluster

	mu   sync.Mutex
	at   time.Time
	seen map[gpu.PodName]float64
}

func (u *podUses) now(ctx context.Context) (map[gpu.PodName]gpu.PodUse, error) {
	client := u.cluster().Client()
	if client == nil {
		return nil, unavailable("the cluster")
	}
	all, err := client.PodUse(ctx)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	took := now.Sub(u.at).Seconds()
	seen, out := map[gpu.PodName]float64{}, map[gpu.PodName]gpu.PodUse{}
	for _, p := range all {
		name := gpu.PodName{Namespace: p.Namespace, Name: p.Pod}
		seen[name] = p.CPUSeconds
		use := gpu.PodUse{Memory: p.Memory}
		if before, ok := u.seen[name]; ok && took > 0 && p.CPUSeconds >= before {
			use.Cores = (p.CPUSeconds - before) / took
		}
		out[name] = use
	}
	u.at, u.seen = now, seen
	return out, nil
}

// clusterConfig is what the cluster has to know of GPUs; nil if there are none.
func (g *gpus) clusterConfig() *cluster.GPU {
	if !g.any() {
		return nil
	}
	return &cluster.GPU{Dir: g.unit.Dir(), DriverRoot: g.unit.DriverRoot(), Simulated: g.unit.Simulated(), Propagates: gpu.Propagates(g.unit.DriverRoot()), What: g.unit.Describe()}
}

// String says what was found.
func (g *gpus) String() string {
	if !g.any() {
		return fmt.Sprint(g.none)
	}
	return g.unit.Describe()
}

// gpuPort returns the GPUs of the lab.
func (a *Appliance) gpuPort() (ports.GPUs, error) { return a.gpus, nil }
