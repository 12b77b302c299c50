package mlops

import (
	"encoding/json"
	"testing"
)

func TestGPURequests(t *testing.T) {
	for want, r := range map[string]GPURequests{
		"none": {},
		"2 for training, 1 for serving, of nvidia.com/mig-1g.10gb.me, NVIDIA-A100-SXM4-80GB, with 40Gi or more": {Training: 2, Serving: 1, Resource: "nvidia.com/mig-1g.10gb.me", Kind: "NVIDIA-A100-SXM4-80GB", Memory: "40Gi"},
	} {
		if err := r.Validate(); err != nil || r.Text() != want {
			t.Errorf("%q, expected %q (%v)", r.Text(), want, err)
		}
	}
	for want, r := range map[string]GPURequests{
		"-1 GPUs: expected from 0 to 16": {Training: -1},
		"17 GPUs: expected from 0 to 16": {Serving: 17},
		`kind of GPU is "RTX 4090": expected the value of the node's label nvidia.com/gpu.product, such as NVIDIA-A100-SXM4-80GB; ` + "`benchtop gpu labels` shows it": {Training: 1, Kind: "RTX 4090"},
		`resource is "cpu": expected nvidia.com/gpu, or a MIG partition such as nvidia.com/mig-1g.10gb; ` + "`benchtop gpu` shows what is offered":                     {Training: 1, Resource: "cpu"},
		"a kind, memory or resource of GPUs is set, but no number: expected one for training, serving or both":                                                         {Memory: "40Gi"},
	} {
		if err := r.Validate(); CodeOf(err) != Invalid || MessageOf(err) != want {
			t.Errorf("%+v: %v, expected %s", r, err, want)
		}
	}
}

func TestEditOfGPUs(t *testing.T) {
	p := Project{GPU: GPURequests{Training: 1, Kind: "T4"}}
	for text, want := range map[string]GPURequests{
		`{"gpu": {}}`: {Training: 1, Kind: "T4"},
		`{"gpu": {"serving": 2, "memory": " 8Gi "}}`: {Training: 1, Serving: 2, Kind: "T4", Memory: "8Gi"},
		`{"gpu": {"training": 0}}`:                   {}, // its wishes go too
		`{"gpu": {"training": 0, "kind": "L4"}}`:     {Kind: "L4"},
	} {
		var e ProjectEdit
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		if got := e.Of(p).GPU; got != want {
			t.Errorf("%s makes %+v, expected %+v", text, got, want)
		}
	}
}
