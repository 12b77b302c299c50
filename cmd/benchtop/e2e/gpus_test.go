//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// simulateTwo are the GPUs of the story.
const simulateTwo = "--simulate-gpus=2xA100-80GB"

// TestGPUs is a lab with two simulated GPUs: NVIDIA's own device plugin and GPU
// Feature Discovery under the real K3s, with everything but the silicon.
func TestGPUs(t *testing.T) {
	inTurn(t)
	s := &gpuStory{story: begin(t, "gpus", testhost.Options{})}
	chapter(t, "boot with simulated GPUs", s.boot)
	chapter(t, "GPUs are offered and labelled", s.offered)
	chapter(t, "a pod gets its GPU and no other", s.podsGet)
	chapter(t, "metrics name the pod, and follow it", s.metrics)
	chapter(t, "who waits is told why", s.waits)
	chapter(t, "NVIDIA's time-slicing example turns 2 into 8", s.timeSlicing)
	chapter(t, "MIG by NVIDIA's labels", s.mig)
	chapter(t, "sharing by command", s.shareByCommand)
	chapter(t, "a GPU fails and heals", s.faults)
	chapter(t, "kill -9 keeps what pods got", s.killedWithGPUs)
	chapter(t, "without the flag nothing is left, with it all is back", s.withoutGPUs)
	chapter(t, "a project trains and serves with a GPU", s.projectGPUs)
	chapter(t, "reset leaves nothing of it", s.resetGPUs)
}

type gpuStory struct {
	*story
	admin    *drive.Admin
	image    string // of pods
	signedIn string // the link that gave the session
	session  *http.Cookie
}

func (s *gpuStory) boot(t *testing.T) {
	if err := s.WriteFile(t.Context(), "/etc/benchtop/config.yaml", "project:\n  schedule: \"0 0 1 1 *\"\n"); err != nil {
		t.Fatal(err)
	}
	took := s.start(t, simulateTwo)
	t.Logf("ready after %.1f s", took.Seconds())
	s.image = s.labImage(t)
	var err error
	if s.admin, err = s.Admin(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.kubectl(t, "create", "namespace", "gpus")
}

// node is what the story looks at of the only node.
type node struct {
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Status struct{ Allocatable map[string]string }
}

func (s *gpuStory) node(t *testing.T) node {
	t.Helper()
	var list struct{ Items []node }
	if err := json.Unmarshal([]byte(s.kubectl(t, "get", "nodes", "-o", "json")), &list); err != nil || len(list.Items) != 1 {
		t.Fatalf("%d nodes, %v", len(list.Items), err)
	}
	return list.Items[0]
}

// offers waits until the node offers what is wanted and nothing else of NVIDIA's.
func (s *gpuStory) offers(t *testing.T, want map[string]string) {
	t.Helper()
	began := time.Now()
	// The kubelet reports what it has every ten seconds.
	if err := drive.Eventually(t.Context(), patience, func() error {
		have := map[string]string{}
		for name, n := range s.node(t).Status.Allocatable {
			if short, ok := strings.CutPrefix(name, "nvidia.com/"); ok && n != "0" {
				have[short] = n
			}
		}
		if !maps.Equal(have, want) {
			return fmt.Errorf("the node offers %v, want %v", have, want)
		}
		return nil
	}); err != nil {
		t.Fatalf("%v\n%s", err, s.benchtop(t, "gpu"))
	}
	t.Logf("%v after %.1f s", want, time.Since(began).Seconds())
}

// labelled waits until the node has labels; an empty value is none.
func (s *gpuStory) labelled(t *testing.T, want map[string]string) {
	t.Helper()
	if err := drive.Eventually(t.Context(), patience, func() error {
		have := s.node(t).Metadata.Labels
		for key, value := range want {
			if have[key] != value {
				return fmt.Errorf("the node's label %s is %q, want %q", key, have[key], value)
			}
		}
		return nil
	}); err != nil {
		t.Fatalf("%v\n%s", err, s.benchtop(t, "gpu"))
	}
}

// shownGPUs is what `benchtop gpu --json` prints, as far as the story reads it.
type shownGPUs struct {
	Problem string
	GPUs    []struct {
		Healthy bool
		Holders []struct {
			Namespace, Pod, Container string
			Devices                   []string
		}
	}
	Sharing struct {
		Config, Source, Problem string
		Replicas                int
	}
	Waiting []struct {
		Pod, Reason string
		Count       int
	}
	Faults []struct{ Kind string }
}

func (s *gpuStory) gpus(t *testing.T) shownGPUs {
	t.Helper()
	var g shownGPUs
	if err := json.Unmarshal([]byte(s.benchtop(t, "gpu", "--json")), &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// gives returns the devices that the kubelet gave to a pod.
func (s *gpuStory) gives(t *testing.T, pod string) []string {
	t.Helper()
	for _, g := range s.gpus(t).GPUs {
		for _, h := range g.Holders {
			if h.Pod == pod {
				return h.Devices
			}
		}
	}
	return nil
}

// whole is a device without the number of its replica.
func whole(device string) string {
	uuid, _, _ := strings.Cut(device, "::")
	return uuid
}

// manifest applies objects, with the lab's image in place of IMAGE.
func (s *gpuStory) manifest(t *testing.T, text string) {
	t.Helper()
	r, err := s.Try(t.Context(), strings.ReplaceAll(text, "IMAGE", s.image), "kubectl", "apply", "-f", "-")
	if err != nil || r.Code != 0 {
		t.Fatalf("apply: %v %s\n%s", err, r.All(), text)
	}
}

// gpuPod is a pod that sleeps; more is what else its spec has, in one line.
func gpuPod(name, limits, more string) string {
	return fmt.Sprintf(`
---
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: gpus}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  %s
  containers:
  - {name: main, image: IMAGE, imagePullPolicy: Never, command: [sleep, infinity], resources: {limits: {%s}}}
`, name, more, limits)
}

const oneGPU = "nvidia.com/gpu: 1"

// run starts pods and waits until they run.
func (s *gpuStory) run(t *testing.T, pods map[string]string) {
	t.Helper()
	var text string
	args := []string{"wait", "-n", "gpus", "--for=condition=Ready", "--timeout=180s"}
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		text += gpuPod(name, pods[name], "")
		args = append(args, "pod/"+name)
	}
	s.manifest(t, text)
	s.kubectl(t, args...)
}

func (s *gpuStory) end(t *testing.T, pods ...string) {
	t.Helper()
	s.kubectl(t, append([]string{"delete", "pod", "-n", "gpus", "--ignore-not-found"}, pods...)...)
}

// in runs a command in a pod.
func (s *gpuStory) in(t *testing.T, pod string, command ...string) string {
	t.Helper()
	var out string
	// A kubelet that has just started knows its pods a moment later.
	if err := drive.Eventually(t.Context(), patience, func() (err error) {
		out, err = s.Run(t.Context(), append([]string{"kubectl", "exec", "-n", "gpus", pod, "--"}, command...)...)
		return err
	}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(out)
}

// sees lists the UUIDs of GPUs and MIG devices that nvidia-smi shows in a pod.
func (s *gpuStory) sees(t *testing.T, pod string) []string {
	t.Helper()
	return uuids(s.in(t, pod, "nvidia-smi", "-L"))
}

var uuidPattern = regexp.MustCompile(`UUID: ([^)]+)\)`)

func uuids(list string) (out []string) {
	for _, m := range uuidPattern.FindAllStringSubmatch(list, -1) {
		out = append(out, m[1])
	}
	return out
}

// tells waits until a command prints all of what is wanted.
func (s *gpuStory) tells(t *testing.T, want []string, args ...string) {
	t.Helper()
	if err := s.told(t, want, args...); err != nil {
		t.Errorf("benchtop %s: %v", strings.Join(args, " "), err)
	}
}

// signIn follows the link that the last start has printed, once.
func (s *gpuStory) signIn(t *testing.T) *http.Cookie {
	t.Helper()
	if s.signedIn == s.said.UI {
		return s.session
	}
	r, err := s.Host.HTTPFromLAN().Get(s.said.UI)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	for _, c := range r.Cookies() {
		if c.Name == "benchtop_session" {
			s.signedIn, s.session = s.said.UI, c
			return c
		}
	}
	t.Fatalf("the login link answers %s without a session", r.Status)
	return nil
}

// page waits until a page of the UI has all of what is wanted.
func (s *gpuStory) page(t *testing.T, path string, want ...string) {
	t.Helper()
	if err := drive.Eventually(t.Context(), patience, func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://appliance:8080"+path, nil)
		if err != nil {
			return err
		}
		req.AddCookie(s.signIn(t))
		r, err := s.Host.HTTPFromLAN().Do(req)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return err
		}
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %.300s", r.Status, b)
		}
		for _, w := range want {
			if !strings.Contains(string(b), w) {
				return fmt.Errorf("%q is missing", w)
			}
		}
		return nil
	}); err != nil {
		t.Errorf("page %s: %v", path, err)
	}
}

// counted asks the built-in Prometheus, until it has the values.
func (s *gpuStory) counted(t *testing.T, promql, label string, ok func(map[string]string) bool) {
	t.Helper()
	var have map[string]string
	if err := drive.Eventually(t.Context(), patience, func() (err error) {
		have, err = s.admin.Query(t.Context(), promql, label)
		if err == nil && !ok(have) {
			err = fmt.Errorf("it is %v", have)
		}
		return err
	}); err != nil {
		t.Errorf("%s: %v", promql, err)
	}
}

func (s *gpuStory) offered(t *testing.T) {
	s.offers(t, map[string]string{"gpu": "2"})
	s.labelled(t, map[string]string{
		"nvidia.com/gpu.present": "true", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.memory": "81920", "nvidia.com/gpu.count": "2",
		"nvidia.com/gpu.replicas": "1", "nvidia.com/gpu.family": "ampere", "nvidia.com/gpu.sharing-strategy": "none", "nvidia.com/mig.capable": "true",
		"nvidia.com/cuda.driver-version.full": "550.54.15", "nvidia.com/cuda.runtime-version.full": "12.4", "benchtop.dev/gpu-simulated": "true",
	})
	if out := s.benchtop(t, "images"); !regexp.MustCompile(`benchtop\.local/gpu:.* bundled`).MatchString(out) {
		t.Errorf("the image is not there:\n%s", out)
	}
	if got := s.kubectl(t, "get", "runtimeclass", "nvidia", "-o", "jsonpath={.handler}"); got != "nvidia" {
		t.Errorf("the runtime class has handler %q", got)
	}
	s.tells(t, []string{"SIMULATED: nothing is computed", "driver 550.54.15, CUDA 12.4", "NVIDIA A100-SXM4-80GB"}, "gpu")
	s.tells(t, []string{"simulates GPUs (2xA100-80GB)", "it offers 2 nvidia.com/gpu (0 held)"}, "doctor", "gpu")
	s.page(t, "/gpus", "NVIDIA A100-SXM4-80GB", "These GPUs are simulated: nothing is computed on them")
	if out := s.benchtop(t, "nvidia-smi"); !strings.Contains(out, "SIMULATED GPU: nothing is computed here") {
		t.Errorf("on the machine nvidia-smi's banner does not say that the GPUs are simulated:\n%s", out)
	}
	if out := s.benchtop(t, "nvidia-smi", "-L"); len(uuids(out)) != 2 {
		t.Errorf("on the machine nvidia-smi -L says\n%s", out)
	}
	s.idleMemory(t)
}

// idleMemory adds up what the plugin's pod needs.
func (s *gpuStory) idleMemory(t *testing.T) {
	t.Helper()
	uid := s.kubectl(t, "get", "pods", "-n", "kube-system", "-l", "app.kubernetes.io/name=nvidia-device-plugin", "-o", "jsonpath={.items[0].metadata.uid}")
	out := s.sh(t, `uid=$1; other=$(echo $uid | tr - _); sum=0
for p in /proc/[0-9]*; do
	grep -q -e $uid -e $other $p/cgroup 2>/dev/null || continue
	kb=$(awk '/^Pss:/ {print $2}' $p/smaps_rollup 2>/dev/null) || continue
	[ -n "$kb" ] || continue
	echo "$(tr '\0' ' ' <$p/cmdline | cut -c1-60) $kb" >&2
	sum=$((sum + kb))
done
echo $sum`, uid)
	var kb int
	if _, err := fmt.Sscan(out, &kb); err != nil || kb < 1000 || kb > 60_000 {
		t.Errorf("the plugin's pod needs %q kB (PSS), want at most 60000", out)
	}
	t.Logf("the plugin's pod needs %.1f MB (PSS)", float64(kb)/1000)
}

func (s *gpuStory) podsGet(t *testing.T) {
	s.manifest(t, gpuPod("one", oneGPU, "")+gpuPod("named", oneGPU, "runtimeClassName: nvidia")+gpuPod("plain", "", ""))
	s.kubectl(t, "wait", "-n", "gpus", "--for=condition=Ready", "--timeout=180s", "pod/one", "pod/named", "pod/plain")
	one, named := s.sees(t, "one"), s.sees(t, "named")
	if given := s.gives(t, "one"); len(one) != 1 || !slices.Equal(one, given) || !strings.HasPrefix(one[0], "GPU-51b") {
		t.Errorf("pod one sees %v and was given %v", one, given)
	}
	if given := s.gives(t, "named"); len(named) != 1 || !slices.Equal(named, given) || slices.Equal(named, one) {
		t.Errorf("pod named sees %v and was given %v; pod one sees %v", named, given, one)
	}
	if out := s.in(t, "one", "nvidia-smi"); !strings.Contains(out, "SIMULATED GPU: nothing is computed here") {
		t.Errorf("nvidia-smi's banner does not say that the GPU is simulated:\n%s", out)
	}
	// 100 is CUDA_ERROR_NO_DEVICE.
	if out := s.in(t, "one", "python3", "-c", `import ctypes; print(ctypes.CDLL("libcuda.so.1").cuInit(0))`); out != "100" {
		t.Errorf("cuInit answers %s, want 100", out)
	}
	if out := s.in(t, "plain", "sh", "-c", "ls /dev; ls /usr/bin | grep nvidia || true"); strings.Contains(out, "nvidia") {
		t.Errorf("a pod that asks for no GPU sees\n%s", out)
	}
	if out := s.kubectl(t, "logs", "-n", "gpus", "plain"); out != "" {
		t.Errorf("pod plain says %s", out)
	}
}

func (s *gpuStory) metrics(t *testing.T) {
	uuid := s.sees(t, "one")[0]
	s.in(t, "one", "sh", "-c", `python3 -c 'import time
end = time.time() + 40
while time.time() < end: pass' >/dev/null 2>&1 &`)
	const scrape = `import urllib.request; print(urllib.request.urlopen("http://nvidia-dcgm-exporter.kube-system:9400/metrics", timeout=5).read().decode())`
	var util float64
	if err := drive.Eventually(t.Context(), patience, func() error {
		out := s.in(t, "plain", "python3", "-c", scrape)
		for line := range strings.Lines(out) {
			if !strings.HasPrefix(line, "DCGM_FI_DEV_GPU_UTIL{") || !strings.Contains(line, uuid) {
				continue
			}
			if err := contains(line, []string{`namespace="gpus"`, `pod="one"`, `container="main"`, `modelName="NVIDIA A100-SXM4-80GB"`, `simulated="true"`}); err != nil {
				return err
			}
			if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &util); err != nil {
				return err
			}
			if util <= 50 {
				return fmt.Errorf("a pod that computes all the time makes it %.0f %% busy", util)
			}
			return nil
		}
		return fmt.Errorf("no utilisation of GPU %s in\n%s", uuid, out)
	}); err != nil {
		t.Error(err)
	}
	t.Logf("the GPU of a busy pod is %.0f %% busy", util)
	s.counted(t, `DCGM_FI_DEV_FB_USED{namespace="gpus",pod="one",container="main",simulated="true"}`, "UUID", func(m map[string]string) bool { return m[uuid] != "" })
	s.counted(t, `DCGM_FI_DEV_GPU_UTIL{namespace="gpus"}>50`, "pod", func(m map[string]string) bool { return len(m) == 1 && m["one"] != "" })
	s.page(t, "/gpus", "gpus/one")
}

func (s *gpuStory) waits(t *testing.T) {
	s.manifest(t, gpuPod("third", oneGPU, ""))
	const reason = "asks for 1 GPU, the node has 2; 0 free: held by pods gpus/named, gpus/one"
	s.tells(t, []string{"gpus/third waits for 1 x nvidia.com/gpu: " + reason}, "gpu")
	if w := s.gpus(t).Waiting; len(w) != 1 || w[0].Pod != "third" || w[0].Count != 1 || w[0].Reason != reason {
		t.Errorf("who waits is %+v", w)
	}
	s.page(t, "/gpus", reason)
	s.page(t, "/system/pods/gpus/third", reason)
	s.end(t, "third", "named")

	// A Job is placed by the product's name, as people write it.
	job := func(name, product string) string {
		return fmt.Sprintf(`
---
apiVersion: batch/v1
kind: Job
metadata: {name: %s, namespace: gpus}
spec:
  template:
    spec:
      restartPolicy: Never
      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: nvidia.com/gpu.product, operator: In, values: [%s]}]}]}}}
      containers:
      - {name: main, image: IMAGE, imagePullPolicy: Never, command: [nvidia-smi, -L], resources: {limits: {nvidia.com/gpu: 1}}}
`, name, product)
	}
	s.manifest(t, job("here", "NVIDIA-A100-SXM4-80GB")+job("elsewhere", "NVIDIA-H100-80GB-HBM3"))
	s.kubectl(t, "wait", "-n", "gpus", "job/here", "--for=condition=Complete", "--timeout=180s")
	if out := s.kubectl(t, "logs", "-n", "gpus", "job/here"); len(uuids(out)) != 1 {
		t.Errorf("the Job saw\n%s", out)
	}
	s.tells(t, []string{"asks for 1 GPU with nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3, the node's are NVIDIA-A100-SXM4-80GB"}, "gpu")
	s.kubectl(t, "delete", "job", "-n", "gpus", "here", "elsewhere")

	s.kubectl(t, "create", "quota", "gpus", "-n", "gpus", "--hard=requests.nvidia.com/gpu=1")
	if err := drive.Eventually(t.Context(), patience, func() error {
		if used := s.kubectl(t, "get", "quota", "-n", "gpus", "gpus", "-o", `jsonpath={.status.used.requests\.nvidia\.com/gpu}`); used != "1" {
			return fmt.Errorf("the quota counts %q, want the pod that is there", used)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	r, err := s.Try(t.Context(), strings.ReplaceAll(gpuPod("over", oneGPU, ""), "IMAGE", s.image), "kubectl", "apply", "-f", "-")
	if err != nil || r.Code == 0 || !strings.Contains(r.Stderr, "exceeded quota: gpus, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=1, limited: requests.nvidia.com/gpu=1") {
		t.Errorf("a pod above the quota: %v %s", err, r.All())
	}
	s.kubectl(t, "delete", "quota", "-n", "gpus", "gpus")
}
