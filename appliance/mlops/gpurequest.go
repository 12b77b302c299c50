package mlops

import (
	"fmt"
	"regexp"
	"strings"
)

// GPURequests are the GPUs that a project asks for. A step that asks for none
// gets none.
type GPURequests struct {
	Training int `json:"training,omitempty"` // for each training
	Serving  int `json:"serving,omitempty"`  // for each server of the project's deployment
	// Kind is the value of the node's label nvidia.com/gpu.product, "" for any.
	Kind string `json:"kind,omitempty"`
	// Memory is the least that a GPU must have, for example 40Gi, "" for any.
	Memory string `json:"memory,omitempty"`
	// Resource is what is asked for, "" for whole GPUs: nvidia.com/mig-1g.10gb
	// for a partition of that size.
	Resource string `json:"resource,omitempty"`
}

// MaxGPUs is more than any machine has.
const MaxGPUs = 16

var (
	gpuKindPattern     = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)
	gpuResourcePattern = regexp.MustCompile(`^nvidia\.com/(gpu|mig-[0-9]+g\.[0-9]+gb(\.[a-z.]+)?)(\.shared)?$`)
)

// Validate refuses what no node can have. The memory is an amount that the
// cluster checks.
func (r GPURequests) Validate() error {
	for _, n := range []int{r.Training, r.Serving} {
		if n < 0 || n > MaxGPUs {
			return Errorf(Invalid, "%d GPUs: expected from 0 to %d", n, MaxGPUs)
		}
	}
	if r.Kind != "" && !gpuKindPattern.MatchString(r.Kind) {
		return Errorf(Invalid, "kind of GPU is %q: expected the value of the node's label nvidia.com/gpu.product, such as NVIDIA-A100-SXM4-80GB; `benchtop gpu labels` shows it", r.Kind)
	}
	if r.Resource != "" && !gpuResourcePattern.MatchString(r.Resource) {
		return Errorf(Invalid, "resource is %q: expected nvidia.com/gpu, or a MIG partition such as nvidia.com/mig-1g.10gb; `benchtop gpu` shows what is offered", r.Resource)
	}
	if r.Training == 0 && r.Serving == 0 && (r.Kind != "" || r.Memory != "" || r.Resource != "") {
		return Errorf(Invalid, "a kind, memory or resource of GPUs is set, but no number: expected one for training, serving or both")
	}
	return nil
}

// Text says in words what is asked for.
func (r GPURequests) Text() string {
	var parts []string
	if r.Training > 0 {
		parts = append(parts, fmt.Sprintf("%d for training", r.Training))
	}
	if r.Serving > 0 {
		parts = append(parts, fmt.Sprintf("%d for serving", r.Serving))
	}
	if len(parts) == 0 {
		return "none"
	}
	text := strings.Join(parts, ", ")
	if r.Resource != "" {
		text += ", of " + r.Resource
	}
	if r.Kind != "" {
		text += ", " + r.Kind
	}
	if r.Memory != "" {
		text += ", with " + r.Memory + " or more"
	}
	return text
}

// GPUEdit is a change of the GPUs asked for. What is nil stays as it is.
type GPUEdit struct {
	Training *int    `json:"training,omitempty"`
	Serving  *int    `json:"serving,omitempty"`
	Kind     *string `json:"kind,omitempty"`
	Memory   *string `json:"memory,omitempty"`
	Resource *string `json:"resource,omitempty"`
}

func (e GPUEdit) of(r GPURequests) GPURequests {
	for _, c := range []struct{ from, to *int }{{e.Training, &r.Training}, {e.Serving, &r.Serving}} {
		if c.from != nil {
			*c.to = *c.from
		}
	}
	for _, c := range []struct{ from, to *string }{{e.Kind, &r.Kind}, {e.Memory, &r.Memory}, {e.Resource, &r.Resource}} {
		if c.from != nil {
			*c.to = strings.TrimSpace(*c.from)
		}
	}
	if r.Training == 0 && r.Serving == 0 && e.Kind == nil && e.Memory == nil && e.Resource == nil {
		return GPURequests{} // who asks for none has no wishes
	}
	return r
}
