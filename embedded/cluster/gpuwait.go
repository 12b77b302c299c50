package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	selectors "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// gpuPrefix begins the names of all resources of NVIDIA's plugin.
const gpuPrefix = "nvidia.com/"

// gpuRequests returns how many of each of NVIDIA's resources a pod asks for.
func gpuRequests(p *corev1.Pod) map[string]int {
	out := map[string]int{}
	for i := range p.Spec.Containers {
		for name, q := range p.Spec.Containers[i].Resources.Limits {
			if strings.HasPrefix(string(name), gpuPrefix) {
				out[string(name)] += int(q.Value())
			}
		}
	}
	// Init containers run before the others, one after the other.
	for i := range p.Spec.InitContainers {
		for name, q := range p.Spec.InitContainers[i].Resources.Limits {
			if strings.HasPrefix(string(name), gpuPrefix) {
				out[string(name)] = max(out[string(name)], int(q.Value()))
			}
		}
	}
	return out
}

// GPUWaits returns the pods that wait for a GPU, with the reason in words.
func (c *Client) GPUWaits(ctx context.Context) ([]mlops.GPUWait, error) {
	pending, err := c.kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("status.phase", string(corev1.PodPending)).String()})
	if err != nil {
		return nil, fmt.Errorf("list pods that wait: %w", err)
	}
	var out []mlops.GPUWait
	var room *gpuRoom // looked at once somebody waits
	for i := range pending.Items {
		p := &pending.Items[i]
		requests := gpuRequests(p)
		if p.Spec.NodeName != "" || len(requests) == 0 {
			continue
		}
		if room == nil {
			found, err := c.gpuRoom(ctx)
			if err != nil {
				return nil, err
			}
			room = &found
		}
		for _, name := range slices.Sorted(maps.Keys(requests)) {
			out = append(out, mlops.GPUWait{Namespace: p.Namespace, Pod: p.Name, Resource: name, Count: requests[name], Reason: cmp.Or(room.explain(name, requests[name], p), scheduler(p))})
		}
	}
	return out, nil
}

// scheduler is what the scheduler says about a pod that waits: the reason, if it
// is not the GPUs.
func scheduler(p *corev1.Pod) string {
	for _, cond := range p.Status.Conditions {
		if cond.Type == corev1.PodScheduled && cond.Message != "" {
			return cond.Message
		}
	}
	return "the scheduler is about to look at it"
}

// gpuRoom is what a node has of NVIDIA's resources, and who holds it.
type gpuRoom struct {
	offered map[string]int
	labels  map[string]string
	holders map[string][]gpuHolding
}

type gpuHolding struct {
	pod   string // namespace/name
	count int
}

// GPUsOffered returns what the scheduler knows of the node's GPUs and parts of
// GPUs that can be given to pods, by resource.
func (c *Client) GPUsOffered(ctx context.Context) (map[string]int, error) {
	node, err := c.kube.CoreV1().Nodes().Get(ctx, c.cfg.NodeName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read node %s: %w", c.cfg.NodeName, err)
	}
	return gpusOf(node), nil
}

func gpusOf(node *corev1.Node) map[string]int {
	out := map[string]int{}
	for name, q := range node.Status.Allocatable {
		if strings.HasPrefix(string(name), gpuPrefix) {
			out[string(name)] = int(q.Value())
		}
	}
	return out
}

// gpuRoom looks at the node and the pods on it.
func (c *Client) gpuRoom(ctx context.Context) (gpuRoom, error) {
	r := gpuRoom{holders: map[string][]gpuHolding{}}
	node, err := c.kube.CoreV1().Nodes().Get(ctx, c.cfg.NodeName, metav1.GetOptions{})
	if err != nil {
		return r, fmt.Errorf("read node %s: %w", c.cfg.NodeName, err)
	}
	r.labels, r.offered = node.Labels, gpusOf(node)
	pods, err := c.kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("spec.nodeName", c.cfg.NodeName).String()})
	if err != nil {
		return r, fmt.Errorf("list pods of node %s: %w", c.cfg.NodeName, err)
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		for name, n := range gpuRequests(p) {
			r.holders[name] = append(r.holders[name], gpuHolding{p.Namespace + "/" + p.Name, n})
		}
	}
	return r, nil
}

// explain says in words why there is no room for a pod that asks for count of a
// resource.
func (r gpuRoom) explain(name string, count int, p *corev1.Pod) string {
	what := "GPUs"
	if name != mlops.GPUResource {
		what = "of " + name
	}
	asks := fmt.Sprintf("asks for %d %s", count, what)
	if count == 1 && name == mlops.GPUResource {
		asks = "asks for 1 GPU"
	}
	has, offered := r.offered[name]
	if !offered || has == 0 {
		if others := r.others(name); others != "" {
			return asks + ", the node offers none; it offers " + others
		}
		return asks + ", the node has none: see `benchtop doctor gpu`"
	}
	if key, wish := r.unmet(p); key != "" {
		return fmt.Sprintf("%s with %s, the node's are %s", asks, wish, orNone(r.labels[key]))
	}
	held := 0
	var pods []string
	for _, h := range r.holders[name] {
		held += h.count
		pods = append(pods, h.pod)
	}
	free := max(0, has-held)
	if free >= count {
		return ""
	}
	reason := fmt.Sprintf("%s, the node has %d; %d free", asks, has, free)
	if len(pods) > 0 {
		slices.Sort(pods)
		noun := ": held by pod "
		if len(pods) > 1 {
			noun = ": held by pods "
		}
		reason += noun + strings.Join(pods, ", ")
	}
	return reason
}

// unmet returns the label of a wish for a kind of GPU that the node's labels do
// not meet, and the wish in words; "" if they meet all. Of the terms of a node
// affinity one is enough.
func (r gpuRoom) unmet(p *corev1.Pod) (key, wish string) {
	for _, key := range slices.Sorted(maps.Keys(p.Spec.NodeSelector)) {
		if value := p.Spec.NodeSelector[key]; strings.HasPrefix(key, gpuPrefix) && r.labels[key] != value {
			return key, key + "=" + value
		}
	}
	if p.Spec.Affinity == nil || p.Spec.Affinity.NodeAffinity == nil || p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return "", ""
	}
	for _, term := range p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		i := slices.IndexFunc(term.MatchExpressions, func(e corev1.NodeSelectorRequirement) bool {
			return strings.HasPrefix(e.Key, gpuPrefix) && !r.meets(e)
		})
		if i < 0 {
			return "", ""
		}
		if key == "" {
			e := term.MatchExpressions[i]
			key, wish = e.Key, wishText(e)
		}
	}
	return key, wish
}

// selectionOf has the name of each operator that label selectors use.
var selectionOf = map[corev1.NodeSelectorOperator]selection.Operator{
	corev1.NodeSelectorOpIn: selection.In, corev1.NodeSelectorOpNotIn: selection.NotIn, corev1.NodeSelectorOpExists: selection.Exists,
	corev1.NodeSelectorOpDoesNotExist: selection.DoesNotExist, corev1.NodeSelectorOpGt: selection.GreaterThan, corev1.NodeSelectorOpLt: selection.LessThan,
}

func (r gpuRoom) meets(e corev1.NodeSelectorRequirement) bool {
	// The API server has checked it.
	want, err := selectors.NewRequirement(e.Key, selectionOf[e.Operator], e.Values)
	return err != nil || want.Matches(selectors.Set(r.labels))
}

func wishText(e corev1.NodeSelectorRequirement) string {
	values := strings.Join(e.Values, " or ")
	switch e.Operator {
	case corev1.NodeSelectorOpIn:
		return e.Key + "=" + values
	case corev1.NodeSelectorOpNotIn:
		return e.Key + " other than " + values
	case corev1.NodeSelectorOpGt:
		return e.Key + " above " + values
	case corev1.NodeSelectorOpLt:
		return e.Key + " below " + values
	case corev1.NodeSelectorOpDoesNotExist:
		return "no label " + e.Key
	}
	return "a label " + e.Key
}

func orNone(v string) string {
	if v == "" {
		return "not labelled so"
	}
	return v
}

// others lists what the node does offer.
func (r gpuRoom) others(but string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.offered)) {
		if n := r.offered[name]; n > 0 && name != but {
			out = append(out, fmt.Sprintf("%d %s", n, name))
		}
	}
	return strings.Join(out, ", ")
}

// explainGPUs replaces the scheduler's words about a pod that finds no GPU.
func (c *Client) explainGPUs(ctx context.Context, p *corev1.Pod) {
	requests := gpuRequests(p)
	if len(requests) == 0 || p.Spec.NodeName != "" {
		return
	}
	for i := range p.Status.Conditions {
		cond := &p.Status.Conditions[i]
		if cond.Type != corev1.PodScheduled || cond.Status != corev1.ConditionFalse {
			continue
		}
		room, err := c.gpuRoom(ctx)
		if err != nil {
			return // the scheduler's words stay
		}
		var reasons []string
		for _, name := range slices.Sorted(maps.Keys(requests)) {
			if reason := room.explain(name, requests[name], p); reason != "" {
				reasons = append(reasons, reason)
			}
		}
		if len(reasons) > 0 {
			cond.Message = strings.Join(reasons, "; ")
		}
	}
}
