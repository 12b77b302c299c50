package cluster

import (
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestCUDAOfAnImage(t *testing.T) {
	for want, env := range map[string][]string{
		"":       {"PATH=/bin", "NVIDIA_REQUIRE_CUDA=brand=tesla"},
		"12.4":   {"NVIDIA_REQUIRE_CUDA=cuda>=12.4 brand=tesla,driver>=470"},
		"12.4.1": {"NVIDIA_REQUIRE_CUDA=cuda>=12.4", "CUDA_VERSION=12.4.1"},
	} {
		if got := cudaOf(env); got != want {
			t.Errorf("%v: %q, expected %q", env, got, want)
		}
	}
}

func TestGPUPods(t *testing.T) {
	s, c := newAPIServer(t)
	limits := map[string]any{"limits": map[string]any{"nvidia.com/gpu": "1"}}
	s.put("/api/v1/namespaces/iris/pods/asks", map[string]any{"metadata": map[string]any{"namespace": "iris", "name": "asks"},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": "x", "resources": limits}}}, "status": map[string]any{"reason": "UnexpectedAdmissionError"}})
	s.put("/api/v1/namespaces/iris/pods/class", map[string]any{"metadata": map[string]any{"namespace": "iris", "name": "class"},
		"spec": map[string]any{"runtimeClassName": "nvidia", "containers": []any{map[string]any{"name": "c", "image": "x"}}}})
	s.put("/api/v1/namespaces/iris/pods/other", map[string]any{"metadata": map[string]any{"namespace": "iris", "name": "other"},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": "x"}}}})
	s.put("/api/v1/namespaces/iris/events/a", map[string]any{"metadata": map[string]any{"namespace": "iris", "name": "a"}, "message": "no runtime",
		"involvedObject": map[string]any{"kind": "Pod", "namespace": "iris", "name": "class"}})
	s.put("/api/v1/namespaces/iris/events/b", map[string]any{"metadata": map[string]any{"namespace": "iris", "name": "b"}, "reason": "FailedCreate", "message": `RuntimeClass "nvidia" not found`,
		"involvedObject": map[string]any{"kind": "Job", "namespace": "iris", "name": "job"}})
	pods, err := c.GPUPods(t.Context())
	if err != nil || len(pods) != 3 || pods[0].Name != "job" || pods[1].Reason != "UnexpectedAdmissionError" || pods[2].Said[0] != "no runtime" {
		t.Errorf("pods are %+v (%v)", pods, err)
	}
}

func TestWhyATrainingHasNoPod(t *testing.T) {
	s, c := newAPIServer(t)
	job := mlops.Job{Project: "iris", Name: "iris-train-2"}
	if why, err := c.WhyTrainingWaits(t.Context(), job); err != nil || why != "" {
		t.Errorf("it says %q (%v)", why, err)
	}
	for name, at := range map[string]string{"old": "2026-11-27T10:00:00Z", "new": "2026-11-27T11:00:00Z"} {
		s.put("/api/v1/namespaces/iris/events/"+name, map[string]any{"metadata": map[string]any{"namespace": "iris", "name": name}, "reason": "FailedCreate", "message": name + ": exceeded quota", "lastTimestamp": at,
			"involvedObject": map[string]any{"kind": "Job", "namespace": "iris", "name": "iris-train-2"}})
	}
	s.put("/api/v1/namespaces/iris/events/other", map[string]any{"metadata": map[string]any{"namespace": "iris", "name": "other"}, "reason": "SuccessfulCreate", "lastTimestamp": "2026-11-27T12:00:00Z",
		"involvedObject": map[string]any{"kind": "Job", "namespace": "iris", "name": "iris-train-2"}})
	if why, err := c.WhyTrainingWaits(t.Context(), job); err != nil || why != "new: exceeded quota" {
		t.Errorf("it says %q (%v)", why, err)
	}
}
