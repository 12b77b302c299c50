package simulated

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	plugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// cuda is the newest version of CUDA that a driver of this version runs.
const cuda = "12.4"

// host is a mount namespace in which NVIDIA's programs see the simulated driver, as the GPU pod sets it up.
type host struct {
	t       *testing.T
	d       *Driver
	plugins string // becomes /var/lib/kubelet/device-plugins
	cdi     string // becomes /var/run/cdi
}

func newHost(t *testing.T, d *Driver) *host {
	return &host{t: t, d: d, plugins: t.TempDir(), cdi: t.TempDir()}
}

func (h *host) command(ctx context.Context, env, program string, args ...string) *exec.Cmd {
	lib := h.t.TempDir()
	if err := os.Symlink(h.d.library(), filepath.Join(lib, "libnvidia-ml.so.1")); err != nil {
		h.t.Fatal(err)
	}
	script := fmt.Sprintf(`set -e
mount -t tmpfs t /var/lib
mkdir -p /var/lib/kubelet/device-plugins
mount --bind %s /var/lib/kubelet/device-plugins
mount -t tmpfs t /run
mkdir /run/cdi
mount --bind %s /run/cdi
mount --bind %s /proc/driver
export LD_LIBRARY_PATH=%s %s
exec "$@"`, h.plugins, h.cdi, h.d.path("proc/driver"), lib, env)
	return exec.CommandContext(ctx, "unshare", append([]string{"-m", "sh", "-c", script, "sh", program}, args...)...)
}

// labels runs GPU Feature Discovery.
func (h *host) labels(strategy string) map[string]string {
	h.t.Helper()
	file := filepath.Join(h.t.TempDir(), "labels")
	program := goProgram(h.t, "github.com/NVIDIA/k8s-device-plugin/cmd/gpu-feature-discovery")
	cmd := h.command(context.Background(), "", program, "--oneshot", "--use-node-feature-api=false", "--no-timestamp", "--output-file="+file, "--mig-strategy="+strategy)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("GPU Feature Discovery: %v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		h.t.Fatal(err)
	}
	labels := map[string]string{}
	for _, line := range strings.Fields(string(data)) {
		key, value, _ := strings.Cut(line, "=")
		labels[strings.TrimPrefix(key, "nvidia.com/")] = value
	}
	return labels
}

// TestLabels runs NVIDIA's GPU Feature Discovery for every kind.
func TestLabels(t *testing.T) {
	for _, k := range Kinds {
		got := newHost(t, open(t, "2x"+k.Name)).labels("none")
		want := map[string]string{
			"gpu.product": strings.ReplaceAll(k.Product, " ", "-"), "gpu.count": "2", "gpu.memory": fmt.Sprint(k.MemoryMiB),
			"gpu.compute.major": fmt.Sprint(k.capability[0]), "gpu.compute.minor": fmt.Sprint(k.capability[1]),
			"gpu.family":   map[uint32]string{turing: "turing", ampere: "ampere", ada: "ada-lovelace", hopper: "hopper"}[k.architecture],
			"gpu.replicas": "1", "mig.capable": fmt.Sprint(len(k.Profiles) > 0), "cuda.driver-version.full": Version, "cuda.runtime-version.full": cuda,
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s: label %s is %q, expected %q", k.Name, key, got[key], value)
			}
		}
	}
}

// kubelet is the part of a kubelet that device plugins register with.
type kubelet struct {
	plugin.UnimplementedRegistrationServer
	mu        sync.Mutex
	endpoints map[string]string // by resource
}

func (k *kubelet) Register(_ context.Context, r *plugin.RegisterRequest) (*plugin.Empty, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.endpoints[r.ResourceName] = r.Endpoint
	return &plugin.Empty{}, nil
}

func (k *kubelet) registered() map[string]string {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[string]string{}
	for name, endpoint := range k.endpoints {
		out[name] = endpoint
	}
	return out
}

type cdiEdits struct {
	DeviceNodes []struct{ Path, HostPath string }
	Mounts      []struct{ HostPath, ContainerPath string }
	Hooks       []struct{ Path string }
}

type cdiSpec struct {
	Kind           string
	ContainerEdits cdiEdits
	Devices        []struct {
		Name           string
		ContainerEdits cdiEdits
	}
}

// TestPlugin runs NVIDIA's device plugin as the GPU pod does: it offers whole GPUs and parts, and writes a CDI
// specification of which every file is there.
func TestPlugin(t *testing.T) {
	d := open(t, "2xA100-80GB,L4")
	probe(t, d, "cut", "1", "3g.40gb", "2g.20gb", "2g.20gb")
	h := newHost(t, d)
	hook := filepath.Join(t.TempDir(), "nvidia-cdi-hook")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	k := &kubelet{endpoints: map[string]string{}}
	listener, err := net.Listen("unix", filepath.Join(h.plugins, "kubelet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	plugin.RegisterRegistrationServer(server, k)
	go server.Serve(listener)
	defer server.Stop()

	program := goProgram(t, "github.com/NVIDIA/k8s-device-plugin/cmd/nvidia-device-plugin") // may take long
	goProgram(t, "github.com/NVIDIA/k8s-device-plugin/cmd/gpu-feature-discovery")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var log strings.Builder
	cmd := h.command(ctx, "DP_DISABLE_HEALTHCHECKS=all", program,
		"--device-list-strategy=cdi-cri", "--nvidia-driver-root="+d.dir, "--driver-root-ctr-path="+d.dir, "--nvidia-cdi-hook-path="+hook, "--fail-on-init-error=true", "--mig-strategy=mixed")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	want := []string{"nvidia.com/gpu", "nvidia.com/mig-2g.20gb", "nvidia.com/mig-3g.40gb"}
	for !slices.Equal(sorted(k.registered()), want) {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the plugin ended: %v", err)
		case <-ctx.Done():
			t.Fatalf("the plugin offers %v, expected %v", sorted(k.registered()), want)
		case <-time.After(20 * time.Millisecond):
		}
	}
	devices := map[string][]string{}
	for resource, endpoint := range k.registered() {
		conn, err := grpc.NewClient("unix://"+filepath.Join(h.plugins, endpoint), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		client := plugin.NewDevicePluginClient(conn)
		stream, err := client.ListAndWatch(ctx, &plugin.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		list, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, dev := range list.Devices {
			if dev.Health != plugin.Healthy {
				t.Errorf("%s is %s", dev.ID, dev.Health)
			}
			ids = append(ids, dev.ID)
		}
		slices.Sort(ids)
		devices[resource] = ids
		answer, err := client.Allocate(ctx, &plugin.AllocateRequest{ContainerRequests: []*plugin.ContainerAllocateRequest{{DevicesIds: ids[:1]}}})
		if err != nil {
			t.Fatal(err)
		}
		if cdi := answer.ContainerResponses[0].CdiDevices; len(cdi) != 1 || cdi[0].Name != "k8s.device-plugin.nvidia.com/gpu="+ids[0] {
			t.Errorf("for %s a container gets %v", ids[0], cdi)
		}
		preferred, err := client.GetPreferredAllocation(ctx, &plugin.PreferredAllocationRequest{
			ContainerRequests: []*plugin.ContainerPreferredAllocationRequest{{AvailableDeviceIDs: ids, AllocationSize: int32(len(ids))}}})
		if err != nil || len(preferred.ContainerResponses[0].DeviceIDs) != len(ids) {
			t.Errorf("preferred of all %s: %v (%v)", resource, preferred, err)
		}
	}
	if got, want := fmt.Sprint(devices), "map[nvidia.com/gpu:[GPU-51b00000-0002-4000-8000-000000000000 GPU-51b00000-0005-4000-8000-000000000002]"+
		" nvidia.com/mig-2g.20gb:[MIG-51b00000-0002-5304-8000-000000000001 MIG-51b00000-0002-5404-8000-000000000001]"+
		" nvidia.com/mig-3g.40gb:[MIG-51b00000-0002-5205-8000-000000000001]]"; got != want {
		t.Errorf("the devices are\n%s\nexpected\n%s", got, want)
	}
	checkCDI(t, d, h.cdi, hook)

	labels := h.labels("mixed")
	// Of two kinds it describes either.
	if kind := labels["gpu.product"] + " " + labels["gpu.count"]; kind != "NVIDIA-L4 1" && kind != "NVIDIA-A100-SXM4-80GB 2" {
		t.Errorf("the labels describe GPUs as %q, expected one L4 or two A100", kind)
	}
	for key, want := range map[string]string{
		"mig-2g.20gb.count": "2", "mig-3g.40gb.count": "1", "mig-3g.40gb.product": "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb",
		"mig-3g.40gb.memory": "40192", "mig-2g.20gb.slices.gi": "2", "mig.strategy": "mixed",
	} {
		if labels[key] != want {
			t.Errorf("label %s is %q, expected %q", key, labels[key], want)
		}
	}
}

func sorted(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func checkCDI(t *testing.T, d *Driver, dir, hook string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "k8s.device-plugin.nvidia.com-gpu.json"))
	if err != nil {
		t.Fatal(err)
	}
	var spec cdiSpec
	if err := json.Unmarshal(data, &spec); err != nil {
		t.Fatal(err)
	}
	var paths []string
	edits := []cdiEdits{spec.ContainerEdits}
	for _, dev := range spec.Devices {
		edits = append(edits, dev.ContainerEdits)
	}
	for _, e := range edits {
		for _, n := range e.DeviceNodes {
			paths = append(paths, n.HostPath)
			var st syscall.Stat_t
			if err := syscall.Stat(n.HostPath, &st); err != nil || st.Rdev != 1<<8|3 {
				t.Errorf("the node %s is no clone of /dev/null (%v)", n.HostPath, err)
			}
		}
		for _, m := range e.Mounts {
			paths = append(paths, m.HostPath)
			if _, err := os.Stat(m.HostPath); err != nil || d.path(m.ContainerPath) != m.HostPath {
				t.Errorf("%s is mounted at %s (%v)", m.HostPath, m.ContainerPath, err)
			}
		}
		for _, c := range e.Hooks {
			if c.Path != hook {
				t.Errorf("the hook is %s, expected %s", c.Path, hook)
			}
		}
	}
	for i, path := range paths {
		paths[i] = strings.TrimPrefix(path, d.dir+"/")
	}
	slices.Sort(paths)
	want := []string{
		"dev/nvidia-caps/nvidia-cap156", "dev/nvidia-caps/nvidia-cap157", "dev/nvidia-caps/nvidia-cap165", "dev/nvidia-caps/nvidia-cap166", "dev/nvidia-caps/nvidia-cap174", "dev/nvidia-caps/nvidia-cap175",
		"dev/nvidia-modeset", "dev/nvidia-uvm", "dev/nvidia-uvm-tools", "dev/nvidia0", "dev/nvidia1", "dev/nvidia2", "dev/nvidiactl",
		stateName, "usr/bin/nvidia-smi", LibDir() + "/libcuda.so." + Version, LibDir() + "/libnvidia-ml.so." + Version,
	}
	if paths = slices.Compact(paths); !slices.Equal(paths, want) {
		t.Errorf("containers get\n%s\nexpected\n%s", strings.Join(paths, "\n"), strings.Join(want, "\n"))
	}
}
