package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	specs "tags.cncf.io/container-device-interface/specs-go"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/gpu/simulated"
)

// checks does everything. Its error is for what nothing can go on without.
func (l *lab) checks(ctx context.Context, t *table) error {
	ids, err := l.kubelet.await(ctx, mlops.GPUResource, 30*time.Second)
	if err != nil {
		return err
	}
	took := time.Since(l.started)
	t.check(took <= 5*time.Second, "device plugin", "%d healthy %s %.1f s after the agent's start, 5 s at most", len(ids), mlops.GPUResource, took.Seconds())

	state, err := l.settled(ctx)
	if err != nil {
		return err
	}
	cards, err := l.nvidiaSMI(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(cards, func(c card) bool { return c.mig == "Enabled" }) {
		return errors.New("a GPU is in MIG mode, which this check neither changes nor knows")
	}
	var uuids []string
	for _, c := range cards {
		uuids = append(uuids, c.uuid)
	}
	slices.Sort(uuids)
	t.check(slices.Equal(ids, uuids), "UUIDs", "offered to the kubelet: %s; nvidia-smi: %s", strings.Join(ids, " "), strings.Join(uuids, " "))

	l.checkState(t, state.GPUs, cards)
	if err := l.checkMetrics(ctx, t); err != nil {
		return err
	}
	l.checkLabels(t, state.GPUs.Labels, cards)
	if err := l.checkPaths(t); err != nil {
		return err
	}
	if err := l.tryRunc(ctx, t); err != nil {
		return err
	}
	for i, id := range ids[:min(2, len(ids))] {
		if err := l.checkContainer(ctx, t, fmt.Sprintf(" with device %d", i), id); err != nil {
			return err
		}
	}
	if err := l.checkWithout(ctx, t); err != nil {
		return err
	}
	if err := l.checkCompute(ctx, t, ids[0]); err != nil {
		return err
	}
	select {
	case err := <-l.ended:
		l.ended <- err
		return fmt.Errorf("the agent ended: %w", err)
	default:
	}
	state, err = l.agent.Now(ctx)
	if err != nil {
		return err
	}
	t.check(state.Plugin.Running && state.Plugin.Restarts == 0 && state.GPUs.Problem == "", "at the end", "plugin runs: %t, restarts: %d, problem: %q", state.Plugin.Running, state.Plugin.Restarts, state.GPUs.Problem)
	return nil
}

// settled waits until GPU Feature Discovery has run.
func (l *lab) settled(ctx context.Context) (mlops.GPUState, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var since int64
	for {
		s, err := l.agent.Next(ctx, since, 30*time.Second)
		if err != nil {
			return s, fmt.Errorf("wait for the labels of GPU Feature Discovery: %w", err)
		}
		if len(s.GPUs.Labels) > 0 {
			return s, nil
		}
		since = s.Generation
	}
}

// card is a GPU as nvidia-smi sees it. A number that it does not tell is NaN.
type card struct {
	uuid, name, mig            string
	memory, temperature, watts float64 // MiB, °C, W
}

// smi runs the machine's nvidia-smi.
func (l *lab) smi(ctx context.Context, args ...string) (string, error) {
	var places []string
	var folder string
	if l.unit.Simulated() {
		places = []string{filepath.Join(l.unit.DriverRoot(), "usr/bin")}
		folder = filepath.Join(l.unit.DriverRoot(), simulated.LibDir())
	} else {
		d := l.host.Driver
		places = []string{filepath.Join(d.Root, "bin"), filepath.Join(d.Root, "usr/bin"), "/usr/bin", "/usr/local/bin", "/opt/bin"}
		folder = d.Folder
	}
	for _, p := range places {
		program := filepath.Join(p, "nvidia-smi")
		if _, err := os.Stat(program); err != nil {
			continue
		}
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+folder)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s %s: %w: %.300s", program, strings.Join(args, " "), err, out)
		}
		return string(out), nil
	}
	return "", fmt.Errorf("there is no nvidia-smi in %s to compare with", strings.Join(places, ", "))
}

// nvidiaSMI asks the machine's nvidia-smi for all GPUs.
func (l *lab) nvidiaSMI(ctx context.Context) ([]card, error) {
	out, err := l.smi(ctx, "--query-gpu=uuid,name,mig.mode.current,memory.total,temperature.gpu,power.draw", "--format=csv,noheader,nounits")
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(strings.NewReader(out))
	r.TrimLeadingSpace, r.FieldsPerRecord = true, 6
	rows, err := r.ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("nvidia-smi lists no GPU: %q (%w)", out, err)
	}
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return math.NaN()
		}
		return v
	}
	var cards []card
	for _, f := range rows {
		cards = append(cards, card{uuid: f[0], name: f[1], mig: f[2], memory: number(f[3]), temperature: number(f[4]), watts: number(f[5])})
	}
	return cards, nil
}

func (l *lab) checkState(t *table, g mlops.GPUs, cards []card) {
	t.check(g.Simulated == l.unit.Simulated() && g.Problem == "" && len(g.GPUs) == len(cards), "agent", "%d GPUs, simulated: %t, driver %s, CUDA %s, problem: %q", len(g.GPUs), g.Simulated, g.Driver.Version, g.Driver.CUDA, g.Problem)
	for _, c := range cards {
		i := slices.IndexFunc(g.GPUs, func(g mlops.GPU) bool { return g.UUID == c.uuid })
		if i < 0 {
			t.fail("agent's GPU "+c.uuid, "it is missing")
			continue
		}
		got := g.GPUs[i]
		t.check(got.Product == c.name && float64(got.MemoryMiB) == c.memory && got.Healthy, fmt.Sprint("agent's GPU ", got.Index), "%s with %d MiB, healthy: %t; nvidia-smi: %s with %.0f MiB", got.Product, got.MemoryMiB, got.Healthy, c.name, c.memory)
	}
}

// checkMetrics holds the exporter's page against nvidia-smi at about that time.
func (l *lab) checkMetrics(ctx context.Context, t *table) error {
	page, err := l.scrape(ctx)
	if err != nil {
		return err
	}
	cards, err := l.nvidiaSMI(ctx)
	if err != nil {
		return err
	}
	for i, c := range cards {
		compare := func(what, metric, unit string, want, tolerance float64) {
			what = fmt.Sprintf("%s of GPU %d", what, i)
			got, labels, ok := series(page, metric, c.uuid)
			switch {
			case math.IsNaN(want) && !ok:
				t.skip(what, "neither nvidia-smi nor the exporter tells it")
			case math.IsNaN(want):
				t.skip(what, "nvidia-smi does not tell it; the exporter: %.1f %s", got, unit)
			default:
				marked := (labels["simulated"] == "true") == l.unit.Simulated()
				t.check(ok && marked && math.Abs(got-want) <= tolerance, what, "exporter %.1f %s, nvidia-smi %.1f %s, may differ by %.1f", got, unit, want, unit, tolerance)
			}
		}
		compare("temperature", "DCGM_FI_DEV_GPU_TEMP", "°C", c.temperature, 5)
		compare("power", "DCGM_FI_DEV_POWER_USAGE", "W", c.watts, 0.3*c.watts)
		var memory float64
		for _, name := range []string{"DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_RESERVED"} {
			v, _, _ := series(page, name, c.uuid)
			memory += v
		}
		// Each of the three is rounded.
		t.check(math.Abs(memory-c.memory) <= 3, fmt.Sprint("memory of GPU ", i), "exporter %.0f MiB in all, nvidia-smi %.0f MiB", memory, c.memory)
	}
	return nil
}

var notInLabels = regexp.MustCompile(`[^A-Za-z0-9\-_.]+`)

func (l *lab) checkLabels(t *table, labels map[string]string, cards []card) {
	// Where there are several kinds, the labels describe one.
	var kind []card
	for _, c := range cards {
		if notInLabels.ReplaceAllString(c.name, "-") == labels["nvidia.com/gpu.product"] {
			kind = append(kind, c)
		}
	}
	if len(kind) == 0 {
		t.fail("labels", "nvidia.com/gpu.product is %q, nvidia-smi calls the GPUs %v", labels["nvidia.com/gpu.product"], cards)
		return
	}
	memory, count := fmt.Sprintf("%.0f", kind[0].memory), strconv.Itoa(len(kind))
	t.check(labels["nvidia.com/gpu.memory"] == memory && labels["nvidia.com/gpu.count"] == count && (labels["benchtop.dev/gpu-simulated"] == "true") == l.unit.Simulated(),
		"labels", "product %s, memory %s, count %s, simulated %q; nvidia-smi: %s, %s, %s", labels["nvidia.com/gpu.product"], labels["nvidia.com/gpu.memory"], labels["nvidia.com/gpu.count"], labels["benchtop.dev/gpu-simulated"], kind[0].name, memory, count)
}

// checkPaths looks for every path of the machine that the CDI specs name.
func (l *lab) checkPaths(t *table) error {
	cache, err := l.cache()
	if err != nil {
		return err
	}
	var missing []string
	count := 0
	look := func(path string) {
		count++
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, err.Error())
		}
	}
	edits := func(e specs.ContainerEdits) {
		for _, d := range e.DeviceNodes {
			if d.HostPath == "" {
				d.HostPath = d.Path
			}
			look(d.HostPath)
		}
		for _, m := range e.Mounts {
			look(m.HostPath)
		}
		for _, h := range e.Hooks {
			look(h.Path)
		}
	}
	for _, s := range cdiSpecs(cache) {
		edits(s.ContainerEdits)
		for _, d := range s.Devices {
			edits(d.ContainerEdits)
		}
	}
	t.check(count > 0 && len(missing) == 0, "CDI spec", "%d paths of the machine, missing: %v", count, missing)
	return nil
}

// smiInside is where containers see nvidia-smi: the driver's, by CDI.
func (l *lab) smiInside() (string, error) {
	cache, err := l.cache()
	if err != nil {
		return "", err
	}
	for _, s := range cdiSpecs(cache) {
		for _, m := range s.ContainerEdits.Mounts {
			if filepath.Base(m.ContainerPath) == "nvidia-smi" {
				return m.ContainerPath, nil
			}
		}
	}
	return "", errors.New("the CDI spec gives containers no nvidia-smi")
}

var uuidPattern = regexp.MustCompile(`GPU-[0-9a-f-]{36}`)

// checkContainer gives a GPU to containers: one of the image's files, which is
// almost empty, and one of the machine's own.
func (l *lab) checkContainer(ctx context.Context, t *table, with, id string) error {
	const pod = "gpucheck"
	l.kubelet.give(pod, mlops.GPUResource, id)
	defer l.kubelet.take()
	names, err := l.kubelet.allocate(ctx, mlops.GPUResource, id)
	if err != nil {
		return err
	}
	program, err := l.smiInside()
	if err != nil {
		t.fail("container"+with, "%v", err)
		return nil
	}
	for _, c := range []struct{ what, root string }{{"small container", l.image}, {"container of the machine's files", "/"}} {
		what := c.what + with
		r, err := l.runToEnd(ctx, container{root: c.root, args: []string{program, "-L"}, devices: names})
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		seen := uuidPattern.FindAllString(r.stdout, -1)
		t.check(r.code == 0 && slices.Equal(seen, []string{id}), what, "nvidia-smi -L: %s", r)
	}
	page, err := l.scrape(ctx)
	if err != nil {
		return err
	}
	_, labels, _ := series(page, "DCGM_FI_DEV_GPU_UTIL", id)
	t.check(labels["pod"] == pod && labels["namespace"] == "default" && labels["container"] == "main", "metrics"+with, "name pod %q, namespace %q, container %q", labels["pod"], labels["namespace"], labels["container"])
	return nil
}

// checkWithout runs containers that were given no GPU.
func (l *lab) checkWithout(ctx context.Context, t *table) error {
	program, err := l.smiInside()
	if err != nil {
		return nil // a row says so
	}
	for _, c := range []container{{root: l.image}, {root: l.image, files: true}, {root: "/", files: true}} {
		what := "small container "
		if c.root == "/" {
			what = "container of the machine's files "
		}
		if c.files {
			what += "with the driver but "
		}
		what += "without a device"
		c.args = []string{program, "-L"}
		r, err := l.runToEnd(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		// That it failed because of something else, for example a mount, proves nothing.
		expected := !c.files && strings.Contains(r.stderr, program) || c.files && !strings.Contains(r.stderr, "runc")
		t.check(expected && !uuidPattern.MatchString(r.stdout), what, "nvidia-smi -L: %s", r)
	}
	return nil
}

// torch is what the machine's PyTorch says of itself.
type torch struct {
	Version string   `json:"version"`
	CUDA    string   `json:"cuda"`
	Paths   []string `json:"paths"` // folders that it is made of
	Program string   `json:"program"`
}

const findTorch = `
import json, os, sys, torch
paths = [p for p in [sys.prefix, sys.base_prefix, os.path.dirname(torch.__file__)] + sys.path if os.path.isdir(p)]
print(json.dumps({"version": torch.__version__, "cuda": torch.version.cuda or "", "program": sys.executable, "paths": paths}))
`

// multiply computes for some seconds, after it has compared a product with the
// processor's.
const multiply = `
import sys, time, torch
print("torch is here", flush=True)
seconds = float(sys.argv[1])
torch.manual_seed(1)
a, b = torch.randn(512, 512), torch.randn(512, 512)
c = (a.cuda() @ b.cuda()).cpu()
worst = (c - a @ b).abs().max().item()
assert worst < 0.1, f"the GPU's product differs from the processor's by {worst}"
assert torch.cuda.device_count() == 1, f"{torch.cuda.device_count()} GPUs"
print("computing on", torch.cuda.get_device_name(0), flush=True)
x = torch.randn(8192, 8192, device="cuda", dtype=torch.float16)
end, n = time.time() + seconds, 0
while time.time() < end:
    for _ in range(10):
        y = x @ x
    torch.cuda.synchronize()
    n += 10
print("products:", n, flush=True)
`

// checkCompute multiplies matrices in a container.
func (l *lab) checkCompute(ctx context.Context, t *table, id string) error {
	const what = "computing"
	if l.unit.Simulated() {
		t.skip(what, "the GPUs are simulated: nothing computes on them")
		return nil
	}
	probe, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(probe, l.opts.Python, "-c", findTorch).Output()
	if err != nil {
		t.skip(what, "%s can't import torch on this machine: %v", l.opts.Python, err)
		return nil
	}
	var found torch
	if err := json.Unmarshal(out, &found); err != nil || found.CUDA == "" {
		t.skip(what, "the machine's torch has no CUDA: %.200s", out)
		return nil
	}
	c := container{root: "/", args: []string{found.Program, "-c", multiply, fmt.Sprint(l.opts.Load.Seconds())}}
	for _, name := range []string{"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"} {
		if v, ok := os.LookupEnv(name); ok {
			c.env = append(c.env, name+"="+v)
		}
	}
	if c.binds, err = l.otherMounts(append(found.Paths, filepath.Dir(found.Program))); err != nil {
		return err
	}

	r, err := l.runToEnd(ctx, c)
	if err != nil {
		return fmt.Errorf("compute without a GPU: %w", err)
	}
	t.check(r.code != 0 && strings.Contains(r.stdout, "torch is here") && !strings.Contains(r.stdout, "computing"), what+" without the device", "%s", lastLine(r))

	l.kubelet.give("gpucheck", mlops.GPUResource, id)
	defer l.kubelet.take()
	if c.devices, err = l.kubelet.allocate(ctx, mlops.GPUResource, id); err != nil {
		return err
	}
	ctx, cancelLoad := context.WithTimeout(ctx, l.opts.Load+2*time.Minute)
	defer cancelLoad()
	wait, err := l.start(ctx, c)
	if err != nil {
		return err
	}
	type end struct {
		result
		err error
	}
	ended := make(chan end, 1)
	go func() {
		r, err := wait()
		ended <- end{r, err}
	}()
	var most, atSMI float64
	for {
		select {
		case e := <-ended:
			if e.err != nil {
				return fmt.Errorf("compute: %w", e.err)
			}
			t.check(e.code == 0 && strings.Contains(e.stdout, "products:"), what+" with the device", "torch %s, CUDA %s: %s", found.Version, found.CUDA, lastLine(e.result))
			t.check(most > 80, "utilisation under load", "DCGM_FI_DEV_GPU_UTIL reached %.0f %%, expected more than 80; nvidia-smi then: %.0f %%", most, atSMI)
			return nil
		case <-time.After(time.Second):
		}
		page, err := l.scrape(ctx)
		if err != nil {
			return err
		}
		if v, _, ok := series(page, "DCGM_FI_DEV_GPU_UTIL", id); ok && v > most {
			most = v
			out, err := l.smi(ctx, "-i", id, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
			if err != nil {
				return err
			}
			atSMI, _ = strconv.ParseFloat(strings.TrimSpace(out), 64) // 0 if it does not tell
		}
	}
}

// lastLine shortens what a Python program said.
func lastLine(r result) string {
	last := func(s string) string {
		lines := strings.Split(strings.TrimSpace(s), "\n")
		return lines[len(lines)-1]
	}
	return fmt.Sprintf("code %d, %s %s", r.code, strings.Join(strings.Split(strings.TrimSpace(r.stdout), "\n"), "; "), last(r.stderr))
}

// otherMounts are those of the folders that a container of the machine's files
// does not see: they lie on another file system than the root, which an overlay
// of the root does not show, or in /tmp, which is the container's own.
func (l *lab) otherMounts(paths []string) (out []string, err error) {
	root, err := l.overlayOf("/")
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	for _, p := range slices.Compact(paths) {
		below := slices.ContainsFunc(out, func(o string) bool { return strings.HasPrefix(p+"/", o+"/") })
		entries, err := os.ReadDir(filepath.Join(root, p))
		if !below && p != "/" && filepath.IsAbs(p) && (err != nil || len(entries) == 0 || strings.HasPrefix(p, "/tmp/")) {
			out = append(out, p)
		}
	}
	return out, nil
}
