package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

// simWorld is the agent's program with NVIDIA's own programs and the simulated
// driver, in a mount namespace as its container has.
type simWorld struct {
	world
	cmd      *exec.Cmd
	metrics  string // URL
	simulate io.WriteCloser
	answers  *bufio.Scanner
	log      *bytes.Buffer
}

func build(t *testing.T, dir string, env []string, args ...string) {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// newSimWorld builds everything and makes the simulated GPUs, but does not start
// the agent.
func newSimWorld(t *testing.T, gpus string) *simWorld {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("device nodes and mounts need root: run this as root, as `make test` does")
	}
	dir, err := os.MkdirTemp("", "gpusim")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w := &simWorld{world: world{t: t, dir: dir}, log: &bytes.Buffer{}}
	for _, d := range []string{"bin", "sim", "gpu", "cdi", "tmp", "kubelet/pod-resources"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, "bin") + "/"
	build(t, "..", []string{"CGO_ENABLED=1"}, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./agent",
		"github.com/NVIDIA/k8s-device-plugin/cmd/nvidia-device-plugin", "github.com/NVIDIA/k8s-device-plugin/cmd/gpu-feature-discovery")
	build(t, "../../../..", []string{"CGO_ENABLED=0"}, "go", "build", "-o", bin+"simulate", "./assets/images/gpu/agent/testdata/simulate.go")
	nvml, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}/gen/nvml", "github.com/NVIDIA/go-nvml").Output()
	if err != nil {
		t.Fatal(err)
	}
	build(t, "../sim", nil, "cc", "-shared", "-O1", "-fPIC", "-fvisibility=hidden", "-nostdlib", "-ffreestanding", "-w",
		"-I", strings.TrimSpace(string(nvml)), "-Wl,-soname,libnvidia-ml.so.1", "-o", filepath.Join(dir, "sim/libnvidia-ml.so"), "nvml.c", "stubs.c", "sys.c")
	w.file("sim/libcuda.so", "libcuda")
	w.file("sim/nvidia-smi", "smi")
	w.file("bin/nvidia-cdi-hook", "hook")

	cmd := exec.Command(bin+"simulate", filepath.Join(dir, "gpu/driver"), gpus)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if w.simulate, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.simulate.Close(); cmd.Wait() })
	w.answers = bufio.NewScanner(out)
	w.expectLine("ready")
	w.kubelet = newFakeKubelet(t, filepath.Join(dir, "kubelet"))
	return w
}

func (w *simWorld) expectLine(want string) {
	w.t.Helper()
	if !w.answers.Scan() || w.answers.Text() != want {
		w.t.Fatalf("simulate: %q, expected %q", w.answers.Text(), want)
	}
}

// fault injects or clears a fault.
func (w *simWorld) fault(line string) {
	w.t.Helper()
	fmt.Fprintln(w.simulate, line)
	w.expectLine("done")
}

// start runs the agent as its container does.
func (w *simWorld) start() {
	w.t.Helper()
	const script = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /var/lib
mkdir -p /var/lib/kubelet/device-plugins /var/run/cdi /driver-root
mount --bind "$W/cdi" /var/run/cdi
mount --bind "$W/gpu/driver" /driver-root
mount -o remount,ro,bind /driver-root
exec "$W/bin/agent" -gpu-dir "$W/gpu" -kubelet "$W/kubelet" -temp "$W/tmp" -device-plugin "$W/bin/nvidia-device-plugin" \
	-feature-discovery "$W/bin/gpu-feature-discovery" -cdi-hook "$W/bin/nvidia-cdi-hook" -simulated-files "$W/sim" -metrics "$METRICS" -settling 2s`
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	w.metrics = "http://" + address + "/metrics"
	w.cmd = exec.Command("sh", "-c", script)
	w.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "W=" + w.dir, "HOST_GPU_DIR=/data/gpu", "DRIVER_ROOT=/data/gpu/driver", "NODE_NAME=lab", "SIMULATED=true", "METRICS=" + address}
	w.cmd.Stdout, w.cmd.Stderr = w.log, w.log
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- w.cmd.Wait() }()
	w.stop = func() error {
		w.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-done:
			done <- err
			return err
		case <-time.After(3 * time.Second):
			return fmt.Errorf("the agent did not end within 3 s")
		}
	}
	w.t.Cleanup(func() {
		if err := w.stop(); err != nil {
			w.t.Error(err)
		}
		w.cmd.Process.Kill()
		if w.t.Failed() {
			w.t.Logf("%s", w.log)
		}
	})
}

func (w *simWorld) page() string {
	w.t.Helper()
	res, err := http.Get(w.metrics)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// stable is the answer of GET /v1/gpus but for what differs from run to run.
func (w *simWorld) stable() string {
	w.t.Helper()
	a := w.get()
	a.Generation = 17
	a.GPUs.Labels["nvidia.com/gpu.machine"] = "machine" // this one
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	if err := out.Encode(a); err != nil {
		w.t.Fatal(err)
	}
	return text.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it after `go test -update`. Got:\n%s", path, got)
	}
}

// TestSimulated runs all of it together: NVIDIA's programs, the simulated
// driver, sharing, partitions, errors.
func TestSimulated(t *testing.T) {
	t.Parallel()
	w := newSimWorld(t, "2xA100-80GB")
	begin := time.Now()
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	t.Logf("the GPUs can be allocated after %s", time.Since(begin))
	w.until("labels", func() bool { return w.get().GPUs.Labels["nvidia.com/gpu.product"] != "" })
	cdi, err := filepath.Glob(filepath.Join(w.dir, "cdi/*"))
	if err != nil || len(cdi) != 1 {
		t.Fatalf("CDI specifications: %v %v", cdi, err)
	}
	spec, err := os.ReadFile(cdi[0])
	if err != nil || !strings.Contains(string(spec), "/data/gpu/nvidia-cdi-hook") || !strings.Contains(string(spec), "/data/gpu/driver/dev/nvidia0") {
		t.Errorf("the CDI specification names neither hook nor device of the host: %s %v", spec, err)
	}

	first := w.get().GPUs
	w.kubelet.give("team", "train-0", "nvidia.com/gpu", first.GPUs[0].UUID)
	golden(t, "gpus.json", w.stable())

	w.page()
	page := w.page()
	lint(t, page)
	golden(t, "metrics.txt", regexp.MustCompile(`(?m)^(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION\{.*\}) .*$`).ReplaceAllString(page, "$1 1000"))
	w.kubelet.takeAll()

	// Sharing in time, and an error that taints all replicas.
	if code, r := w.do("PUT", "/v1/config", example); code != 200 || r.GPUs.Labels["nvidia.com/gpu.replicas"] != "4" || r.GPUs.Resources[0].Total != 8 {
		t.Fatalf("%d %s %+v", code, r.Error, r.GPUs)
	}
	w.untilSeen("nvidia.com/gpu", 8, 8)
	w.fault("inject 1 xid 31")
	w.until("XID 31", func() bool { return w.get().GPUs.GPUs[1].XID == 31 })
	w.untilSeen("nvidia.com/gpu", 8, 8)
	w.fault("clear 1")
	w.fault("inject 1 xid 79")
	w.untilSeen("nvidia.com/gpu", 4, 8)
	w.fault("clear 1")
	w.untilSeen("nvidia.com/gpu", 8, 8)
	w.fault("inject 0 ecc")
	w.untilSeen("nvidia.com/gpu", 4, 8)
	w.fault("clear 0")
	w.untilSeen("nvidia.com/gpu", 8, 8)
	w.fault("inject 0 mismatch")
	w.untilSeen("nvidia.com/gpu", 0, 8)
	if p := w.get().GPUs.Problem; !strings.Contains(p, "/data/gpu/driver/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.54.15 does not fit the driver in the kernel") {
		t.Errorf("%q", p)
	}
	w.fault("clear 0")
	w.untilSeen("nvidia.com/gpu", 8, 8)
	w.fault("inject 0 no-uvm")
	w.until("the problem", func() bool {
		return strings.Contains(w.get().GPUs.Problem, "/data/gpu/driver/dev/nvidia-uvm is missing")
	})
	w.fault("clear 0")
	w.until("no problem", func() bool { return w.get().GPUs.Problem == "" })
	w.untilSeen("nvidia.com/gpu", 8, 8)

	// Partitions: both usual layouts, and back.
	if code, r := w.do("PUT", "/v1/config", "version: v1\nflags: {migStrategy: mixed}\n"); code != 200 {
		t.Fatalf("%d %s", code, r.Error)
	}
	w.untilSeen("nvidia.com/gpu", 2, 2)
	if code, r := w.do("PUT", "/v1/mig", `[{"devices":"all","mig-enabled":true,"mig-devices":{"1g.10gb":8}}]`); code != 422 || !strings.Contains(r.Error, "has room for 7 of 1g.10gb, not for 8") {
		t.Errorf("%d %s", code, r.Error)
	}
	if code, r := w.do("PUT", "/v1/mig", `[{"devices":"all","mig-enabled":true,"mig-devices":{"1g.10gb":7}}]`); code != 200 {
		t.Fatalf("%d %s", code, r.Error)
	}
	w.untilSeen("nvidia.com/mig-1g.10gb", 14, 14)
	w.untilSeen("nvidia.com/gpu", 0, 0)
	const unequal = `[{"devices":"all","mig-enabled":true,"mig-devices":{"1g.10gb":2,"2g.20gb":1,"3g.40gb":1}}]`
	code, r := w.do("PUT", "/v1/mig", unequal)
	if code != 200 {
		t.Fatalf("%d %s", code, r.Error)
	}
	w.untilSeen("nvidia.com/mig-1g.10gb", 4, 4)
	w.untilSeen("nvidia.com/mig-2g.20gb", 2, 2)
	w.untilSeen("nvidia.com/mig-3g.40gb", 2, 2)
	if l := r.GPUs.Labels; l["nvidia.com/mig-2g.20gb.count"] != "2" || l["nvidia.com/mig.strategy"] != "mixed" {
		t.Errorf("%v", l)
	}
	part := r.GPUs.GPUs[0].Partitions[0]
	w.kubelet.give("team", "train-0", "nvidia.com/mig-"+part.Profile, part.UUID)
	golden(t, "metrics-mig.txt", strings.Join(values(w.page(), "DCGM_FI_DEV_FB_FREE", "gpu", "GPU_I_PROFILE", "GPU_I_ID", "pod", "simulated"), "\n")+"\n")
	if code, r := w.do("PUT", "/v1/mig", "[]"); code != 409 || !strings.Contains(r.Error, "team/train-0 (GPU 0)") {
		t.Errorf("%d %s", code, r.Error)
	}
	w.untilSeen("nvidia.com/mig-1g.10gb", 0, 4) // no new pod comes while they drain
	if code, r := w.do("PUT", "/v1/mig", unequal); code != 200 {
		t.Errorf("%d %s", code, r.Error)
	}
	w.untilSeen("nvidia.com/mig-1g.10gb", 4, 4)
	w.fault("inject 0 xid 48")
	w.untilSeen("nvidia.com/mig-1g.10gb", 2, 4)
	w.untilSeen("nvidia.com/mig-3g.40gb", 1, 2)
	w.until("what to do", func() bool { return strings.Contains(w.get().GPUs.GPUs[0].Fault, "; the driver asks for a reset") })
	golden(t, "gpus-mig.json", w.stable())
	w.fault("clear 0")
	w.untilSeen("nvidia.com/mig-1g.10gb", 4, 4)
	w.kubelet.takeAll()

	// A strategy that this layout does not allow: the one before stays.
	if code, r := w.do("PUT", "/v1/config", "flags: {migStrategy: single}"); code != 422 || r.Error == "" {
		t.Errorf("%d %+v", code, r)
	} else {
		t.Logf("NVIDIA's words: %s", r.Error)
	}
	w.untilSeen("nvidia.com/mig-3g.40gb", 2, 2)
	if code, r := w.do("PUT", "/v1/mig", "[]"); code != 200 || r.GPUs.GPUs[1].MIG != "Disabled" {
		t.Errorf("%d %s", code, r.Error)
	}
	w.untilSeen("nvidia.com/gpu", 2, 2)
	w.untilSeen("nvidia.com/mig-3g.40gb", 0, 0)

	// From parts of one size to others: the strategy of before does not allow it.
	for _, step := range []struct{ path, body string }{
		{"/v1/mig", `[{"devices":"all","mig-enabled":true,"mig-devices":{"1g.10gb":7}}]`},
		{"/v1/config", "flags: {migStrategy: single}"},
	} {
		if code, r := w.do("PUT", step.path, step.body); code != 200 {
			t.Fatalf("%d %s", code, r.Error)
		}
	}
	w.untilSeen("nvidia.com/gpu", 14, 14)
	if code, r := w.do("PUT", "/v1/mig", `[{"devices":"all","mig-enabled":true,"mig-devices":{"3g.40gb":1,"2g.20gb":2}}]`); code != 200 || r.GPUs.Sharing.MIGStrategy != "mixed" {
		t.Errorf("%d %s %+v", code, r.Error, r.GPUs.Sharing)
	}
	w.untilSeen("nvidia.com/mig-2g.20gb", 4, 4)
	if code, r := w.do("PUT", "/v1/mig", "[]"); code != 200 {
		t.Errorf("%d %s", code, r.Error)
	}
	w.untilSeen("nvidia.com/gpu", 2, 2)

	// Another library in the driver's place: the same process starts anew.
	generation := w.get().Generation
	lib := filepath.Join(w.dir, "gpu/driver/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.54.15")
	if err := os.Chtimes(lib, time.Time{}, begin); err != nil {
		t.Fatal(err)
	}
	w.until("a new start", func() bool {
		code, r := w.do("GET", "/v1/gpus", "")
		return code == 200 && r.Generation > generation+1000 && r.Plugin.Running && len(r.GPUs.GPUs) == 2
	})
	w.untilSeen("nvidia.com/gpu", 2, 2)

	// The whole agent ends within 3 s, and the plugin with it.
	if err := w.stop(); err != nil {
		t.Error(err)
	}
}

// TestProfile reads the counters of a GPU that has them, by NVIDIA's own binding.
func TestProfile(t *testing.T) {
	t.Parallel()
	w := newSimWorld(t, "1xH100")
	w.start()
	w.untilSeen("nvidia.com/gpu", 1, 1)
	w.fault("load 0 50")
	w.page() // the counters are of the time since the scrape before
	time.Sleep(300 * time.Millisecond)
	page := w.page()
	for _, name := range []string{"GR_ENGINE_ACTIVE", "PIPE_TENSOR_ACTIVE", "DRAM_ACTIVE", "PCIE_TX_BYTES", "PCIE_RX_BYTES"} {
		m := regexp.MustCompile(`(?m)^DCGM_FI_PROF_` + name + `\{.*\} (.*)$`).FindStringSubmatch(page)
		if m == nil {
			t.Errorf("%s is missing:\n%s", name, page)
			continue
		}
		v, err := strconv.ParseFloat(m[1], 64)
		if ratio := !strings.HasPrefix(name, "PCIE"); err != nil || v <= 0 || ratio && v > 1 || name == "GR_ENGINE_ACTIVE" && (v < 0.4 || v > 0.6) {
			t.Errorf("%s is %s of a GPU that is half busy", name, m[1])
		}
	}
}
