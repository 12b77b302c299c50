package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/dgxa100"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

func TestStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	w.until("labels", func() bool { return w.get().GPUs.Labels["nvidia.com/gpu.present"] == "true" })
	a := w.get()
	if a.GPUs.Problem != "" || !a.Plugin.Running || a.Plugin.Error != "" {
		t.Errorf("unexpected trouble: %q %+v", a.GPUs.Problem, a.Plugin)
	}
	if len(a.GPUs.GPUs) != 2 || a.GPUs.GPUs[1].UUID != gpuB || !a.GPUs.GPUs[1].Healthy {
		t.Errorf("GPUs: %+v", a.GPUs.GPUs)
	}
	if want := (gpuOffer{Name: "nvidia.com/gpu", Total: 2, Healthy: 2}); !slices.Contains(a.GPUs.Resources, want) {
		t.Errorf("resources: %+v, expected %+v", a.GPUs.Resources, want)
	}
	if text, err := os.ReadFile(filepath.Join(w.dir, "gpu", hookName)); err != nil || string(text) != "hook" {
		t.Errorf("the hook on the host: %q %v", text, err)
	}
	if info, err := os.Stat(filepath.Join(w.dir, "gpu/agent.sock")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("agent.sock: %v %v, expected mode 0600", info, err)
	}
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(w.dir, "kubelet/device-plugins/nvidia*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// The program says what it lacks.
func TestUsage(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "gpu-agent")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		env, args []string
		want      string
	}{
		{nil, []string{"now"}, `unexpected argument "now": there are flags only, see -help`},
		{[]string{"DRIVER_ROOT=/"}, nil, "the environment variable HOST_GPU_DIR is missing: expected a folder of the host"},
		{[]string{"HOST_GPU_DIR=/gpu"}, nil, "the environment variable DRIVER_ROOT is missing: expected a folder of the host"},
		{[]string{"DRIVER_ROOT=/", "HOST_GPU_DIR=/gpu"}, []string{"-cdi-hook", "/nowhere"}, "copy nvidia-cdi-hook to the host: open /nowhere: no such file or directory"},
	} {
		cmd := exec.Command(link, test.args...)
		cmd.Env = append([]string{"PATH=/bin"}, test.env...)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), test.want) {
			t.Errorf("%v %v: %v %s\nexpected %s", test.env, test.args, err, out, test.want)
		}
	}
}

func TestPassThrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	c := w.kubelet.client(t, "nvidia.com/gpu")
	ctx := context.Background()
	o, err := c.GetDevicePluginOptions(ctx, &pluginapi.Empty{})
	if err != nil || !o.GetPreferredAllocationAvailable {
		t.Errorf("options %v %v", o, err)
	}
	p, err := c.GetPreferredAllocation(ctx, &pluginapi.PreferredAllocationRequest{ContainerRequests: []*pluginapi.ContainerPreferredAllocationRequest{
		{AvailableDeviceIDs: []string{gpuA, gpuB}, AllocationSize: 1}}})
	if err != nil || p.ContainerResponses[0].DeviceIDs[0] != gpuB {
		t.Errorf("preferred %v %v", p, err)
	}
	a, err := c.Allocate(ctx, &pluginapi.AllocateRequest{ContainerRequests: []*pluginapi.ContainerAllocateRequest{{DevicesIds: []string{gpuB}}}})
	if err != nil || a.ContainerResponses[0].CdiDevices[0].Name != "k8s.device-plugin.nvidia.com/gpu="+gpuB {
		t.Errorf("allocated %v %v", a, err)
	}
	if _, err := c.PreStartContainer(ctx, &pluginapi.PreStartContainerRequest{}); err == nil {
		t.Error("PreStartContainer: the plugin's error is lost")
	}
}

func TestKubeletRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	w.kubelet.end()
	w.kubelet.start(t)
	w.untilSeen("nvidia.com/gpu", 2, 2)
	if n := w.kubelet.count["nvidia.com/gpu"]; n < 2 {
		t.Errorf("registered %d times", n)
	}
	if a := w.get(); a.Plugin.Restarts != 0 {
		t.Errorf("the plugin was restarted %d times", a.Plugin.Restarts)
	}
}

func TestPluginCrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	killPlugin(t, w)
	w.until("how the plugin ended", func() bool { s := w.get().Plugin; return s.Error == "signal: killed" || s.Restarts > 0 })
	w.until("the plugin runs again", func() bool { s := w.get().Plugin; return s.Running && s.Error == "" && s.Restarts == 1 })
	w.untilSeen("nvidia.com/gpu", 2, 2)
	w.file("bin/fail", "error starting plugins: the moon is full")
	killPlugin(t, w)
	w.until("the plugin's last words", func() bool {
		return strings.Contains(w.get().Plugin.Error, "error starting plugins: the moon is full (exit status 1)")
	})
	w.untilSeen("nvidia.com/gpu", 0, 2)
	w.remove("bin/fail")
	w.untilSeen("nvidia.com/gpu", 2, 2)
	w.until("the plugin runs again", func() bool {
		s := w.get().Plugin
		return s.Running && s.Error == "" && s.Restarts >= 2
	})
}

func killPlugin(t *testing.T, w *world) {
	t.Helper()
	w.plugin.mu.Lock()
	pid := w.plugin.pid
	w.plugin.mu.Unlock()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func TestLastWords(t *testing.T) {
	for text, want := range map[string]string{
		"": "exit status 1",
		"I1127 12:00:00.000000       1 main.go:1] Starting\n": "exit status 1",
		"E1127 12:00:00.000000       1 main.go:1] first\nE1127 12:00:00.000000       1 main.go:1] second\nI1127 12:00:00.000000       1 main.go:1] bye\n": "second (exit status 1)",
		"I1127 12:00:00.000000       1 main.go:1] Starting\npanic: at the disco\n\ngoroutine 1 [running]:\nmain.main()\n":                                 "panic: at the disco (exit status 1)",
		"/usr/bin/x: error while loading shared libraries: libc.so.6\n":                                                                                   "/usr/bin/x: error while loading shared libraries: libc.so.6 (exit status 1)",
	} {
		words := &lastWords{quiet: true}
		words.copy(strings.NewReader(text), nil)
		if got := words.explain(errors.New("exit status 1")).Error(); got != want {
			t.Errorf("%q: %q, expected %q", text, got, want)
		}
	}
}

func TestSharing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	const four = "version: v1\nsharing:\n  timeSlicing:\n    resources:\n    - name: nvidia.com/gpu\n      replicas: 4\n"
	code, r := w.do("PUT", "/v1/config", four)
	if code != 200 {
		t.Fatalf("%d %s", code, r.Error)
	}
	if r.GPUs.Sharing.Replicas != 4 || r.GPUs.Resources[0].Total != 8 || r.GPUs.Labels["nvidia.com/gpu.replicas"] != "4" {
		t.Errorf("%+v", r.GPUs)
	}
	w.untilSeen("nvidia.com/gpu", 8, 8)

	// The plugin refuses: the configuration before is in force again.
	w.file("bin/refuse-strategy", "single")
	code, r = w.do("PUT", "/v1/config", "version: v1\nflags: {migStrategy: single}\n")
	if code != 422 || !strings.Contains(r.Error, "strategy single is refused") {
		t.Errorf("%d %s", code, r.Error)
	}
	w.untilSeen("nvidia.com/gpu", 8, 8)
	if s := w.get().GPUs.Sharing; s.Replicas != 4 || s.MIGStrategy != "none" {
		t.Errorf("%+v", s)
	}

	// The format is checked first.
	code, r = w.do("PUT", "/v1/config", "version: v1\nsharing: {timeSlicing: {}}\n")
	if code != 422 || !strings.Contains(r.Error, "sharing.timeSlicing.resources: it is missing") {
		t.Errorf("%d %s", code, r.Error)
	}

	if code, r = w.do("PUT", "/v1/config", ""); code != 200 || r.GPUs.Sharing.Replicas != 1 {
		t.Errorf("%d %+v", code, r)
	}
	w.untilSeen("nvidia.com/gpu", 2, 2)
	if _, err := os.Stat(filepath.Join(w.dir, "gpu/config.yaml")); err == nil {
		t.Error("config.yaml is there without a configuration")
	}
}

// A resource that is not offered any more has no devices for the kubelet.
func TestResourceEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	w.offer(map[string][]string{"nvidia.com/mig-1g.10gb": {"MIG-1", "MIG-2"}})
	code, r := w.do("PUT", "/v1/config", "flags: {migStrategy: mixed}")
	if code != 200 {
		t.Fatalf("%d %s", code, r.Error)
	}
	w.untilSeen("nvidia.com/gpu", 0, 0)
	w.untilSeen("nvidia.com/mig-1g.10gb", 2, 2)
	if len(r.GPUs.Resources) != 1 || r.GPUs.Resources[0].Name != "nvidia.com/mig-1g.10gb" {
		t.Errorf("%+v", r.GPUs.Resources)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "kubelet/device-plugins/nvidia-gpu.sock")); err == nil {
		t.Error("nvidia-gpu.sock is still there")
	}
	// Nothing at all is an answer too.
	w.offer(nil)
	if code, r = w.do("PUT", "/v1/config", ""); code != 200 || len(r.GPUs.Resources) != 0 {
		t.Errorf("%d %+v", code, r)
	}
	w.untilSeen("nvidia.com/mig-1g.10gb", 0, 0)
}

func TestHealth(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	w := newWorld(t, lib)
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	if code, r := w.do("PUT", "/v1/config", "sharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 3}]}}"); code != 200 {
		t.Fatal(r.Error)
	}
	w.untilSeen("nvidia.com/gpu", 6, 6)

	// An error of a program taints nothing.
	lib.events <- nvml.EventData{Device: lib.Devices[0], EventType: nvml.EventTypeXidCriticalError, EventData: 31}
	w.until("XID 31", func() bool { return w.get().GPUs.GPUs[0].XID == 31 })
	if g := w.get().GPUs.GPUs[0]; !g.Healthy || g.Fault != "" {
		t.Errorf("%+v", g)
	}

	// An error of the GPU taints all its replicas at once.
	lib.set(func() { lib.action[0] = nvml.GPU_RECOVERY_ACTION_GPU_RESET })
	lib.events <- nvml.EventData{Device: lib.Devices[0], EventType: nvml.EventTypeXidCriticalError, EventData: 79}
	w.untilSeen("nvidia.com/gpu", 3, 6)
	w.until("what to do", func() bool {
		g := w.get().GPUs.GPUs[0]
		return !g.Healthy && g.XID == 79 && strings.HasPrefix(g.Fault, "XID 79: the GPU has fallen off the bus; the driver asks for a reset:")
	})
	if g := w.get().GPUs.GPUs[1]; !g.Healthy {
		t.Errorf("%+v", g)
	}
	if o := w.get().GPUs.Resources[0]; o.Healthy != 3 || o.Total != 6 {
		t.Errorf("%+v", o)
	}

	// Recovery heals all, without a restart.
	lib.set(func() { lib.action[0] = nvml.GPU_RECOVERY_ACTION_NONE })
	w.untilSeen("nvidia.com/gpu", 6, 6)
	if g := w.get().GPUs.GPUs[0]; !g.Healthy || g.Fault != "" {
		t.Errorf("%+v", g)
	}
	if r := w.get().Plugin.Restarts; r != 0 {
		t.Errorf("%d restarts", r)
	}

	// A lost GPU heals when it answers again.
	lib.set(func() { lib.lost[1] = true })
	w.untilSeen("nvidia.com/gpu", 3, 6)
	lib.set(func() { lib.lost[1] = false })
	w.untilSeen("nvidia.com/gpu", 6, 6)
}

// An older driver does not say whether a GPU has recovered: the user does.
func TestRecover(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	lib.noAction = true
	w := newWorld(t, lib)
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	lib.events <- nvml.EventData{Device: lib.Devices[1], EventType: nvml.EventTypeXidCriticalError, EventData: 48}
	w.untilSeen("nvidia.com/gpu", 1, 2)
	lib.set(func() { lib.lost[1] = true })
	if code, r := w.do("POST", "/v1/gpus/"+gpuB+"/recover", ""); code != 409 || !strings.Contains(r.Error, "the driver still can't reach it") {
		t.Errorf("%d %s", code, r.Error)
	}
	lib.set(func() { lib.lost[1] = false })
	if code, r := w.do("POST", "/v1/gpus/GPU-none/recover", ""); code != 404 || !strings.Contains(r.Error, "GPU-none: there is no such GPU") {
		t.Errorf("%d %s", code, r.Error)
	}
	if code, r := w.do("POST", "/v1/gpus/"+gpuB+"/recover", ""); code != 200 || !r.GPUs.GPUs[1].Healthy {
		t.Errorf("%d %+v", code, r)
	}
	w.untilSeen("nvidia.com/gpu", 2, 2)
}

func TestDriverMismatch(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	lib.initRet = nvml.ERROR_LIB_RM_VERSION_MISMATCH
	w := newWorld(t, lib)
	w.file("driver/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19\n")
	w.start()
	w.until("the problem", func() bool {
		_, r := w.do("GET", "/v1/gpus", "")
		return strings.Contains(r.GPUs.Problem, "does not fit the driver in the kernel")
	})
	a := w.get()
	for _, part := range []string{"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", "version 535.104.05", "Restart the machine"} {
		if !strings.Contains(a.GPUs.Problem, part) {
			t.Errorf("%q lacks %q", a.GPUs.Problem, part)
		}
	}
	if a.Plugin.Running {
		t.Error("the plugin runs without a driver")
	}
	if code, r := w.do("PUT", "/v1/config", "flags: {migStrategy: mixed}"); code != 503 || r.Error != a.GPUs.Problem {
		t.Errorf("%d %s", code, r.Error)
	}
	if code, r := w.do("PUT", "/v1/mig", `[{"devices":"all","mig-enabled":true}]`); code != 503 || r.Error != a.GPUs.Problem {
		t.Errorf("%d %s", code, r.Error)
	}
	lib.set(func() { lib.initRet = nvml.SUCCESS })
	w.untilSeen("nvidia.com/gpu", 2, 2)

	// Later too: no pod gets a GPU that its library can't reach.
	lib.set(func() { lib.initRet = nvml.ERROR_LIB_RM_VERSION_MISMATCH })
	w.untilSeen("nvidia.com/gpu", 0, 2)
	if a := w.get(); !strings.Contains(a.GPUs.Problem, "does not fit") || a.GPUs.GPUs[0].Healthy {
		t.Errorf("%+v", a.GPUs)
	}
	lib.set(func() { lib.initRet = nvml.SUCCESS })
	w.untilSeen("nvidia.com/gpu", 2, 2)
}

func TestNoDriver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.remove("driver/usr/lib/x86_64-linux-gnu/" + nvmlName)
	w.start()
	w.until("the problem", func() bool {
		_, r := w.do("GET", "/v1/gpus", "")
		return strings.Contains(r.GPUs.Problem, "libnvidia-ml.so.1 was not found below /: looked in usr/lib/x86_64-linux-gnu")
	})
	w.file("driver/usr/lib64/"+nvmlName, "library")
	w.untilSeen("nvidia.com/gpu", 2, 2)
}

// Debian's driver is reached by absolute links, which mean the host's root.
func TestLibraryLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.remove("driver/usr/lib/x86_64-linux-gnu/" + nvmlName)
	w.file("driver/usr/lib/x86_64-linux-gnu/nvidia/current/"+nvmlName, "library")
	if err := os.Symlink("/usr/lib/x86_64-linux-gnu/nvidia/current/"+nvmlName, filepath.Join(w.dir, "driver/usr/lib/x86_64-linux-gnu", nvmlName)); err != nil {
		t.Fatal(err)
	}
	path, err := w.driver.library()
	if want := filepath.Join(w.dir, "driver/usr/lib/x86_64-linux-gnu/nvidia/current", nvmlName); err != nil || path != want {
		t.Errorf("%s %v, expected %s", path, err, want)
	}
}

func TestMissingNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.remove("driver/dev/nvidia-uvm")
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	if p := w.get().GPUs.Problem; !strings.Contains(p, "/dev/nvidia-uvm is missing") || !strings.Contains(p, "nvidia-modprobe -u -c 0") {
		t.Errorf("%q", p)
	}
	w.plugin.mu.Lock()
	before := w.plugin.pid
	w.plugin.mu.Unlock()
	w.file("driver/dev/nvidia-uvm", "")
	w.until("a new plugin, which names the node in its CDI specification", func() bool {
		w.plugin.mu.Lock()
		defer w.plugin.mu.Unlock()
		return w.plugin.pid != before
	})
	w.until("no problem", func() bool { return w.get().GPUs.Problem == "" })
	w.untilSeen("nvidia.com/gpu", 2, 2)
}

// Another library in the driver's place needs a new process.
func TestDriverReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	w.file("driver/usr/lib/x86_64-linux-gnu/"+nvmlName, "another library")
	select {
	case err := <-done:
		if err != errReplaced {
			t.Errorf("%v, expected %v", err, errReplaced)
		}
	case <-time.After(10 * time.Second):
		t.Error("the agent did not notice")
	}
}

func TestDiscoveryFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.file("bin/gfd-fail", "error generating labels: no ink")
	w.start()
	w.until("the problem", func() bool {
		_, r := w.do("GET", "/v1/gpus", "")
		return r.GPUs.Problem == "GPU Feature Discovery failed, so the node's labels are old: error generating labels: no ink (exit status 1)"
	})
	w.untilSeen("nvidia.com/gpu", 2, 2)
}

// Labels describe one kind of GPU, and always the same.
func TestSeveralKinds(t *testing.T) {
	t.Parallel()
	f := newFakeNVML()
	f.Devices[1].(*dgxa100.Device).GetNameFunc = func() (string, nvml.Return) { return "NVIDIA  L4 (rev. 2)", nvml.SUCCESS }
	w := newWorld(t, f)
	w.file("bin/gfd-products", "NVIDIA-A100-SXM4-40GB\nNVIDIA-A100-SXM4-40GB\nNVIDIA-L4-rev.-2-SHARED")
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	w.until("labels", func() bool { return len(w.get().GPUs.Labels) > 0 })
	if got := w.get().GPUs.Labels[labelProduct]; got != "NVIDIA-L4-rev.-2-SHARED" {
		t.Errorf("the labels describe %q, expected the kind that comes last", got)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newFakeNVML())
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	w.until("labels", func() bool { return len(w.get().GPUs.Labels) > 0 })
	now := w.get().Generation
	begin := time.Now()
	if _, r := w.do("GET", "/v1/gpus?wait=200ms&since="+itoa(now), ""); r.Generation != now || time.Since(begin) < 200*time.Millisecond {
		t.Errorf("generation %d after %s, expected %d after 200 ms", r.Generation, time.Since(begin), now)
	}
	got := make(chan int64, 1)
	go func() {
		_, r := w.do("GET", "/v1/gpus?wait=60s&since="+itoa(now), "")
		got <- r.Generation
	}()
	time.Sleep(50 * time.Millisecond)
	w.bump()
	select {
	case g := <-got:
		if g == now {
			t.Error("it answered with the same generation")
		}
	case <-time.After(5 * time.Second):
		t.Error("it does not answer although something changed")
	}
	for path, want := range map[string]string{
		"/v1/gpus?since=x":         "since=x: expected the generation",
		"/v1/gpus?since=1&wait=x":  "wait=x: expected a time such as 60s",
		"/v1/gpus?since=1&wait=9h": "wait=9h: expected a time such as 60s, 5m0s at most",
	} {
		if code, r := w.do("GET", path, ""); code != 400 || !strings.Contains(r.Error, want) {
			t.Errorf("%s: %d %s", path, code, r.Error)
		}
	}
	if code, r := w.do("DELETE", "/v1/gpus", ""); code != 404 || !strings.Contains(r.Error, "expected GET /v1/gpus") {
		t.Errorf("%d %s", code, r.Error)
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// TestDeviceNodesOfOtherRoots: the plugin would look for the nodes below the
// driver's root, where a driver outside of the usual folders has none.
func TestDeviceNodesOfOtherRoots(t *testing.T) {
	for _, c := range []struct {
		dev  bool // the root has device nodes
		want string
	}{{true, "/host/driver"}, {false, "/"}} {
		root := t.TempDir()
		if c.dev {
			if err := os.Mkdir(filepath.Join(root, "dev"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		a := newAgent(options{gpuDir: t.TempDir(), driverRoot: root, hostRoot: "/host/driver", hostGPUDir: "/data/gpu"})
		if args := a.pluginArgs(); !slices.Contains(args, "--nvidia-dev-root="+c.want) || !slices.Contains(args, "--nvidia-driver-root=/host/driver") {
			t.Errorf("with nodes: %t: arguments %q, expected --nvidia-dev-root=%s", c.dev, args, c.want)
		}
	}
}

// TestLateAction: the driver says a little after an error which recovery it
// wants, or wants one without an error.
func TestLateAction(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	w := newWorld(t, lib)
	w.health.settling = 3 * time.Second
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)

	// NONE right after an error is not recovery.
	begin := time.Now()
	lib.events <- nvml.EventData{Device: lib.Devices[0], EventType: nvml.EventTypeXidCriticalError, EventData: 62}
	w.untilSeen("nvidia.com/gpu", 1, 2)
	w.untilSeen("nvidia.com/gpu", 2, 2)
	if took := time.Since(begin); took < w.health.settling {
		t.Errorf("the GPU is given out %s after its error, expected %s at least", took, w.health.settling)
	}
	if g := w.get().GPUs.GPUs[0]; !g.Healthy || g.Fault != "" || g.XID != 62 {
		t.Errorf("%+v", g)
	}

	// An action that appears taints a healthy GPU; another one changes the words.
	lib.set(func() { lib.action[1] = nvml.GPU_RECOVERY_ACTION_GPU_RESET })
	w.untilSeen("nvidia.com/gpu", 1, 2)
	const reset = "the driver asks for a reset: end what uses it, then run `nvidia-smi --gpu-reset -i 1` or restart the machine"
	if g := w.get().GPUs.GPUs[1]; g.Healthy || g.Fault != reset {
		t.Errorf("%+v", g)
	}
	lib.set(func() { lib.action[1] = nvml.GPU_RECOVERY_ACTION_NODE_REBOOT })
	w.until("the other words", func() bool { return w.get().GPUs.GPUs[1].Fault == "the driver asks to restart the machine" })
	lib.set(func() { lib.action[1] = nvml.GPU_RECOVERY_ACTION_NONE })
	w.untilSeen("nvidia.com/gpu", 2, 2)

	// The user overrules an action, until there is another.
	lib.set(func() { lib.action[1] = nvml.GPU_RECOVERY_ACTION_GPU_RESET })
	w.untilSeen("nvidia.com/gpu", 1, 2)
	if code, r := w.do("POST", "/v1/gpus/"+gpuB+"/recover", ""); code != 200 || !r.GPUs.GPUs[1].Healthy {
		t.Errorf("%d %+v", code, r)
	}
	time.Sleep(beat * 5 / 2)
	if g := w.get().GPUs.GPUs[1]; !g.Healthy || g.Fault != "" {
		t.Errorf("what the user said lasts not: %+v", g)
	}
	lib.set(func() { lib.action[1] = nvml.GPU_RECOVERY_ACTION_NODE_REBOOT })
	w.untilSeen("nvidia.com/gpu", 1, 2)
	lib.set(func() { lib.action[1] = nvml.GPU_RECOVERY_ACTION_NONE })
	w.untilSeen("nvidia.com/gpu", 2, 2)
	lib.set(func() { lib.action[1] = nvml.GPU_RECOVERY_ACTION_GPU_RESET })
	w.untilSeen("nvidia.com/gpu", 1, 2)
}
