package gpu

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/gpu/simulated"
)

// Config says which GPUs pods are given.
type Config struct {
	// Dir is the folder that the unit shares with the agent.
	Dir string
	// Driver is the machine's; not used if GPUs are simulated.
	Driver Driver
	// Simulate makes GPUs up; nil for the machine's.
	Simulate simulated.Spec
	// Use says how busy pods are, so that simulated GPUs look as busy. It is
	// asked only while a pod holds one.
	Use func(context.Context) (map[PodName]PodUse, error)
}

// PodName names a pod.
type PodName struct{ Namespace, Name string }

// PodUse is what a pod uses of the machine.
type PodUse struct {
	Cores  float64 // of CPU, over the last seconds
	Memory int64   // bytes
}

// Unit prepares the driver's folder and keeps simulated GPUs as busy as the pods
// that hold them.
type Unit struct {
	cfg   Config
	agent *Agent
	sim   *simulated.Driver
	root  string
}

// socketName is where the agent listens, below Config.Dir.
const socketName = "agent.sock"

// NewUnit returns a unit that has prepared nothing yet.
func NewUnit(cfg Config) *Unit {
	u := &Unit{cfg: cfg, agent: NewAgent(filepath.Join(cfg.Dir, socketName)), root: cfg.Driver.Root}
	if cfg.Simulate != nil || !cfg.Driver.Usual() {
		u.root = filepath.Join(cfg.Dir, "driver")
	}
	return u
}

// Name implements supervise.Unit.
func (u *Unit) Name() string { return "gpu" }

// Agent returns the client of the agent.
func (u *Unit) Agent() *Agent { return u.agent }

// Dir is the folder that agent and appliance share.
func (u *Unit) Dir() string { return u.cfg.Dir }

// DriverRoot returns the folder of the machine below which NVIDIA's programs
// find the driver.
func (u *Unit) DriverRoot() string { return u.root }

// Simulated reports whether the GPUs are.
func (u *Unit) Simulated() bool { return u.cfg.Simulate != nil }

// prepare makes what the agent's pod mounts. It is quick.
func (u *Unit) prepare() (err error) {
	if err := os.MkdirAll(u.cfg.Dir, 0o711); err != nil {
		return fmt.Errorf("create folder for GPUs: %w", err)
	}
	folder := filepath.Join(u.cfg.Dir, "driver")
	bound := u.cfg.Simulate == nil && !u.cfg.Driver.Usual()
	if !bound {
		// Of an earlier start: what is mounted must not go with the folder.
		if err := Release(u.cfg.Dir); err != nil {
			return err
		}
	}
	if u.cfg.Simulate != nil {
		if u.sim, err = simulated.Open(u.root, u.cfg.Simulate); err != nil {
			return fmt.Errorf("simulate GPUs: %w", err)
		}
		return nil
	}
	// A pod may still look at what an earlier start has bound: it stays.
	if !bound || simulated.Is(folder) {
		if err := simulated.RemoveAll(folder); err != nil {
			return err
		}
	}
	if bound {
		return u.cfg.Driver.mountBelow(u.root)
	}
	return nil
}

// loadDriver has NVIDIA's own helper load the kernel modules and make the device
// nodes, which on a machine without a desktop nobody else does after boot. Pods
// can do neither.
func (u *Unit) loadDriver(ctx context.Context) error {
	path := filepath.Join(u.cfg.Driver.Root, "bin", "nvidia-modprobe")
	if _, err := os.Stat(path); err != nil {
		if path, err = exec.LookPath("nvidia-modprobe"); err != nil {
			return nil //nolint:nilerr // `benchtop doctor gpu` says what is missing, and how to make it
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, path, "-c", "0", "-u").CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", path, err, bytes.TrimSpace(out))
	}
	return nil
}

// followEvery is how often the load of simulated GPUs follows the pods'.
const followEvery = 5 * time.Second

// Run implements supervise.Unit.
func (u *Unit) Run(ctx context.Context, h *supervise.Handle) error {
	if err := u.prepare(); err != nil {
		return err
	}
	if u.sim == nil {
		if err := u.loadDriver(ctx); err != nil {
			h.Log().Warn("the driver's modules may not be loaded", "err", err)
		}
	}
	h.Ready()
	if u.sim == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := u.follow(ctx); err != nil && err.Error() != said && ctx.Err() == nil {
			said = err.Error()
			h.Log().Warn("simulated GPUs do not follow the pods that hold them", "err", err)
		}
	}
}

// follow makes each simulated GPU as busy as the pods that hold it: a core that
// computes all the time is a GPU that does.
func (u *Unit) follow(ctx context.Context) error {
	state, err := u.agent.Now(ctx)
	if mlops.CodeOf(err) == mlops.Unavailable {
		return nil // its pod starts
	}
	if err != nil {
		return err
	}
	held := false
	for _, g := range state.GPUs.GPUs {
		held = held || len(g.Holders) > 0
	}
	var use map[PodName]PodUse
	if held {
		if use, err = u.cfg.Use(ctx); err != nil {
			return err
		}
	}
	for _, g := range state.GPUs.GPUs {
		var load simulated.Load
		seen := map[PodName]bool{}
		for _, h := range g.Holders {
			pod := PodName{h.Namespace, h.Pod}
			if !seen[pod] {
				seen[pod] = true
				load.Utilization += use[pod].Cores
				load.MemoryMiB += use[pod].Memory >> 20
			}
		}
		load.Utilization = min(load.Utilization, 1)
		if err := u.sim.SetLoad(g.Index, load); err != nil {
			return err
		}
	}
	return nil
}

// Faults lists what was injected into simulated GPUs.
func (u *Unit) Faults() []mlops.GPUFault {
	if u.sim == nil {
		return nil
	}
	var out []mlops.GPUFault
	for _, f := range u.sim.Faults() {
		out = append(out, mlops.GPUFault{GPU: f.GPU, Kind: f.Kind, XID: f.XID, Since: f.Since})
	}
	return out
}

// Inject makes something happen to a simulated GPU. The kind none ends all that
// was injected into it.
func (u *Unit) Inject(f mlops.GPUFault) error {
	if u.sim == nil {
		return mlops.GPUs{}.Simulates(f.GPU)
	}
	var err error
	if f.Kind == "none" {
		err = u.sim.Clear(f.GPU)
	} else {
		err = u.sim.Inject(f.GPU, simulated.Fault{Kind: f.Kind, XID: f.XID, Since: f.Since})
	}
	if err != nil {
		return mlops.Errorf(mlops.Invalid, "%v", err)
	}
	return nil
}

// Where the folders of a driver that was installed elsewhere are shown: NVIDIA's
// programs look for libraries and programs below these only.
const boundLibraries, boundPrograms = "usr/lib64", "usr/bin"

// mountBelow binds the folders of a driver that was installed elsewhere to where
// NVIDIA's programs look below root. Links would not do: they are followed below
// root only.
func (d Driver) mountBelow(root string) error {
	for at, from := range map[string]string{boundLibraries: d.Folder, boundPrograms: filepath.Join(d.Root, "bin")} {
		if _, err := os.Stat(from); err != nil && at == boundPrograms {
			continue // a driver without nvidia-smi
		}
		to := filepath.Join(root, at)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return fmt.Errorf("create folder for the driver: %w", err)
		}
		if err := bind(from, to); err != nil {
			return fmt.Errorf("show the driver's folder %s at %s: %w", from, to, err)
		}
	}
	return nil
}

// Release takes back what a unit has mounted below the folder of GPUs.
func Release(dir string) error {
	for _, at := range []string{boundLibraries, boundPrograms} {
		if err := unbind(filepath.Join(dir, "driver", at)); err != nil {
			return fmt.Errorf("release the driver's folder: %w", err)
		}
	}
	return nil
}

// CDISpecs are the files that NVIDIA's plugin has written for containerd.
func CDISpecs() []string {
	found, _ := filepath.Glob("/var/run/cdi/k8s.device-plugin.nvidia.com-*")
	return found
}

// Describe says in words what GPUs a lab will have.
func (u *Unit) Describe() string {
	if u.cfg.Simulate != nil {
		return "simulated " + u.cfg.Simulate.String()
	}
	return strings.TrimSpace("NVIDIA driver " + u.cfg.Driver.Version)
}
