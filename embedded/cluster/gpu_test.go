package cluster

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTheGPUPodMountsNoMoreThanItNeeds(t *testing.T) {
	c := testConfig(t)
	c.GPU = &GPU{Dir: "/data/gpu", DriverRoot: "/", Simulated: true, What: "simulated 1xT4"}
	for _, o := range render(t, c, "gpu.yaml") {
		d, ok := typed(t, o).(*appsv1.DaemonSet)
		if !ok {
			continue
		}
		pod := d.Spec.Template.Spec
		var paths []string
		for _, v := range pod.Volumes {
			if v.HostPath != nil {
				paths = append(paths, v.HostPath.Path)
			}
		}
		if want := []string{"/data/gpu", "/", "/dev", "/var/lib/kubelet/device-plugins", "/var/lib/kubelet/pod-resources", "/var/run/cdi"}; !slices.Equal(paths, want) {
			t.Errorf("it mounts %v of the machine, expected %v", paths, want)
		}
		if pod.HostNetwork || pod.HostPID || pod.HostIPC || *pod.AutomountServiceAccountToken {
			t.Errorf("it has more of the machine than devices and folders: %+v", pod)
		}
		if pod.Containers[0].ImagePullPolicy != corev1.PullNever || len(pod.Containers) != 1 {
			t.Errorf("its containers are %+v", pod.Containers)
		}
		for _, m := range pod.Containers[0].VolumeMounts {
			if m.Name == "driver-root" && !m.ReadOnly {
				t.Error("it may write to the driver's folder, which can be the whole machine")
			}
		}
		if d.Spec.Template.Annotations["benchtop.dev/gpus"] != "simulated 1xT4" {
			t.Errorf("other GPUs do not start it anew: %v", d.Spec.Template.Annotations)
		}
		if !slices.Contains(pod.Containers[0].Env, corev1.EnvVar{Name: "SIMULATED", Value: "true"}) {
			t.Errorf("it is not told that GPUs are simulated: %v", pod.Containers[0].Env)
		}
		return
	}
	t.Error("there is no DaemonSet")
}

func TestGPUsThatAreGoneAreForgotten(t *testing.T) {
	s, c := newAPIServer(t)
	if err := c.forgetGPUs(t.Context()); err != nil || len(s.names()) != 0 {
		t.Fatalf("on a machine that never had one it makes %v (%v)", s.names(), err)
	}
	if err := c.applySystem(t.Context(), "gpu.yaml"); err != nil {
		t.Fatal(err)
	}
	s.put("/api/v1/nodes/node-a", map[string]any{"metadata": map[string]any{"name": "node-a",
		"labels":      map[string]any{"nvidia.com/gpu.count": "2", "nvidia.com/mig.config": "all-disabled", "mine": "stays"},
		"annotations": map[string]any{GPULabels: "nvidia.com/gpu.count"}}})
	s.put("/api/v1/namespaces/kube-system/configmaps/"+GPUSharing, map[string]any{"metadata": map[string]any{"namespace": "kube-system", "name": GPUSharing}})
	s.broken = "DELETE /apis/apps/v1/namespaces/kube-system/daemonsets"
	expectError(t, c.forgetGPUs(t.Context()), "delete DaemonSet kube-system/nvidia-device-plugin: quota exceeded")
	s.broken = ""
	if err := c.forgetGPUs(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.names(); !slices.Equal(got, []string{"/api/v1/nodes/node-a"}) {
		t.Errorf("the cluster still has %v", got)
	}
	node, err := c.kube.CoreV1().Nodes().Get(t.Context(), "node-a", metav1.GetOptions{})
	if err != nil || len(node.Labels) != 1 || node.Labels["mine"] != "stays" || node.Annotations[GPULabels] != "" {
		t.Errorf("the node has %v and %v (%v)", node.Labels, node.Annotations, err)
	}
}
