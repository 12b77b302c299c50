//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// timeSlicing is NVIDIA's example: the ConfigMap that its operator's document
// "Time-Slicing GPUs in Kubernetes" begins with.
const timeSlicing = `
apiVersion: v1
kind: Namespace
metadata: {name: gpu-operator}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: time-slicing-config-all, namespace: gpu-operator}
data:
  any: |-
    version: v1
    flags:
      migStrategy: none
    sharing:
      timeSlicing:
        resources:
        - name: nvidia.com/gpu
          replicas: 4
`

// sharesMPS asks for what this lab can't do.
const sharesMPS = `
apiVersion: v1
kind: ConfigMap
metadata: {name: time-slicing-config-all, namespace: gpu-operator}
data:
  any: |-
    version: v1
    sharing:
      mps:
        resources:
        - name: nvidia.com/gpu
          replicas: 4
`

func (s *gpuStory) timeSlicing(t *testing.T) {
	// It takes two minutes to heat up, and chapter faults looks at it.
	s.benchtop(t, "gpu", "fault", "1", "hot")
	before := s.sees(t, "one")
	s.manifest(t, timeSlicing)
	s.offers(t, map[string]string{"gpu": "8"})
	s.labelled(t, map[string]string{"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-SHARED", "nvidia.com/gpu.replicas": "4", "nvidia.com/gpu.count": "2", "nvidia.com/gpu.sharing-strategy": "time-slicing"})
	if sharing := s.gpus(t).Sharing; sharing.Replicas != 4 || sharing.Config != "any" || sharing.Source != "gpu-operator/time-slicing-config-all" || sharing.Problem != "" {
		t.Errorf("sharing is %+v", sharing)
	}
	pods := []string{"slice-1", "slice-2", "slice-3"}
	s.run(t, map[string]string{pods[0]: oneGPU, pods[1]: oneGPU, pods[2]: oneGPU})
	on := map[string][]string{}
	for _, pod := range pods {
		given := s.gives(t, pod)
		if len(given) != 1 || !slices.Equal(s.sees(t, pod), []string{whole(given[0])}) {
			t.Fatalf("pod %s sees %v and was given %v", pod, s.sees(t, pod), given)
		}
		on[whole(given[0])] = append(on[whole(given[0])], pod)
	}
	// Of three pods on two GPUs two share one.
	for uuid, together := range on {
		if len(together) > 1 {
			s.counted(t, `DCGM_FI_DEV_GPU_UTIL{UUID="`+uuid+`",namespace="gpus",pod=~"slice-.*"}`, "pod", func(m map[string]string) bool {
				return m[together[0]] != "" && m[together[1]] != "" && len(m) == len(together)
			})
		}
	}
	if after := s.sees(t, "one"); !slices.Equal(after, before) {
		t.Errorf("a pod that ran meanwhile sees %v, before %v", after, before)
	}
	s.end(t, pods...)
	s.kubectl(t, "delete", "configmap", "-n", "gpu-operator", "time-slicing-config-all")
	s.offers(t, map[string]string{"gpu": "2"})
	s.labelled(t, map[string]string{"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.replicas": "1"})

	s.manifest(t, sharesMPS)
	s.tells(t, []string{"problem: ConfigMap gpu-operator/time-slicing-config-all, key any: ", "sharing.mps"}, "gpu")
	s.tells(t, []string{"sharing.mps"}, "kubectl", "get", "events", "-A", "--field-selector=involvedObject.kind=Node,reason=DevicePluginConfigRefused")
	s.tells(t, []string{"sharing.mps"}, "doctor", "gpu")
	s.offers(t, map[string]string{"gpu": "2"})
	s.kubectl(t, "delete", "configmap", "-n", "gpu-operator", "time-slicing-config-all")
	s.noProblem(t)
	s.end(t, "one")
}

// noProblem waits until what was asked for is done.
func (s *gpuStory) noProblem(t *testing.T) {
	t.Helper()
	if err := drive.Eventually(t.Context(), patience, func() error {
		if g := s.gpus(t); g.Problem != "" || g.Sharing.Problem != "" {
			return fmt.Errorf("there is a problem still: %q %q", g.Problem, g.Sharing.Problem)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func (s *gpuStory) mig(t *testing.T) {
	label := func(layout string) {
		t.Helper()
		s.kubectl(t, "label", "node", "--all", "--overwrite", "nvidia.com/mig.config="+layout)
	}
	label("all-1g.10gb")
	s.labelled(t, map[string]string{"nvidia.com/mig.config.state": "success", "nvidia.com/mig.strategy": "single", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb"})
	s.offers(t, map[string]string{"gpu": "14"})

	label("all-balanced")
	s.labelled(t, map[string]string{"nvidia.com/mig.strategy": "mixed", "nvidia.com/mig.config.state": "success", "nvidia.com/mig-2g.20gb.count": "2"})
	s.offers(t, map[string]string{"mig-1g.10gb": "4", "mig-2g.20gb": "2", "mig-3g.40gb": "2"})
	s.run(t, map[string]string{"part": "nvidia.com/mig-2g.20gb: 1"})
	sees, given := s.sees(t, "part"), s.gives(t, "part")
	if len(sees) != 2 || !strings.HasPrefix(sees[0], "GPU-") || !slices.Equal(sees[1:], given) {
		t.Errorf("the pod sees %v and was given %v", sees, given)
	}
	if out := s.in(t, "part", "nvidia-smi", "-L"); !strings.Contains(out, "MIG 2g.20gb") {
		t.Errorf("the pod sees\n%s", out)
	}
	s.page(t, "/gpus", "2g.20gb", "gpus/part")
	s.counted(t, `DCGM_FI_DEV_FB_FREE{namespace="gpus",pod="part"}`, "GPU_I_PROFILE", func(m map[string]string) bool { return len(m) == 1 && m["2g.20gb"] != "" })

	label("all-disabled")
	s.labelled(t, map[string]string{"nvidia.com/mig.config.state": "pending"})
	s.tells(t, []string{"problem: MIG layout all-disabled: ", "gpus/part"}, "gpu")
	if still := s.sees(t, "part"); !slices.Equal(still, sees) {
		t.Errorf("the pod that is in the way sees %v, before %v", still, sees)
	}
	s.end(t, "part")
	s.labelled(t, map[string]string{"nvidia.com/mig.config.state": "success", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/mig-2g.20gb.count": ""})
	s.offers(t, map[string]string{"gpu": "2"})

	label("all-9g.90gb")
	s.labelled(t, map[string]string{"nvidia.com/mig.config.state": "failed"})
	s.tells(t, []string{"problem: ", "all-9g.90gb", "all-1g.10gb", "all-balanced", "all-disabled"}, "gpu")
	s.offers(t, map[string]string{"gpu": "2"})
	s.kubectl(t, "label", "node", "--all", "nvidia.com/mig.config-")
	s.labelled(t, map[string]string{"nvidia.com/mig.config.state": ""})
	s.noProblem(t)
}

func (s *gpuStory) shareByCommand(t *testing.T) {
	s.refuses(t, []string{"nothing was changed: type yes"}, "gpu", "share", "4")
	s.refuses(t, []string{"has no MIG profile 9g.90gb: expected some of 1g.10gb"}, "gpu", "share", "mig", "9g.90gb", "--yes")
	s.refuses(t, []string{"has room for 1 of 4g.40gb, not for 2"}, "gpu", "share", "mig", "2x4g.40gb", "--yes")
	if out := s.benchtop(t, "gpu", "share", "4", "--yes"); !strings.Contains(out, "done: 4 pods take turns on each") {
		t.Errorf("sharing in time says\n%s", out)
	}
	s.offers(t, map[string]string{"gpu": "8"})
	if out := s.benchtop(t, "gpu", "share", "mig", "3g.40gb", "2x2g.20gb", "--yes"); !strings.Contains(out, "done: cut into parts, MIG strategy mixed") {
		t.Errorf("cutting says\n%s", out)
	}
	s.offers(t, map[string]string{"mig-3g.40gb": "2", "mig-2g.20gb": "4"})
	s.run(t, map[string]string{"part": "nvidia.com/mig-3g.40gb: 1"})
	s.refuses(t, []string{"gpus/part", "--delete-pods"}, "gpu", "share", "off", "--yes")
	if out := s.benchtop(t, "gpu", "share", "off", "--delete-pods", "--yes"); !strings.Contains(out, "done: each GPU is one pod's") {
		t.Errorf("taking it back says\n%s", out)
	}
	s.offers(t, map[string]string{"gpu": "2"})
	if out := s.kubectl(t, "get", "pods", "-n", "gpus", "part", "--ignore-not-found"); out != "" {
		t.Errorf("the pod that was in the way is still there:\n%s", out)
	}
}
