package gpu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func offered() Evidence {
	return Evidence{State: mlops.GPUState{Plugin: mlops.GPUPlugin{Running: true}, GPUs: mlops.GPUs{
		Driver: mlops.GPUDriver{Version: "550.54.15", CUDA: "12.4"},
		GPUs: []mlops.GPU{{Index: 0, Product: "NVIDIA L4", Healthy: true, Holders: []mlops.GPUHolder{
			{Namespace: "iris", Pod: "train", Container: "a"}, {Namespace: "iris", Pod: "train", Container: "b"}}}},
		Resources: []mlops.GPUOffer{{Name: "nvidia.com/gpu", Total: 1, Healthy: 1, Held: 1}},
	}}}
}

func spec(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "k8s.device-plugin.nvidia.com-gpu.json")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTroubles(t *testing.T) {
	stale := `{"devices": [{"name": "0", "containerEdits": {"deviceNodes": [{"path": "/dev/null"}, {"path": "/dev/nvidia0", "hostPath": "/gone/dev/nvidia0"}]}}],
		"containerEdits": {"mounts": [{"hostPath": "/gone/libcuda.so.535.1"}, {"hostPath": "/gone/libcuda.so.535.1"}, {"hostPath": "/gone/a"}, {"hostPath": "/gone/b"}], "hooks": [{"path": "/bin/sh"}]}}`
	for name, c := range map[string]struct {
		change func(*Evidence)
		check  string
		level  mlops.Level
		detail string
		fix    string
	}{
		"well":   {func(*Evidence) {}, "gpu plugin", mlops.LevelOK, "it offers 1 nvidia.com/gpu (1 held)", ""},
		"agent":  {func(e *Evidence) { e.Agent = mlops.Errorf(mlops.Unavailable, "it does not answer yet") }, "gpu agent", mlops.LevelWarn, "it does not answer yet", "wait"},
		"driver": {func(e *Evidence) { e.State.GPUs.Problem = "NVML: Driver/library version mismatch" }, "gpu driver", mlops.LevelFail, "mismatch", "logs"},
		"plugin": {func(e *Evidence) { e.State.Plugin = mlops.GPUPlugin{Error: "no space"} }, "gpu plugin", mlops.LevelFail, "does not run: no space", "logs"},
		// 4
		"stale":  {func(e *Evidence) { e.Specs = []string{spec(t, stale)} }, "gpu cdi", mlops.LevelFail, "gone, as after an update of the driver: /gone/a, /gone/b, /gone/dev/nvidia0, and 1 more", "rollout restart"},
		"broken": {func(e *Evidence) { e.Specs = []string{spec(t, "{")} }, "gpu cdi", mlops.LevelWarn, "containerd can't read", "rollout restart"},
		// 6
		"nothing offered": {func(e *Evidence) { e.State.GPUs.Resources = nil }, "gpu plugin", mlops.LevelFail, "the driver has 1 GPUs, but NVIDIA's plugin found no device to offer", "MIG mode without partitions"},
		// 7
		"no runtime": {func(e *Evidence) {
			e.Pods = []mlops.GPUPod{{Namespace: "iris", Name: "x", Said: []string{`Failed to create pod sandbox: no runtime for "nvidia" is configured`}}}
		},
			"gpu runtime", mlops.LevelWarn, "pod iris/x asks for runtime class nvidia, which this lab does not have", "--simulate-gpus"},
		"no runtime class": {func(e *Evidence) {
			e.Pods = []mlops.GPUPod{{Namespace: "iris", Name: "x", Said: []string{`pods "x" is forbidden: pod rejected: RuntimeClass "kata" not found`}}}
		},
			"gpu runtime", mlops.LevelWarn, "asks for runtime class kata", "remove runtimeClassName"},
		// 9
		"xid": {func(e *Evidence) {
			g := &e.State.GPUs.GPUs[0]
			g.Healthy, g.XID, g.Fault = false, 79, "XID 79: the GPU has fallen off the bus"
		}, "gpu 0", mlops.LevelFail, "XID 79: the GPU has fallen off the bus; no pod gets it until it has recovered; pods on it: iris/train", "power cable"},
		"unknown xid": {func(e *Evidence) { g := &e.State.GPUs.GPUs[0]; g.Healthy, g.XID, g.Fault = false, 999, "XID 999" }, "gpu 0", mlops.LevelFail, "XID 999; no pod gets it", "look the number up"},
		"sick":        {func(e *Evidence) { g := &e.State.GPUs.GPUs[0]; g.Healthy, g.Fault = false, "it does not answer" }, "gpu 0", mlops.LevelFail, "it does not answer; pods on it: iris/train", "benchtop gpu recover 0"},
		"hot":         {func(e *Evidence) { e.State.GPUs.GPUs[0].Fault = "97 °C: it slows down" }, "gpu 0", mlops.LevelWarn, "97 °C", "fans"},
		// 12
		"shared": {func(e *Evidence) { e.State.GPUs.Sharing.Replicas = 4 }, "gpu sharing", mlops.LevelOK, "4 pods share each device in time. Nothing divides its memory", ""},
		"cannot": {func(e *Evidence) { e.State.GPUs.Sharing.Problem = "no such layout" }, "gpu sharing", mlops.LevelWarn, "no such layout", "share --help"},
		// 13
		"cuda": {func(e *Evidence) { e.Pods = []mlops.GPUPod{{Namespace: "iris", Name: "x", CUDA: "13.0"}} }, "gpu cuda", mlops.LevelWarn,
			"the image of pod iris/x was made for CUDA 13.0, driver 550.54.15 can run 12.4", "update the machine's driver"},
		// 14
		"too early": {func(e *Evidence) {
			e.Pods = []mlops.GPUPod{{Namespace: "iris", Name: "x", Reason: "UnexpectedAdmissionError"}}
		}, "gpu pods", mlops.LevelWarn,
			"pod iris/x was started before the GPUs were offered", "benchtop kubectl -n iris delete pod x"},
	} {
		t.Run(name, func(t *testing.T) {
			e := offered()
			c.change(&e)
			for _, f := range Troubles(e) {
				if f.Check == c.check && f.Level == c.level && strings.Contains(f.Detail, c.detail) && strings.Contains(f.Fix, c.fix) {
					return
				}
			}
			t.Errorf("it finds %+v", Troubles(e))
		})
	}
	for _, f := range Troubles(offered()) {
		if f.Level != mlops.LevelOK {
			t.Errorf("a lab that is well has %+v", f)
		}
	}
	if newer("12.8", "12.4") || newer("", "12.4") || newer("12.8", "") {
		t.Error("a minor version, or one that is not known, counts as newer")
	}
}
