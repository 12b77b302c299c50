package cluster

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// leastMemory is less than any container starts with. It also finds 512m,
// which is half a byte to Kubernetes.
var leastMemory = resource.MustParse("16Mi")

// CheckCPU refuses what is no amount of a processor.
func CheckCPU(amount string) error {
	q, err := resource.ParseQuantity(amount)
	if err != nil || q.Sign() <= 0 {
		return mlops.Errorf(mlops.Invalid, "expected cores such as 500m, for half of one, or 2, found %q", amount)
	}
	if q.Cmp(*resource.NewMilliQuantity(q.MilliValue(), resource.DecimalSI)) != 0 {
		return mlops.Errorf(mlops.Invalid, "expected cores in thousandths such as 500m, found %q", amount)
	}
	return nil
}

// CheckMemory refuses what is no amount of memory.
func CheckMemory(amount string) error {
	q, err := resource.ParseQuantity(amount)
	if err != nil || q.Cmp(leastMemory) < 0 {
		return mlops.Errorf(mlops.Invalid, "expected memory such as 512Mi or 2Gi, at least %s, found %q", leastMemory.String(), amount)
	}
	return nil
}

// CheckResources refuses what Kubernetes would refuse, and a request that
// machine cannot meet: its pod would wait for ever. What is 0 of machine is
// unknown.
func CheckResources(r mlops.TrainerResources, machine mlops.Resources) error {
	for _, c := range []struct {
		what, request, limit string
		check                func(string) error
		room                 *resource.Quantity
		has                  string
	}{
		{"CPU", r.Requests.CPU, r.Limits.CPU, CheckCPU, resource.NewMilliQuantity(int64(machine.CPU*1000), resource.DecimalSI), fmt.Sprintf("%g cores", machine.CPU)},
		{"memory", r.Requests.Memory, r.Limits.Memory, CheckMemory, resource.NewQuantity(machine.Memory, resource.BinarySI), fmt.Sprintf("%.3g GiB", float64(machine.Memory)/(1<<30))},
	} {
		for _, a := range []struct{ kind, amount string }{{"request", c.request}, {"limit", c.limit}} {
			if a.amount == "" {
				continue
			}
			if err := c.check(a.amount); err != nil {
				return mlops.Errorf(mlops.Invalid, "%s %s: %s", c.what, a.kind, mlops.MessageOf(err))
			}
		}
		if c.request == "" {
			continue
		}
		request := resource.MustParse(c.request)
		if c.limit != "" && request.Cmp(resource.MustParse(c.limit)) > 0 {
			return mlops.Errorf(mlops.Invalid, "%s request %s is above the %s limit %s: expected a request that is at most the limit", c.what, c.request, c.what, c.limit)
		}
		if !c.room.IsZero() && request.Cmp(*c.room) > 0 {
			return mlops.Errorf(mlops.Invalid, "%s request %s is more than this machine has, %s: expected a request that it can meet", c.what, c.request, c.has)
		}
	}
	return nil
}

// trainerResources are those of a trainer's container. CheckResources has
// looked at them. Kubernetes takes a limit for the request that is missing, so
// nothing set aside is said as 0.
func trainerResources(r mlops.TrainerResources) corev1.ResourceRequirements {
	out := corev1.ResourceRequirements{Requests: amounts(r.Requests), Limits: amounts(r.Limits)}
	for name := range out.Limits {
		if _, ok := out.Requests[name]; !ok {
			out.Requests[name] = resource.Quantity{}
		}
	}
	return out
}

// askForGPUs adds GPUs to what a container gets. Kubernetes wants request and
// limit of such a resource to be the same.
func askForGPUs(to *corev1.ResourceRequirements, r mlops.GPURequests, count int) {
	if count == 0 {
		return
	}
	name, n := corev1.ResourceName(cmp.Or(r.Resource, mlops.GPUResource)), *resource.NewQuantity(int64(count), resource.DecimalSI)
	to.Requests[name], to.Limits[name] = n, n
}

// gpuAffinity keeps a pod to nodes with GPUs of the wished kind, by the labels
// of NVIDIA's GPU Feature Discovery. Under time-slicing these end in -SHARED.
func gpuAffinity(r mlops.GPURequests, count int) *corev1.Affinity {
	var wants []corev1.NodeSelectorRequirement
	if count > 0 && r.Kind != "" {
		wants = append(wants, corev1.NodeSelectorRequirement{Key: "nvidia.com/gpu.product", Operator: corev1.NodeSelectorOpIn, Values: []string{r.Kind, r.Kind + "-SHARED"}})
	}
	if count > 0 && r.Memory != "" {
		least := resource.MustParse(r.Memory)
		wants = append(wants, corev1.NodeSelectorRequirement{Key: "nvidia.com/gpu.memory", Operator: corev1.NodeSelectorOpGt, Values: []string{fmt.Sprint(least.Value()>>20 - 1)}})
	}
	if len(wants) == 0 {
		return nil
	}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: wants}}}}}
}

// CheckGPUs refuses what Kubernetes would refuse.
func CheckGPUs(r mlops.GPURequests) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Memory != "" {
		if err := CheckMemory(r.Memory); err != nil {
			return mlops.Errorf(mlops.Invalid, "memory of GPUs: %s", mlops.MessageOf(err))
		}
	}
	return nil
}

func amounts(a mlops.ResourceAmounts) corev1.ResourceList {
	out := corev1.ResourceList{}
	if a.CPU != "" {
		out[corev1.ResourceCPU] = resource.MustParse(a.CPU)
	}
	if a.Memory != "" {
		out[corev1.ResourceMemory] = resource.MustParse(a.Memory)
	}
	return out
}
