package gpu

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Evidence is what a running lab knows of its GPUs.
type Evidence struct {
	Agent error // why the agent does not answer; nil if it does
	State mlops.GPUState
	// Pods are those that want a GPU, with what is said about them.
	Pods []mlops.GPUPod
	// Specs are the files that NVIDIA's plugin has written for containerd.
	Specs []string
}

// pluginLogs is where the plugin's pod says more.
const pluginLogs = "`benchtop kubectl -n kube-system logs ds/nvidia-device-plugin` says more"

// Troubles says what is wrong with GPUs that the lab hands to pods.
func Troubles(e Evidence) (out []mlops.Finding) {
	out = append(out, PodTroubles(e)...)
	if e.Agent != nil {
		return append(out, warn("agent", mlops.MessageOf(e.Agent), "wait a little; `benchtop kubectl -n kube-system logs ds/nvidia-device-plugin` says more"))
	}
	g := e.State.GPUs
	if g.Problem != "" {
		return append(out, fail("driver", g.Problem, pluginLogs))
	}
	switch {
	case !e.State.Plugin.Running:
		out = append(out, fail("plugin", "NVIDIA's device plugin does not run: "+e.State.Plugin.Error, pluginLogs))
	case len(g.GPUs) > 0 && total(g) == 0:
		out = append(out, fail("plugin", fmt.Sprintf("the driver has %d GPUs, but NVIDIA's plugin found no device to offer, and waits: pods see nvidia.com/gpu: 0", len(g.GPUs)),
			"MIG mode without partitions is the usual reason: `benchtop gpu share off`, or `benchtop gpu share mig PROFILE…`; `benchtop kubectl -n kube-system logs ds/nvidia-device-plugin` says more"))
	default:
		out = append(out, ok("plugin", "it offers "+offers(g)))
	}
	for _, gpu := range g.GPUs {
		out = append(out, gpuTrouble(gpu)...)
	}
	if g.Sharing.Problem != "" {
		out = append(out, warn("sharing", g.Sharing.Problem, "`benchtop gpu share --help` says what can be asked for"))
	}
	if g.Sharing.Replicas > 1 {
		out = append(out, ok("sharing", fmt.Sprintf("%d pods share each device in time. Nothing divides its memory: one pod can use it up, and the others end with out of memory; MIG partitions are divided", g.Sharing.Replicas)))
	}
	for _, file := range e.Specs {
		missing, err := missingPaths(file)
		switch {
		case err != nil:
			out = append(out, warn("cdi", fmt.Sprintf("containerd can't read %s: %v", file, err), "`benchtop kubectl -n kube-system rollout restart ds/nvidia-device-plugin` writes it anew"))
		case len(missing) > 0:
			out = append(out, fail("cdi", fmt.Sprintf("%s names files that are gone, as after an update of the driver: %s", file, strings.Join(firstOf(missing, 3), ", ")),
				"`benchtop kubectl -n kube-system rollout restart ds/nvidia-device-plugin` writes it anew; pods that failed must be started again"))
		}
	}
	return out
}

func gpuTrouble(g mlops.GPU) (out []mlops.Finding) {
	check := fmt.Sprintf("%d", g.Index)
	var pods []string
	for _, h := range g.Holders {
		if name := h.Namespace + "/" + h.Pod; !slices.Contains(pods, name) {
			pods = append(pods, name)
		}
	}
	held := ""
	if len(pods) > 0 {
		held = "; pods on it: " + strings.Join(pods, ", ")
	}
	switch {
	case !g.Healthy && g.XID != 0:
		out = append(out, fail(check, g.Fault+"; no pod gets it until it has recovered"+held,
			fmt.Sprintf("%s; if the driver does not say by itself that it has recovered: `benchtop gpu recover %d`", XIDAction(g.XID), g.Index)))
	case !g.Healthy:
		out = append(out, fail(check, g.Fault+held, fmt.Sprintf("`dmesg | grep -i -e nvrm -e xid` says more; when it works again: `benchtop gpu recover %d`", g.Index)))
	case g.Fault != "":
		out = append(out, warn(check, g.Fault+held, "look at the machine's fans and dust, and at the power limit; `benchtop gpu` shows temperature and power"))
	}
	return out
}

func total(g mlops.GPUs) (n int) {
	for _, r := range g.Resources {
		n += r.Total
	}
	return n
}

func offers(g mlops.GPUs) string {
	var out []string
	for _, r := range g.Resources {
		out = append(out, fmt.Sprintf("%d %s (%d held)", r.Total, r.Name, r.Held))
	}
	return strings.Join(out, ", ")
}

func firstOf(all []string, n int) []string {
	if len(all) <= n {
		return all
	}
	return append(all[:n:n], fmt.Sprintf("and %d more", len(all)-n))
}

var noRuntime = regexp.MustCompile(`no runtime for "([^"]+)" is configured|RuntimeClass "?([a-z0-9.-]+)"? not found`)

// PodTroubles says what is wrong with pods that want a GPU.
func PodTroubles(e Evidence) (out []mlops.Finding) {
	driver := e.State.GPUs.Driver
	for _, p := range e.Pods {
		name := "pod " + p.Namespace + "/" + p.Name
		for _, said := range p.Said {
			m := noRuntime.FindStringSubmatch(said)
			if m == nil {
				continue
			}
			class := m[1] + m[2]
			fix := "remove runtimeClassName: the lab hands GPUs over without one"
			if class == "nvidia" {
				fix = "start the lab on a machine with a GPU or with --simulate-gpus, which bring that runtime class; or remove runtimeClassName"
			}
			out = append(out, warn("runtime", fmt.Sprintf("%s asks for runtime class %s, which this lab does not have", name, class), fix))
			break
		}
		if p.Reason == "UnexpectedAdmissionError" {
			out = append(out, warn("pods", name+" was started before the GPUs were offered, or its GPU is offered under another name now, so the kubelet refused it", fmt.Sprintf("`benchtop kubectl -n %s delete pod %s`; what made it makes a new one", p.Namespace, p.Name)))
		}
		if newer(p.CUDA, driver.CUDA) {
			out = append(out, warn("cuda", fmt.Sprintf("the image of %s was made for CUDA %s, driver %s can run %s: programs end with \"CUDA driver version is insufficient\"", name, p.CUDA, driver.Version, driver.CUDA),
				"update the machine's driver, or take an image for CUDA "+driver.CUDA+" or older"))
		}
	}
	return out
}

// newer reports whether an image's CUDA is of a later major version than what
// the driver runs: within one, minor versions run on older drivers.
func newer(image, driver string) bool {
	var im, dm int
	if n, _ := fmt.Sscanf(image, "%d", &im); n != 1 {
		return false
	}
	if n, _ := fmt.Sscanf(driver, "%d", &dm); n != 1 {
		return false
	}
	return im > dm
}

// missingPaths returns the files of the host that a CDI spec
// (github.com/cncf-tags/container-device-interface, SPEC.md) names and that are
// not there.
func missingPaths(file string) ([]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	type edits struct {
		DeviceNodes []struct {
			Path     string `json:"path"`
			HostPath string `json:"hostPath"`
		} `json:"deviceNodes"`
		Mounts []struct {
			HostPath string `json:"hostPath"`
		} `json:"mounts"`
		Hooks []struct {
			Path string `json:"path"`
		} `json:"hooks"`
	}
	var spec struct {
		Devices []struct {
			Edits edits `json:"containerEdits"`
		} `json:"devices"`
		Edits edits `json:"containerEdits"`
	}
	if err := json.Unmarshal(b, &spec); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	all := []edits{spec.Edits}
	for _, d := range spec.Devices {
		all = append(all, d.Edits)
	}
	var paths []string
	for _, e := range all {
		for _, n := range e.DeviceNodes {
			if n.HostPath == "" {
				n.HostPath = n.Path
			}
			paths = append(paths, n.HostPath)
		}
		for _, m := range e.Mounts {
			paths = append(paths, m.HostPath)
		}
		for _, h := range e.Hooks {
			paths = append(paths, h.Path)
		}
	}
	slices.Sort(paths)
	var missing []string
	for _, p := range slices.Compact(paths) {
		if _, err := os.Stat(p); err != nil {
			missing = append(missing, p)
		}
	}
	return missing, nil
}
