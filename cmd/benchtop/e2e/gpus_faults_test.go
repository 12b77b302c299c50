//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// plugin identifies the plugin's pod, with the number of its restarts.
func (s *gpuStory) plugin(t *testing.T) string {
	t.Helper()
	return s.kubectl(t, "get", "pods", "-n", "kube-system", "-l", "app.kubernetes.io/name=nvidia-device-plugin",
		"-o", "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[*].restartCount}{end}")
}

// shared are three pods on two GPUs that four share each.
var shared = map[string]string{"shared-1": oneGPU, "shared-2": oneGPU, "shared-3": oneGPU}

func (s *gpuStory) faults(t *testing.T) {
	s.refuses(t, []string{`"melt" is no fault of a simulated GPU: expected xid=NUMBER, hot, ecc, mismatch, no-uvm or none`}, "gpu", "fault", "0", "melt")
	s.refuses(t, []string{"expected a number from 1 to 999"}, "gpu", "fault", "0", "xid=x")
	s.refuses(t, []string{"only xid takes a number"}, "gpu", "fault", "0", "hot=3")
	s.refuses(t, []string{"GPU 7"}, "gpu", "fault", "7", "hot")

	s.benchtop(t, "gpu", "share", "4", "--yes")
	s.offers(t, map[string]string{"gpu": "8"})
	s.run(t, shared)
	plugin := s.plugin(t)
	var held []string
	for _, h := range s.gpus(t).GPUs[0].Holders {
		held = append(held, h.Namespace+"/"+h.Pod)
	}
	if len(held) == 0 {
		t.Fatal("of three pods none is on GPU 0")
	}

	const lost = "the GPU has fallen off the bus"
	s.benchtop(t, "gpu", "fault", "0", "xid=79")
	began := time.Now()
	s.offers(t, map[string]string{"gpu": "4"})
	t.Logf("no pod gets the GPU after %.1f s", time.Since(began).Seconds())
	s.tells(t, append([]string{"XID 79: " + lost, "pods on it: "}, held...), "doctor", "gpu")
	s.tells(t, append([]string{"unhealthy, XID 79", lost, "benchtop gpu recover 0"}, held...), "gpu")
	s.page(t, "/gpus", append([]string{lost}, held...)...)
	s.counted(t, `ALERTS{alertname="GPUError",alertstate="firing"}`, "gpu", func(m map[string]string) bool { return len(m) == 1 && m["0"] != "" })
	s.page(t, "/", "1 unhealthy")
	s.benchtop(t, "gpu", "fault", "0", "none")
	s.offers(t, map[string]string{"gpu": "8"})
	if after := s.plugin(t); after != plugin || !strings.HasSuffix(after, " 0") {
		t.Errorf("healing took another pod of the plugin, or a restart: %s, before %s", after, plugin)
	}
	if g := s.gpus(t); !g.GPUs[0].Healthy || len(g.Faults) != 1 || g.Faults[0].Kind != "hot" {
		t.Errorf("after the fault GPU 0 is %+v, faults %v", g.GPUs[0], g.Faults)
	}

	for _, fault := range []struct {
		kind string
		says []string
	}{
		{"no-uvm", []string{"/dev/nvidia-uvm is missing, so no program can use CUDA", "nvidia-modprobe -u -c 0"}},
		{"mismatch", []string{"does not fit the driver in the kernel", "Driver/library version mismatch"}},
		{"ecc", []string{"XID 48", "double"}},
	} {
		s.benchtop(t, "gpu", "fault", "0", fault.kind)
		s.tells(t, fault.says, "doctor", "gpu")
		s.benchtop(t, "gpu", "fault", "0", "none")
	}
	s.offers(t, map[string]string{"gpu": "8"})
	s.noProblem(t)
	s.tells(t, []string{"gpu 1", "it is too hot: ", "°C, and it slows down from "}, "doctor", "gpu")
	if out := s.benchtop(t, "gpu", "fault", "1", "none"); out != "no simulated GPU is made to fail" {
		t.Errorf("after the last fault it prints %s", out)
	}
	if after := s.plugin(t); after != plugin {
		t.Errorf("faults have restarted the plugin's pod: %s, before %s", after, plugin)
	}
}

// seen is what each of the shared pods sees.
func (s *gpuStory) seen(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for pod := range shared {
		out[pod] = strings.Join(s.sees(t, pod), " ")
	}
	return out
}

func (s *gpuStory) given(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for pod := range shared {
		out[pod] = strings.Join(s.gives(t, pod), " ")
	}
	return out
}

func (s *gpuStory) killedWithGPUs(t *testing.T) {
	seen, given, pods := s.seen(t), s.given(t), s.longLived(t)
	if err := s.up.Kill(); err != nil {
		t.Fatal(err)
	}
	s.start(t, simulateTwo)
	s.offers(t, map[string]string{"gpu": "8"})
	// The node's count is what the kubelet said before: it may not have come back yet.
	if err := drive.Eventually(t.Context(), patience, func() error {
		if after := s.seen(t); !maps.Equal(after, seen) {
			return fmt.Errorf("the pods see %v, before the kill %v", after, seen)
		}
		if after := s.given(t); !maps.Equal(after, given) {
			return fmt.Errorf("the pods hold %v, before the kill %v", after, given)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if after := s.longLived(t); after != pods {
		t.Errorf("the pods were not taken over.\nbefore:\n%s\nafter:\n%s", pods, after)
	}
	// The next pod gets a replica that nobody holds.
	s.run(t, map[string]string{"next": oneGPU})
	if next := s.gives(t, "next"); len(next) != 1 || slices.Contains(slices.Collect(maps.Values(given)), next[0]) {
		t.Errorf("the next pod got %v, the others hold %v", next, given)
	}
	s.end(t, slices.Collect(maps.Keys(shared))...)
	s.end(t, "next")
}

func (s *gpuStory) stop(t *testing.T) {
	t.Helper()
	s.benchtop(t, "down")
	if code, err := s.up.Wait(patience); err != nil || code != 0 {
		t.Fatalf("`benchtop up` ended with code %d, %v", code, err)
	}
}

func (s *gpuStory) withoutGPUs(t *testing.T) {
	s.stop(t)
	s.start(t)
	s.offers(t, map[string]string{})
	if err := drive.Eventually(t.Context(), patience, func() error {
		for key, value := range s.node(t).Metadata.Labels {
			if strings.HasPrefix(key, "nvidia.com/gpu.") || strings.HasPrefix(key, "nvidia.com/cuda.") || key == "benchtop.dev/gpu-simulated" {
				return fmt.Errorf("the node is still labelled %s=%s", key, value)
			}
		}
		if left := s.kubectl(t, "get", "pods,daemonsets,services", "-n", "kube-system", "-l", "app.kubernetes.io/name=nvidia-device-plugin", "-o", "name"); left != "" {
			return fmt.Errorf("there is left %s", left)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	s.tells(t, []string{"this machine has no NVIDIA GPU; `benchtop up --simulate-gpus 2xA100-80GB` simulates some"}, "doctor", "gpu")
	s.refuses(t, []string{"this machine has no NVIDIA GPU", "`benchtop up --simulate-gpus 2xA100-80GB`"}, "gpu")
	s.page(t, "/gpus", "No GPUs", "sudo benchtop up --simulate-gpus 2xA100-80GB")

	s.stop(t)
	s.start(t, simulateTwo)
	// How GPUs that were gone had been shared is forgotten.
	s.offers(t, map[string]string{"gpu": "2"})
	s.labelled(t, map[string]string{"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "benchtop.dev/gpu-simulated": "true"})
}

// holdsIn waits until a container in namespace iris holds a GPU.
func (s *gpuStory) holdsIn(t *testing.T, container string) {
	t.Helper()
	if err := drive.Eventually(t.Context(), patience, func() error {
		var all []string
		for _, g := range s.gpus(t).GPUs {
			for _, h := range g.Holders {
				if h.Namespace == "iris" && h.Container == container {
					return nil
				}
				all = append(all, h.Namespace+"/"+h.Pod+"/"+h.Container)
			}
		}
		return fmt.Errorf("no container %s of project iris holds a GPU, these do: %v", container, all)
	}); err != nil {
		t.Error(err)
	}
}

// wants returns how many GPUs the containers of pods ask for.
func (s *gpuStory) wants(t *testing.T, component string) string {
	t.Helper()
	return s.kubectl(t, "get", "pods", "-n", "iris", "-l", "app.kubernetes.io/component="+component, "--sort-by=.metadata.creationTimestamp",
		"-o", `jsonpath={.items[-1:].spec.containers[0].resources.limits.nvidia\.com/gpu}`)
}

func (s *gpuStory) projectGPUs(t *testing.T) {
	edit := func(args ...string) {
		t.Helper()
		s.benchtop(t, append([]string{"project", "edit", "iris"}, args...)...)
	}
	// A training takes the CronJob as it is.
	trainer := func(want string) {
		t.Helper()
		if err := drive.Eventually(t.Context(), patience, func() error {
			if got := s.kubectl(t, "get", "cronjob", "-n", "iris", "-o", `jsonpath={.items[0].spec.jobTemplate.spec.template.spec.containers[0].resources.limits.nvidia\.com/gpu}`); got != want {
				return fmt.Errorf("the trainer asks for %q GPUs, want %q", got, want)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	s.refuses(t, []string{"17 GPUs: expected from 0 to 16"}, "project", "edit", "iris", "--gpu", "17")
	edit("--gpu", "1", "--gpu-kind", "NVIDIA-A100-SXM4-80GB", "--gpu-memory", "40Gi")
	if out := s.benchtop(t, "project", "show", "iris"); !strings.Contains(out, "1 for training, NVIDIA-A100-SXM4-80GB, with 40Gi or more") {
		t.Errorf("the project is\n%s", out)
	}
	trainer("1")
	s.benchtop(t, "train")
	s.holdsIn(t, "trainer")
	if got := s.wants(t, "trainer"); got != "1" {
		t.Errorf("the training's pod asks for %q GPUs", got)
	}
	if got := s.wants(t, "server"); got != "" {
		t.Errorf("the server's pod asks for %q GPUs, want none", got)
	}
	s.trained(t, "succeeded")

	const reason = "asks for 3 GPUs, the node has 2; 2 free"
	edit("--gpu", "3")
	trainer("3")
	s.benchtop(t, "train")
	s.tells(t, []string{reason}, "project", "show", "iris")
	s.tells(t, []string{"waits for 3 x nvidia.com/gpu: " + reason}, "gpu")
	s.page(t, "/projects/iris", reason)
	edit("--gpu", "0", "--serve-gpu", "1", "--gpu-kind", "", "--gpu-memory", "")

	traffic := s.StartTraffic(s.said.Try, 2, 50*time.Millisecond)
	s.holdsIn(t, "server")
	if err := drive.Eventually(t.Context(), patience, func() error {
		var d struct {
			Status struct{ Replicas, UpdatedReplicas, ReadyReplicas int }
		}
		if err := json.Unmarshal([]byte(s.kubectl(t, "get", "deployment", "-n", "iris", "iris", "-o", "json")), &d); err != nil {
			return err
		}
		if d.Status.Replicas != 1 || d.Status.UpdatedReplicas != 1 || d.Status.ReadyReplicas != 1 {
			return fmt.Errorf("the deployment is %+v", d.Status)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	time.Sleep(2 * time.Second)
	undisturbed(t, traffic)
	if got := s.wants(t, "server"); got != "1" {
		t.Errorf("the server's pod asks for %q GPUs", got)
	}
}

// trained waits until the last training of iris has ended so.
func (s *gpuStory) trained(t *testing.T, state string) {
	t.Helper()
	s.tells(t, []string{" " + state}, "project", "show", "iris")
}

func (s *gpuStory) resetGPUs(t *testing.T) {
	s.idleMemory(t)
	if specs := s.sh(t, "ls /var/run/cdi"); !strings.Contains(specs, "nvidia") {
		t.Errorf("the plugin's CDI specs are elsewhere, /var/run/cdi has %q", specs)
	}
	s.stop(t)
	s.benchtop(t, "reset", "--yes")
	if left := s.sh(t, "ls -d "+traces+" /var/run/cdi/* 2>/dev/null || true"); left != "" {
		t.Errorf("reset left\n%s", left)
	}
	if left := s.sh(t, "grep -E 'nvidia|benchtop/gpu' /proc/mounts || true; ps -eo args --no-headers | grep -E 'gpu-agent|nvidia' | grep -v grep || true"); left != "" {
		t.Errorf("reset left\n%s", left)
	}
}
