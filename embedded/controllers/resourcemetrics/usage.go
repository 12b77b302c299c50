package resourcemetrics

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	"k8s.io/metrics/pkg/apis/metrics"
)

// window is the span over which the kubelet takes its CPU rates: it measures
// every 10 to 15 seconds. Autoscalers compare it with a pod's start.
const window = 15 * time.Second

// usage implements metrics-server's api.MetricsGetter. The kubelet keeps CPU
// rates itself, so nothing is collected here and the first answer is complete.
type usage struct {
	kubelets *kubelets
	nodes    nodeLister
}

// GetNodeMetrics returns what the nodes use.
func (u usage) GetNodeMetrics(nodes ...*corev1.Node) ([]metrics.NodeMetrics, error) {
	byName, names := map[string]*corev1.Node{}, []string{}
	for _, n := range nodes {
		byName[n.Name] = n
		names = append(names, n.Name)
	}
	summaries, err := u.kubelets.summaries(names)
	if err != nil {
		return nil, err
	}
	out := []metrics.NodeMetrics{}
	for _, s := range summaries {
		list, at, ok := amounts(s.Node.CPU, s.Node.Memory)
		node := byName[s.Node.NodeName]
		if !ok || node == nil {
			continue
		}
		out = append(out, metrics.NodeMetrics{
			ObjectMeta: metav1.ObjectMeta{Name: node.Name, Labels: node.Labels, CreationTimestamp: metav1.Now()},
			Timestamp:  at, Window: metav1.Duration{Duration: window}, Usage: list,
		})
	}
	return out, nil
}

// GetPodMetrics returns what the pods' containers use. A pod of which a
// container was not measured yet is left out, as metrics-server does: half a
// pod would look idle to an autoscaler.
func (u usage) GetPodMetrics(pods ...*metav1.PartialObjectMetadata) ([]metrics.PodMetrics, error) {
	out := []metrics.PodMetrics{}
	if len(pods) == 0 {
		return out, nil
	}
	nodes, err := u.nodes.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	summaries, err := u.kubelets.summaries(names)
	if err != nil {
		return nil, err
	}
	measured := map[types.UID]*stats.PodStats{}
	for _, s := range summaries {
		for i := range s.Pods {
			measured[types.UID(s.Pods[i].PodRef.UID)] = &s.Pods[i]
		}
	}
	for _, pod := range pods {
		m := metrics.PodMetrics{
			ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, Labels: pod.Labels, CreationTimestamp: metav1.Now()},
			Window:     metav1.Duration{Duration: window},
		}
		if p := measured[pod.UID]; p != nil && len(p.Containers) > 0 && fill(&m, p.Containers) {
			out = append(out, m)
		}
	}
	return out, nil
}

// fill adds containers to m, and reports whether all were measured. The oldest
// measurement dates the pod.
func fill(m *metrics.PodMetrics, containers []stats.ContainerStats) bool {
	for i, c := range containers {
		list, at, ok := amounts(c.CPU, c.Memory)
		if !ok {
			return false
		}
		if i == 0 || at.Time.Before(m.Timestamp.Time) {
			m.Timestamp = at
		}
		m.Containers = append(m.Containers, metrics.ContainerMetrics{Name: c.Name, Usage: list})
	}
	slices.SortFunc(m.Containers, func(a, b metrics.ContainerMetrics) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return true
}

// amounts converts a measurement; false if it lacks one of the two.
func amounts(cpu *stats.CPUStats, memory *stats.MemoryStats) (corev1.ResourceList, metav1.Time, bool) {
	if cpu == nil || cpu.UsageNanoCores == nil || memory == nil || memory.WorkingSetBytes == nil || *memory.WorkingSetBytes == 0 {
		return nil, metav1.Time{}, false
	}
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewScaledQuantity(int64(*cpu.UsageNanoCores), resource.Nano),
		corev1.ResourceMemory: *resource.NewQuantity(int64(*memory.WorkingSetBytes), resource.BinarySI),
	}, cpu.Time, true
}
