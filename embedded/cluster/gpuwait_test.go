package cluster

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestWhyAPodGetsNoGPU(t *testing.T) {
	plain := &corev1.Pod{}
	picky := &corev1.Pod{Spec: corev1.PodSpec{NodeSelector: map[string]string{"nvidia.com/gpu.product": "Tesla-T4"}}}
	one := map[string]int{"nvidia.com/gpu": 1}
	// affine has a node affinity of terms with one expression each.
	affine := func(wishes ...corev1.NodeSelectorRequirement) *corev1.Pod {
		var terms []corev1.NodeSelectorTerm
		for _, w := range wishes {
			terms = append(terms, corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{w}})
		}
		return &corev1.Pod{Spec: corev1.PodSpec{Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms}}}}}
	}
	wish := func(key string, op corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: "nvidia.com/gpu." + key, Operator: op, Values: values}
	}
	l4 := gpuRoom{offered: one, labels: map[string]string{"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"}}
	for name, c := range map[string]struct {
		room     gpuRoom
		resource string
		count    int
		pod      *corev1.Pod
		want     string
	}{
		"held": {gpuRoom{offered: one, holders: map[string][]gpuHolding{"nvidia.com/gpu": {{"iris/x", 1}}}}, "nvidia.com/gpu", 2, plain, "asks for 2 GPUs, the node has 1; 0 free: held by pod iris/x"},
		"held by two": {gpuRoom{offered: map[string]int{"nvidia.com/gpu": 3}, holders: map[string][]gpuHolding{"nvidia.com/gpu": {{"b/y", 1}, {"a/x", 1}}}}, "nvidia.com/gpu", 2, plain,
			"asks for 2 GPUs, the node has 3; 1 free: held by pods a/x, b/y"},
		"too many":   {gpuRoom{offered: one}, "nvidia.com/gpu", 2, plain, "asks for 2 GPUs, the node has 1; 1 free"},
		"none":       {gpuRoom{}, "nvidia.com/gpu", 1, plain, "asks for 1 GPU, the node has none: see `benchtop doctor gpu`"},
		"partitions": {gpuRoom{offered: map[string]int{"nvidia.com/gpu": 0, "nvidia.com/mig-1g.10gb": 7}}, "nvidia.com/gpu", 1, plain, "asks for 1 GPU, the node offers none; it offers 7 nvidia.com/mig-1g.10gb"},
		"no such":    {gpuRoom{offered: one}, "nvidia.com/mig-1g.10gb", 1, plain, "asks for 1 of nvidia.com/mig-1g.10gb, the node offers none; it offers 1 nvidia.com/gpu"},
		"other kind": {gpuRoom{offered: one, labels: map[string]string{"nvidia.com/gpu.product": "NVIDIA-L4"}}, "nvidia.com/gpu", 1, picky, "asks for 1 GPU with nvidia.com/gpu.product=Tesla-T4, the node's are NVIDIA-L4"},
		"no label":   {gpuRoom{offered: one}, "nvidia.com/gpu", 1, picky, "asks for 1 GPU with nvidia.com/gpu.product=Tesla-T4, the node's are not labelled so"},
		"affine":     {l4, "nvidia.com/gpu", 1, affine(wish("product", "In", "Tesla-T4", "Tesla-T4-SHARED")), "asks for 1 GPU with nvidia.com/gpu.product=Tesla-T4 or Tesla-T4-SHARED, the node's are NVIDIA-L4"},
		"memory":     {l4, "nvidia.com/gpu", 1, affine(wish("memory", "Gt", "40959")), "asks for 1 GPU with nvidia.com/gpu.memory above 40959, the node's are 23034"},
		"less":       {l4, "nvidia.com/gpu", 1, affine(wish("memory", "Lt", "20000")), "asks for 1 GPU with nvidia.com/gpu.memory below 20000, the node's are 23034"},
		"not this":   {l4, "nvidia.com/gpu", 1, affine(wish("product", "NotIn", "NVIDIA-L4")), "asks for 1 GPU with nvidia.com/gpu.product other than NVIDIA-L4, the node's are NVIDIA-L4"},
		"a label":    {l4, "nvidia.com/gpu", 1, affine(wish("x", "Exists")), "asks for 1 GPU with a label nvidia.com/gpu.x, the node's are not labelled so"},
		"not so":     {l4, "nvidia.com/gpu", 1, affine(wish("product", "DoesNotExist")), "asks for 1 GPU with no label nvidia.com/gpu.product, the node's are NVIDIA-L4"},
		"either":     {l4, "nvidia.com/gpu", 1, affine(wish("product", "In", "Tesla-T4"), wish("product", "In", "NVIDIA-L4")), ""},
		"neither":    {l4, "nvidia.com/gpu", 1, affine(wish("product", "In", "Tesla-T4"), wish("memory", "Gt", "40959")), "asks for 1 GPU with nvidia.com/gpu.product=Tesla-T4, the node's are NVIDIA-L4"},
		"room":       {gpuRoom{offered: one}, "nvidia.com/gpu", 1, plain, ""},
	} {
		if got := c.room.explain(c.resource, c.count, c.pod); got != c.want {
			t.Errorf("%s: %q, expected %q", name, got, c.want)
		}
	}
}

func gpuPod(namespace, name, node string, count string) *corev1.Pod {
	p := &corev1.Pod{}
	p.Namespace, p.Name, p.Spec.NodeName = namespace, name, node
	p.Spec.Containers = []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse(count)}}}}
	return p
}

func TestGPURequestsOfAPod(t *testing.T) {
	p := gpuPod("iris", "x", "", "2")
	p.Spec.InitContainers = []corev1.Container{{Name: "i", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1"), "cpu": resource.MustParse("1")}}}}
	p.Spec.Containers = append(p.Spec.Containers, gpuPod("", "", "", "1").Spec.Containers...)
	if got := gpuRequests(p); len(got) != 1 || got["nvidia.com/gpu"] != 3 {
		t.Errorf("it asks for %v", got)
	}
}

func TestStepsThatAskForGPUs(t *testing.T) {
	s := testSpec()
	s.Project.GPU = mlops.GPURequests{Training: 2, Kind: "NVIDIA-L4", Memory: "20Gi"}
	pod := mustJob(t, s, "code").Template.Spec
	if r := pod.Containers[0].Resources; r.Limits.Name("nvidia.com/gpu", resource.DecimalSI).String() != "2" || r.Requests.Name("nvidia.com/gpu", resource.DecimalSI).String() != "2" {
		t.Errorf("the trainer gets %+v", r)
	}
	terms := pod.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchExpressions
	if len(terms) != 2 || terms[0].Values[1] != "NVIDIA-L4-SHARED" || terms[1].Operator != corev1.NodeSelectorOpGt || terms[1].Values[0] != "20479" {
		t.Errorf("it looks for %+v", terms)
	}
	d := testDeployment()
	d.GPU = s.Project.GPU
	o := serverDeployment(d, "code")
	if r := o.Spec.Template.Spec; len(r.Containers[0].Resources.Limits) != 1 || r.Affinity != nil || o.Spec.Strategy.RollingUpdate.MaxSurge.IntValue() != 1 {
		t.Errorf("a server that asks for none gets %+v", r)
	}
	d.GPU = mlops.GPURequests{Serving: 1, Resource: "nvidia.com/mig-1g.10gb"}
	o = serverDeployment(d, "code")
	if r := o.Spec.Template.Spec.Containers[0].Resources; r.Limits.Name("nvidia.com/mig-1g.10gb", resource.DecimalSI).String() != "1" || o.Spec.Strategy.RollingUpdate.MaxSurge.IntValue() != 0 {
		t.Errorf("the server gets %+v with %+v", r, o.Spec.Strategy)
	}
	s.Project.GPU.Memory = "much"
	expectError(t, CheckGPUs(s.Project.GPU), "memory of GPUs: expected memory such as 512Mi or 2Gi")
	s.Project.GPU.Memory, s.Project.GPU.Training = "", 99
	expectError(t, CheckGPUs(s.Project.GPU), "99 GPUs: expected from 0 to 16")
}

// A pod that waits for something else than GPUs is told what the scheduler says.
func TestPodsThatWaitForAGPU(t *testing.T) {
	s, c := newAPIServer(t)
	s.put("/api/v1/nodes/"+c.cfg.NodeName, map[string]any{"metadata": map[string]any{"name": c.cfg.NodeName}, "status": map[string]any{"allocatable": map[string]any{"nvidia.com/gpu": "2"}}})
	pod := func(name, gpus string, status map[string]any) {
		s.put("/api/v1/namespaces/iris/pods/"+name, map[string]any{"metadata": map[string]any{"namespace": "iris", "name": name}, "status": status,
			"spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": "x", "resources": map[string]any{"limits": map[string]any{"nvidia.com/gpu": gpus}}}}}})
	}
	pod("large", "1", map[string]any{"phase": "Pending", "conditions": []any{map[string]any{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient memory."}}})
	pod("many", "3", map[string]any{"phase": "Pending"})
	pod("new", "1", map[string]any{"phase": "Pending"})
	waits, err := c.GPUWaits(t.Context())
	want := []mlops.GPUWait{
		{Namespace: "iris", Pod: "large", Resource: "nvidia.com/gpu", Count: 1, Reason: "0/1 nodes are available: 1 Insufficient memory."},
		{Namespace: "iris", Pod: "many", Resource: "nvidia.com/gpu", Count: 3, Reason: "asks for 3 GPUs, the node has 2; 2 free"},
		{Namespace: "iris", Pod: "new", Resource: "nvidia.com/gpu", Count: 1, Reason: "the scheduler is about to look at it"},
	}
	if err != nil || !slices.Equal(waits, want) {
		t.Errorf("waiting are %+v, expected %+v (%v)", waits, want, err)
	}
}
