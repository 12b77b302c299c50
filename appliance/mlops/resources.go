package mlops

import (
	"cmp"
	"strings"
)

// TrainerResources are what a project's trainer gets of the machine. Amounts
// are written as Kubernetes does: 500m of a core, 256Mi of memory. What is ""
// is not set.
type TrainerResources struct {
	Requests ResourceAmounts `json:"requests"` // set aside for it
	Limits   ResourceAmounts `json:"limits"`   // the most that it may use
}

// ResourceAmounts are amounts of each resource.
type ResourceAmounts struct {
	CPU    string `json:"cpu,omitempty"`
	Memory string `json:"memory,omitempty"`
}

// CPUText says in words how much of the processor the trainer gets.
func (r TrainerResources) CPUText() string { return amountText(r.Requests.CPU, r.Limits.CPU) }

// MemoryText says in words how much memory the trainer gets.
func (r TrainerResources) MemoryText() string { return amountText(r.Requests.Memory, r.Limits.Memory) }

func amountText(request, limit string) string {
	text := cmp.Or(request, "nothing") + " set aside"
	if limit == "" {
		return text + ", no limit"
	}
	return text + ", at most " + limit
}

// ResourcesEdit is a change of resources. What is nil stays as it is.
type ResourcesEdit struct {
	Requests AmountsEdit `json:"requests,omitzero"`
	Limits   AmountsEdit `json:"limits,omitzero"`
}

// AmountsEdit is a change of amounts; "" takes one away.
type AmountsEdit struct {
	CPU    *string `json:"cpu,omitempty"`
	Memory *string `json:"memory,omitempty"`
}

func (e ResourcesEdit) of(r TrainerResources) TrainerResources {
	return TrainerResources{Requests: e.Requests.of(r.Requests), Limits: e.Limits.of(r.Limits)}
}

func (e AmountsEdit) of(a ResourceAmounts) ResourceAmounts {
	if e.CPU != nil {
		a.CPU = strings.TrimSpace(*e.CPU)
	}
	if e.Memory != nil {
		a.Memory = strings.TrimSpace(*e.Memory)
	}
	return a
}
