package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
)

// What the driver answers is put into words that say what to do.
func TestExplain(t *testing.T) {
	d := &driver{root: "/driver-root", hostRoot: "/opt/nvidia", path: "/driver-root/usr/lib64/libnvidia-ml.so.1"}
	for ret, parts := range map[nvml.Return][]string{
		nvml.ERROR_LIBRARY_NOT_FOUND:       {"can't load the driver's library /opt/nvidia/usr/lib64/libnvidia-ml.so.1", "Install NVIDIA's driver again"},
		nvml.ERROR_LIB_RM_VERSION_MISMATCH: {"/opt/nvidia/usr/lib64/libnvidia-ml.so.1 does not fit the driver in the kernel", "Restart the machine"},
		nvml.ERROR_DRIVER_NOT_LOADED:       {"the kernel module nvidia is not loaded", "modprobe nvidia"},
		nvml.ERROR_NO_PERMISSION:           {"the device nodes /dev/nvidia* can't be opened", "cgroup"},
		nvml.ERROR_GPU_IS_LOST:             {"count the GPUs: ", "a GPU has fallen off the bus", "Restart the machine"},
		nvml.ERROR_UNKNOWN:                 {"count the GPUs: ", "libnvidia-ml.so.1 says ", "run nvidia-smi on the machine"},
	} {
		text := d.explain("count the GPUs", ret).Error()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%d: %q lacks %q", ret, text, part)
			}
		}
	}
	id := identity{index: 3, product: "NVIDIA A100"}
	for ret, part := range map[nvml.Return]string{
		nvml.ERROR_IN_USE:                 "a program has it open, on the machine or in a pod; `nvidia-smi` and `fuser -v /dev/nvidia*` name it",
		nvml.ERROR_RESET_REQUIRED:         "it has to be reset first; run `nvidia-smi --gpu-reset -i 3`, or restart the machine",
		nvml.ERROR_INSUFFICIENT_RESOURCES: "there is no room for it",
	} {
		if text := d.cutError(id, "switch MIG on", ret).Error(); !strings.HasPrefix(text, "GPU 3 (NVIDIA A100), switch MIG on: the driver says ") || !strings.Contains(text, part) {
			t.Errorf("%d: %q lacks %q", ret, text, part)
		}
	}
	for action, part := range map[nvml.DeviceGpuRecoveryAction]string{
		nvml.GPU_RECOVERY_ACTION_GPU_RESET:       "`nvidia-smi --gpu-reset -i 3`",
		nvml.GPU_RECOVERY_ACTION_DRAIN_AND_RESET: "end what uses it",
		nvml.GPU_RECOVERY_ACTION_NODE_REBOOT:     "restart the machine",
		nvml.GPU_RECOVERY_ACTION_DRAIN_P2P:       "several GPUs together",
		99:                                       "recovery action 99",
	} {
		if text := actionWords(action, 3); !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
	}
}

// A GPU that comes or goes is noticed.
func TestRecount(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	n := 0
	lib.DeviceGetCountFunc = func() (int, nvml.Return) {
		lib.mu.Lock()
		defer lib.mu.Unlock()
		return n, nvml.SUCCESS
	}
	w := newWorld(t, lib)
	w.offer(nil)
	w.start()
	w.until("the problem", func() bool {
		_, r := w.do("GET", "/v1/gpus", "")
		return r.GPUs.Problem == "the driver is loaded and finds no GPU: look at `lspci -d 10de:` and `dmesg`"
	})
	w.until("the plugin has nothing", func() bool { return len(w.get().GPUs.Labels) > 0 })
	w.offer(map[string][]string{"nvidia.com/gpu": {gpuA, gpuB}})
	lib.set(func() { n = 2 })
	w.until("both GPUs", func() bool { a := w.get(); return len(a.GPUs.GPUs) == 2 && a.GPUs.Problem == "" })
	w.untilSeen("nvidia.com/gpu", 2, 2)
}

// A GPU that had an error before the agent started is not given out.
func TestErrorBefore(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	lib.action[1] = nvml.GPU_RECOVERY_ACTION_NODE_REBOOT
	w := newWorld(t, lib)
	w.start()
	w.untilSeen("nvidia.com/gpu", 1, 2)
	if g := w.get().GPUs.GPUs[1]; g.Healthy || g.Fault != "it had an error before; the driver asks to restart the machine" {
		t.Errorf("%+v", g)
	}
}

// MIG that needs a reset, as on a GPU whose driver can't do it alone.
func TestResetRequired(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	lib.Devices[0].(*dgxa100.Device).SetMigModeFunc = func(int) (nvml.Return, nvml.Return) { return nvml.SUCCESS, nvml.ERROR_IN_USE }
	lib.Devices[1].(*dgxa100.Device).SetMigModeFunc = func(int) (nvml.Return, nvml.Return) { return nvml.SUCCESS, nvml.SUCCESS }
	w := newWorld(t, lib)
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	for gpu, want := range map[string]string{"0": "switch MIG on: the driver says", "1": "it has to be reset first"} {
		code, r := w.do("PUT", "/v1/mig", `[{"devices":[`+gpu+`],"mig-enabled":true}]`)
		if code != 409 || !strings.Contains(r.Error, "GPU "+gpu) || !strings.Contains(r.Error, want) {
			t.Errorf("%d %s\nexpected %s", code, r.Error, want)
		}
	}
	w.untilSeen("nvidia.com/gpu", 2, 2)
}

// Without the kubelet's answer it is not known who holds what.
func TestHoldersUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	w.kubelet.podServer.Stop()
	if p := w.get().GPUs.Problem; !strings.HasPrefix(p, "which pods hold GPUs is not known: ask the kubelet at ") {
		t.Errorf("%q", p)
	}
	if code, r := w.do("PUT", "/v1/mig", `[{"devices":"all","mig-enabled":true}]`); code != 409 || !strings.HasPrefix(r.Error, "GPUs can't be partitioned while it is not known who holds them: ask the kubelet") {
		t.Errorf("%d %s", code, r.Error)
	}
	if page := scrape(t, w.agent); len(values(page, "benchtop_gpu_healthy", "gpu")) != 2 {
		t.Errorf("the metrics need the kubelet: %s", page)
	}
}

func TestInstallSimulated(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a := &agent{opts: options{gpuDir: filepath.Join(dir, "gpu"), sim: filepath.Join(dir, "sim"), hook: filepath.Join(dir, "hook")}}
	if err := a.installSimulated(); err == nil || !strings.Contains(err.Error(), "has 0 state files lib/firmware/nvidia/<version>/gsp_*.bin, expected 1") {
		t.Error(err)
	}
	if err := a.installHook(); err == nil || !strings.Contains(err.Error(), "copy nvidia-cdi-hook to the host") {
		t.Error(err)
	}
	write("gpu/driver/lib/firmware/nvidia/1.2.3/gsp_x.bin", "state")
	if err := a.installSimulated(); err == nil || !strings.Contains(err.Error(), "copy the simulated driver") {
		t.Error(err)
	}
	for _, name := range []string{"libnvidia-ml.so", "libcuda.so", "nvidia-smi"} {
		write("sim/"+name, name)
	}
	libs := "gpu/driver/usr/lib/" + triplet() + "/"
	write(libs+"libcuda.so.0.9.9", "of another version")
	if err := a.installSimulated(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{libs + "libnvidia-ml.so.1.2.3": "libnvidia-ml.so", libs + "libnvidia-ml.so.1": "libnvidia-ml.so",
		libs + "libcuda.so.1": "libcuda.so", "gpu/driver/usr/bin/nvidia-smi": "nvidia-smi"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, libs, "libcuda.so.0.9.9")); err == nil {
		t.Error("the library of another version is still there")
	}
	// The same again keeps the file: a program that has it open is not disturbed.
	path := filepath.Join(dir, libs, "libnvidia-ml.so.1.2.3")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.installSimulated(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("the library was written again: %v", err)
	}
}

func TestParseLabels(t *testing.T) {
	labels, err := parseLabels("a=1\n\nb=x=y\nc=\n")
	if err != nil || len(labels) != 3 || labels["b"] != "x=y" || labels["c"] != "" {
		t.Errorf("%v %v", labels, err)
	}
	if _, err := parseLabels("nonsense\n"); err == nil || err.Error() != `label "nonsense" of GPU Feature Discovery: expected name=value` {
		t.Error(err)
	}
}
