package gpu

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
)

// agent is a node's agent with two A100.
type agent struct {
	mu      sync.Mutex
	state   mlops.GPUState
	changed chan struct{}
	configs []string
	layouts []string
	refuse  error // of Configure
	cannot  error // of Partition
	silent  bool
}

func newAgent() *agent {
	a := &agent{changed: make(chan struct{}), state: mlops.GPUState{Generation: 1}}
	profiles := []mlops.GPUProfile{{Name: "1g.10gb", Count: 7}, {Name: "1g.10gb+me", Count: 1}, {Name: "1g.20gb", Count: 4}, {Name: "2g.20gb", Count: 3}, {Name: "3g.40gb", Count: 2}, {Name: "7g.80gb", Count: 1}}
	for i := range 2 {
		a.state.GPUs.GPUs = append(a.state.GPUs.GPUs, mlops.GPU{Index: i, Product: "NVIDIA A100-SXM4-80GB", MIG: "Disabled", Profiles: profiles, Healthy: true})
	}
	a.state.GPUs.Labels = map[string]string{"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.count": "2"}
	return a
}

func (a *agent) change(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
	a.state.Generation++
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) Next(ctx context.Context, since int64, wait time.Duration) (mlops.GPUState, error) {
	for {
		a.mu.Lock()
		state, changed, silent := a.state, a.changed, a.silent
		a.mu.Unlock()
		if silent {
			return state, mlops.Errorf(mlops.Unavailable, "it starts")
		}
		if state.Generation != since {
			return state, nil
		}
		select {
		case <-changed:
		case <-time.After(wait):
			return state, nil
		case <-ctx.Done():
			return state, ctx.Err()
		}
	}
}

func (a *agent) Configure(_ context.Context, config []byte) (mlops.GPUState, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refuse != nil {
		return mlops.GPUState{}, a.refuse
	}
	a.configs = append(a.configs, string(config))
	return a.state, nil
}

func (a *agent) Partition(_ context.Context, layout json.RawMessage) (mlops.GPUState, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cannot != nil {
		return mlops.GPUState{}, a.cannot
	}
	a.layouts = append(a.layouts, string(layout))
	var entries []struct {
		Devices    any            `json:"devices"`
		Enabled    bool           `json:"mig-enabled"`
		Partitions map[string]int `json:"mig-devices"`
	}
	if err := json.Unmarshal(layout, &entries); err != nil {
		return mlops.GPUState{}, err
	}
	for _, e := range entries {
		for i := range a.state.GPUs.GPUs {
			if list, ok := e.Devices.([]any); ok && !slices.Contains(list, any(float64(i))) {
				continue
			}
			g := &a.state.GPUs.GPUs[i]
			g.MIG, g.Partitions = "Disabled", nil
			if e.Enabled {
				g.MIG = "Enabled"
			}
			for profile, n := range e.Partitions {
				for range n {
					g.Partitions = append(g.Partitions, mlops.GPUPartition{Profile: profile})
				}
			}
		}
	}
	return a.state, nil
}

func (a *agent) told() (config, layout string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.configs); n > 0 {
		config = a.configs[n-1]
	}
	if n := len(a.layouts); n > 0 {
		layout = a.layouts[n-1]
	}
	return config, layout
}

type lab struct {
	*Controller
	agent  *agent
	client *fake.Clientset
}

func start(t *testing.T, labels map[string]string, maps ...*corev1.ConfigMap) lab {
	t.Helper()
	return startWith(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "spare", Labels: labels}}, maps...)
}

func startWith(t *testing.T, node *corev1.Node, maps ...*corev1.ConfigMap) lab {
	t.Helper()
	client := fake.NewClientset(node)
	for _, m := range maps {
		if err := client.Tracker().Add(m); err != nil {
			t.Fatal(err)
		}
	}
	a := newAgent()
	c := New(Config{Node: "spare", Agent: a})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.run(ctx, client, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return lab{c, a, client}
}

func (l lab) node(t *testing.T) *corev1.Node {
	t.Helper()
	n, err := l.client.CoreV1().Nodes().Get(t.Context(), "spare", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (l lab) relabel(t *testing.T, labels map[string]any) {
	t.Helper()
	if err := l.patch(t.Context(), labels, nil); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("it never came to this: %s", what)
}

func configMap(namespace, name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data}
}

// sliced is the example of NVIDIA's documents.
const sliced = `version: v1
flags:
  migStrategy: none
sharing:
  timeSlicing:
    resources:
    - name: nvidia.com/gpu
      replicas: 4
`

func TestLabels(t *testing.T) {
	l := start(t, map[string]string{"mine": "stays", "nvidia.com/own": "stays"})
	eventually(t, "labelled", func() bool { return l.node(t).Labels["nvidia.com/gpu.count"] == "2" })
	if got := l.node(t).Labels["nvidia.com/gpu.present"]; got != "true" {
		t.Errorf("present is %q", got)
	}
	l.agent.change(func() {
		l.agent.state.GPUs.Labels = map[string]string{"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-SHARED"}
	})
	eventually(t, "labelled anew", func() bool { return strings.HasSuffix(l.node(t).Labels["nvidia.com/gpu.product"], "-SHARED") })
	n := l.node(t)
	if _, there := n.Labels["nvidia.com/gpu.count"]; there {
		t.Error("a label that the GPUs have no more has stayed")
	}
	if n.Labels["mine"] != "stays" || n.Labels["nvidia.com/own"] != "stays" {
		t.Errorf("labels of others are %v", n.Labels)
	}
}

func TestTimeSlicing(t *testing.T) {
	l := start(t, nil)
	eventually(t, "configured with nothing", func() bool { l.agent.mu.Lock(); defer l.agent.mu.Unlock(); return len(l.agent.configs) == 1 })
	if c, _ := l.agent.told(); c != "" {
		t.Fatalf("without a ConfigMap the plugin got %q", c)
	}
	if _, err := l.client.CoreV1().ConfigMaps("gpu-operator").Create(t.Context(), configMap("gpu-operator", "time-slicing-config-all", map[string]string{"any": sliced}), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "sliced", func() bool { c, _ := l.agent.told(); return c == sliced })
	eventually(t, "said", func() bool {
		return l.Sharing() == (mlops.GPUSharing{Config: "any", Source: "gpu-operator/time-slicing-config-all"})
	})
	if err := l.client.CoreV1().ConfigMaps("gpu-operator").Delete(t.Context(), "time-slicing-config-all", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "not sliced", func() bool { c, _ := l.agent.told(); return c == "" })
}

func TestConfigMapsThatDoNotDecide(t *testing.T) {
	for name, m := range map[string]*corev1.ConfigMap{
		"of a project":       configMap("iris", "mine", map[string]string{"any": sliced}),
		"of another program": configMap("kube-system", "features", map[string]string{"any": "version: v1\nflags:\n  beta: true\n"}),
		"of no format":       configMap("kube-system", "notes", map[string]string{"any": "about sharing"}),
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, nil, m)
			eventually(t, "configured", func() bool { l.agent.mu.Lock(); defer l.agent.mu.Unlock(); return len(l.agent.configs) == 1 })
			if c, _ := l.agent.told(); c != "" {
				t.Errorf("the plugin got %q", c)
			}
		})
	}
}

func TestLabelChooses(t *testing.T) {
	l := start(t, map[string]string{cluster.LabelGPUConfig: "two"}, configMap("kube-system", "a", map[string]string{"one": sliced, "two": strings.Replace(sliced, "4", "2", 1)}))
	eventually(t, "two", func() bool { c, _ := l.agent.told(); return strings.Contains(c, "replicas: 2") })
	l.relabel(t, map[string]any{cluster.LabelGPUConfig: "one"})
	eventually(t, "one", func() bool { c, _ := l.agent.told(); return strings.Contains(c, "replicas: 4") })
	l.relabel(t, map[string]any{cluster.LabelGPUConfig: "three"})
	want := "the node's label nvidia.com/device-plugin.config names three, but no ConfigMap has a key of that name: there are one (kube-system/a), two (kube-system/a)"
	eventually(t, "refused", func() bool { return l.Sharing().Problem == want })
	if c, _ := l.agent.told(); !strings.Contains(c, "replicas: 4") {
		t.Errorf("what was in force has not stayed: %q", c)
	}
	l.relabel(t, map[string]any{cluster.LabelGPUConfig: nil})
	eventually(t, "ambiguous", func() bool {
		return strings.HasPrefix(l.Sharing().Problem, "several ConfigMaps say how GPUs are shared: label the node with")
	})
	if _, err := l.client.CoreV1().ConfigMaps("kube-system").Create(t.Context(), configMap("kube-system", "b", map[string]string{"c": "sharing: [}"}), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one that can't be read is named too", func() bool {
		return strings.Contains(l.Sharing().Problem, "; ConfigMap kube-system/b: key c is not YAML")
	})
}

func TestRefusedConfigIsSaidOnce(t *testing.T) {
	l := start(t, nil)
	l.agent.mu.Lock()
	l.agent.refuse = mlops.Errorf(mlops.Invalid, "sharing.mps: not offered here")
	l.agent.mu.Unlock()
	if _, err := l.client.CoreV1().ConfigMaps("kube-system").Create(t.Context(), configMap("kube-system", "a", map[string]string{"any": "sharing: {mps: {}}"}), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "refused", func() bool {
		return l.Sharing().Problem == "ConfigMap kube-system/a, key any: sharing.mps: not offered here"
	})
	l.agent.change(func() {})
	eventually(t, "an event", func() bool {
		events, err := l.client.CoreV1().Events("").List(t.Context(), metav1.ListOptions{})
		return err == nil && len(events.Items) == 1 && events.Items[0].Reason == "DevicePluginConfigRefused"
	})
}

const parted = `version: v1
mig-configs:
  half:
  - devices: [0]
    mig-enabled: true
    mig-devices: {"3g.40gb": 2}
  - devices: [1]
    mig-enabled: false
    mig-devices: {}
`

func TestMIG(t *testing.T) {
	for label, want := range map[string]struct{ layout, strategy string }{
		"all-1g.10gb": {`[{"devices":[0],"mig-enabled":true,"mig-devices":{"1g.10gb":7}},{"devices":[1],"mig-enabled":true,"mig-devices":{"1g.10gb":7}}]`, "single"},
		"all-balanced": {`[{"devices":[0],"mig-enabled":true,"mig-devices":{"1g.10gb":2,"2g.20gb":1,"3g.40gb":1}},` +
			`{"devices":[1],"mig-enabled":true,"mig-devices":{"1g.10gb":2,"2g.20gb":1,"3g.40gb":1}}]`, "mixed"},
		"half": {`[{"devices":[0],"mig-enabled":true,"mig-devices":{"3g.40gb":2}},{"devices":[1],"mig-enabled":false,"mig-devices":{}}]`, "mixed"},
	} {
		t.Run(label, func(t *testing.T) {
			l := start(t, map[string]string{cluster.LabelMIG: label}, configMap("gpu-operator", "mig", map[string]string{"config.yaml": parted}))
			eventually(t, "success", func() bool { return l.node(t).Labels[cluster.LabelMIGState] == "success" })
			config, layout := l.agent.told()
			if layout != want.layout {
				t.Errorf("layout is %s", layout)
			}
			if want := `{"flags":{"migStrategy":"` + want.strategy + `"},"version":"v1"}`; config != want {
				t.Errorf("the plugin got %s, expected %s", config, want)
			}
			l.relabel(t, map[string]any{cluster.LabelMIG: "all-disabled"})
			eventually(t, "taken back", func() bool { c, _ := l.agent.told(); return c == "" })
			eventually(t, "success", func() bool { return l.node(t).Labels[cluster.LabelMIGState] == "success" })
		})
	}
}

func TestMIGThatCannotBe(t *testing.T) {
	l := start(t, map[string]string{cluster.LabelMIG: "quarters"})
	eventually(t, "failed", func() bool { return l.node(t).Labels[cluster.LabelMIGState] == "failed" })
	if p := l.Sharing().Problem; !strings.HasPrefix(p, "the node's label nvidia.com/mig.config names quarters, and no ConfigMap has a layout of that name: expected one of all-1g.10gb, all-1g.10gb+me") {
		t.Errorf("problem is %q", p)
	}
	l.agent.mu.Lock()
	l.agent.cannot = mlops.Errorf(mlops.InvalidState, "pod iris/train holds GPU 0")
	l.agent.mu.Unlock()
	l.relabel(t, map[string]any{cluster.LabelMIG: "all-balanced"})
	eventually(t, "pending", func() bool {
		return l.node(t).Labels[cluster.LabelMIGState] == "pending" && l.Sharing().Problem == "MIG layout all-balanced: pod iris/train holds GPU 0"
	})
	l.agent.mu.Lock()
	l.agent.cannot = nil
	l.agent.mu.Unlock()
	eventually(t, "applied once the pod has ended", func() bool { return l.node(t).Labels[cluster.LabelMIGState] == "success" })
}

func TestAnotherAgentIsToldAgain(t *testing.T) {
	l := start(t, nil, configMap("gpu-operator", "a", map[string]string{"any": sliced}))
	eventually(t, "sliced", func() bool { c, _ := l.agent.told(); return c == sliced })
	l.agent.change(func() { l.agent.silent = true })
	time.Sleep(20 * time.Millisecond)
	l.agent.change(func() { l.agent.silent, l.agent.configs = false, nil })
	eventually(t, "told again", func() bool { c, _ := l.agent.told(); return c == sliced })
}

func TestShare(t *testing.T) {
	// What can't be read elsewhere does not stand in the way.
	l := start(t, nil, configMap("kube-system", "b", map[string]string{"c": "sharing: [}"}))
	eventually(t, "labelled", func() bool { return l.node(t).Labels["nvidia.com/gpu.count"] == "2" })
	gpus := l.agent.state.GPUs.GPUs
	if err := l.Share(t.Context(), mlops.GPUShare{Replicas: 4}, gpus); err != nil {
		t.Fatal(err)
	}
	config, layout := l.agent.told()
	if !strings.Contains(config, `"replicas": 4`) || layout != `[{"devices":"all","mig-enabled":false,"mig-devices":{}}]` {
		t.Errorf("config %s, layout %s", config, layout)
	}
	if err := l.Share(t.Context(), mlops.GPUShare{Replicas: 1, MIG: []string{"3g.40gb", "2g.20gb"}}, gpus); err != nil {
		t.Fatal(err)
	}
	config, layout = l.agent.told()
	if !strings.Contains(config, `"migStrategy":"mixed"`) || strings.Contains(config, "replicas") ||
		layout != `[{"devices":[0],"mig-enabled":true,"mig-devices":{"2g.20gb":1,"3g.40gb":1}},{"devices":[1],"mig-enabled":true,"mig-devices":{"2g.20gb":1,"3g.40gb":1}}]` {
		t.Errorf("config %s, layout %s", config, layout)
	}
	if err := l.Share(t.Context(), mlops.GPUShare{}, gpus); err != nil {
		t.Fatal(err)
	}
	if config, layout = l.agent.told(); strings.Contains(config, "replicas") || !strings.Contains(layout, `"mig-enabled":false`) {
		t.Errorf("config %s, layout %s", config, layout)
	}
	l.agent.mu.Lock()
	l.agent.cannot = mlops.Errorf(mlops.Invalid, "the driver has no room for it")
	l.agent.mu.Unlock()
	err := l.Share(t.Context(), mlops.GPUShare{MIG: []string{"7g.80gb"}}, gpus)
	if mlops.CodeOf(err) != mlops.InvalidState || mlops.MessageOf(err) != "MIG layout benchtop: the driver has no room for it" {
		t.Errorf("error is %v", err)
	}
}

func TestShareDeletesPods(t *testing.T) {
	l := start(t, nil)
	eventually(t, "labelled", func() bool { return l.node(t).Labels["nvidia.com/gpu.count"] == "2" })
	if err := l.client.Tracker().Add(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "iris", Name: "train", UID: "1"}}); err != nil {
		t.Fatal(err)
	}
	gpus := slices.Clone(l.agent.state.GPUs.GPUs)
	gpus[0].Holders = []mlops.GPUHolder{{Namespace: "iris", Pod: "train"}, {Namespace: "iris", Pod: "gone"}}
	if err := l.Share(t.Context(), mlops.GPUShare{MIG: []string{"7g.80gb"}, DeletePods: true}, gpus); err != nil {
		t.Fatal(err)
	}
	if pods, err := l.client.CoreV1().Pods("iris").List(t.Context(), metav1.ListOptions{}); err != nil || len(pods.Items) != 0 {
		t.Errorf("pods are %v (%v)", pods, err)
	}
}

// What was practised on simulated GPUs does not cut real ones.
func TestSharingOfOtherGPUsIsForgotten(t *testing.T) {
	l := startWith(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "spare", Annotations: map[string]string{cluster.GPULabels: "nvidia.com/gpu.count,nvidia.com/mig-1g.10gb.count," + labelSimulated},
		Labels: map[string]string{labelSimulated: "true", "nvidia.com/gpu.count": "2", "nvidia.com/mig-1g.10gb.count": "4", cluster.LabelMIG: "all-balanced", cluster.LabelMIGState: "success", cluster.LabelGPUConfig: "time-slicing-4"}}},
		configMap(cluster.GPUSharingNamespace, cluster.GPUSharing, map[string]string{"time-slicing-4": sliced}))
	eventually(t, "forgotten", func() bool {
		n := l.node(t)
		return n.Labels[cluster.LabelMIG] == "" && n.Labels[cluster.LabelGPUConfig] == "" && n.Labels[cluster.LabelMIGState] == "" && n.Labels[labelSimulated] == "" && n.Labels["nvidia.com/mig-1g.10gb.count"] == "" && n.Labels["nvidia.com/gpu.present"] == "true"
	})
	eventually(t, "configured with nothing", func() bool { l.agent.mu.Lock(); defer l.agent.mu.Unlock(); return len(l.agent.configs) > 0 })
	if config, layout := l.agent.told(); config != "" || layout != "" {
		t.Errorf("the agent was told %q and %q", config, layout)
	}
	if _, err := l.client.CoreV1().ConfigMaps(cluster.GPUSharingNamespace).Get(t.Context(), cluster.GPUSharing, metav1.GetOptions{}); err == nil {
		t.Error("the ConfigMap is still there")
	}
}

// What was refused is asked again when somebody asks again.
func TestARefusalIsNotForEver(t *testing.T) {
	l := start(t, nil)
	eventually(t, "labelled", func() bool { return l.node(t).Labels["nvidia.com/gpu.count"] == "2" })
	l.agent.mu.Lock()
	l.agent.cannot = mlops.Errorf(mlops.Invalid, "a program has it open")
	l.agent.mu.Unlock()
	gpus := l.agent.state.GPUs.GPUs
	if err := l.Share(t.Context(), mlops.GPUShare{MIG: []string{"7g.80gb"}}, gpus); err == nil {
		t.Fatal("it was not refused")
	}
	l.agent.mu.Lock()
	l.agent.cannot = nil
	l.agent.mu.Unlock()
	if err := l.Share(t.Context(), mlops.GPUShare{MIG: []string{"7g.80gb"}}, gpus); err != nil {
		t.Error(err)
	}
}
