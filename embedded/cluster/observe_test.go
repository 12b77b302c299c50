package cluster

import (
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestNextTrainings(t *testing.T) {
	s, c := newAPIServer(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if next, err := c.NextTrainings(t.Context(), now); err != nil || len(next) != 0 {
		t.Errorf("without a project: %v, %v", next, err)
	}
	if err := c.ApplyProject(t.Context(), testSpec()); err != nil {
		t.Fatal(err)
	}
	next, err := c.NextTrainings(t.Context(), now)
	if err != nil || len(next) != 1 || next["iris"].Format(time.RFC3339) != "2026-01-02T03:30:00Z" {
		t.Errorf("it trains next at %v, %v", next, err)
	}
	s.set("/apis/batch/v1/namespaces/iris/cronjobs/iris-trainer", true, "spec", "suspend")
	if next, err := c.NextTrainings(t.Context(), now); err != nil || len(next) != 0 {
		t.Errorf("suspended: %v, %v", next, err)
	}
	s.broken = "cronjobs"
	_, err = c.NextTrainings(t.Context(), now)
	expectError(t, err, "list trainers: quota exceeded")
}

func TestObserve(t *testing.T) {
	s, c := newAPIServer(t)
	rows := []mlops.Deployment{{Name: "iris", Namespace: "iris", Project: "iris", Replicas: 1}, {Name: "gone", Namespace: "gone", Project: "gone"}}
	if got, err := c.Observe(t.Context(), rows); err != nil || len(got) != 0 {
		t.Errorf("before there is one: %+v, %v", got, err)
	}
	_, err := c.ServerPods(t.Context(), rows[0])
	if mlops.CodeOf(err) != mlops.NotFound || mlops.MessageOf(err) != "deployment iris is not in the cluster" {
		t.Errorf("error %v", err)
	}
	applyIris(t, c)
	s.mu.Lock()
	for name, component := range map[string]string{"iris-1": "server", "iris-train-1-x": "trainer"} {
		s.objects["/api/v1/namespaces/iris/pods/"+name] = map[string]any{"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{"name": name, "namespace": "iris", "labels": map[string]any{labelComponent: component, labelProject: "iris", labelPartOf: "benchtop"}},
			"status":   map[string]any{"phase": "Pending", "message": "no room"}}
	}
	s.calls = nil
	s.mu.Unlock()
	got, err := c.Observe(t.Context(), rows)
	if err != nil || len(got) != 1 {
		t.Fatalf("they are %+v, %v", got, err)
	}
	if d := got[0]; d.Ready != 0 || d.Replicas != 1 || d.Image != testSpec().Image || len(d.Pods) != 1 || d.Pods[0].Name != "iris-1" || d.Message != "no room" {
		t.Errorf("it is %+v", d)
	}
	if len(s.calls) != 2 {
		t.Errorf("it asked %s, expected two questions", strings.Join(s.calls, ", "))
	}
	s.set("/apis/apps/v1/namespaces/iris/deployments/iris", 1, "status", "readyReplicas")
	if got, err := c.Observe(t.Context(), rows); err != nil || got[0].Ready != 1 {
		t.Errorf("it is %+v, %v", got, err)
	}
	if pods, err := c.ServerPods(t.Context(), rows[0]); err != nil || len(pods) != 1 || pods[0].Name != "iris-1" {
		t.Errorf("its pods are %+v, %v", pods, err)
	}
	if pods, err := c.Pods(t.Context(), "iris"); err != nil || len(pods) != 2 {
		t.Errorf("pods are %+v, %v", pods, err)
	}
	s.broken = "/pods"
	_, err = c.Observe(t.Context(), rows)
	expectError(t, err, "list pods of deployments: quota exceeded")
	_, err = c.ServerPods(t.Context(), rows[0])
	expectError(t, err, "list pods of deployment iris: quota exceeded")
	s.broken = "deployments"
	_, err = c.Observe(t.Context(), rows)
	expectError(t, err, "list deployments: quota exceeded")
	_, err = c.ServerPods(t.Context(), rows[0])
	expectError(t, err, "get deployment iris: quota exceeded")
}

func TestPodFacts(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	quantities := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	spec := corev1.PodSpec{NodeName: "bench", Containers: []corev1.Container{
		{Image: "lab", Resources: corev1.ResourceRequirements{Requests: quantities("50m", "128Mi"), Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")}}},
		{Image: "sidecar", Resources: corev1.ResourceRequirements{Requests: quantities("100m", "64Mi")}}}}
	ended := func(code int32, reason string, after time.Duration) *corev1.ContainerStateTerminated {
		return &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, FinishedAt: metav1.NewTime(at.Add(after))}
	}
	for name, c := range map[string]struct {
		status corev1.PodStatus
		want   mlops.Pod
	}{
		"crash loop": {corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{RestartCount: 3,
			State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 40s"}},
			LastTerminationState: corev1.ContainerState{Terminated: ended(1, "Error", time.Minute)}}}},
			mlops.Pod{Phase: "Running", Restarts: 3, Waiting: "CrashLoopBackOff", Message: "CrashLoopBackOff: back-off 40s", LastExit: &mlops.Exit{At: at.Add(time.Minute), Code: 1, Reason: "Error"}}},
		"out of memory just now": {corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{RestartCount: 1,
			State: corev1.ContainerState{Terminated: ended(137, "OOMKilled", 2*time.Minute)}, LastTerminationState: corev1.ContainerState{Terminated: ended(1, "Error", time.Minute)}}}},
			mlops.Pod{Phase: "Running", Restarts: 1, Message: "OOMKilled (exit code 137)", LastExit: &mlops.Exit{At: at.Add(2 * time.Minute), Code: 137, Reason: "OOMKilled"}}},
		"no place": {corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available"}}},
			mlops.Pod{Phase: "Pending", Waiting: "Unschedulable", Message: "0/1 nodes are available"}},
		"as it should be": {corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			InitContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Terminated: ended(0, "Completed", 0)}}}},
			mlops.Pod{Phase: "Running", Ready: true}},
		"about to start": {corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}}},
			mlops.Pod{Phase: "Pending"}},
	} {
		c.want.Name, c.want.Node, c.want.Image, c.want.CreatedAt = name, "bench", "lab", at.Time
		c.want.Requests, c.want.Limits = mlops.Resources{CPU: 0.15, Memory: 192 << 20}, mlops.Resources{Memory: 512 << 20}
		got := podOf(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: at}, Spec: spec, Status: c.status})
		if got.Requests.CPU > 0.149 && got.Requests.CPU < 0.151 {
			got.Requests.CPU = 0.15 // sums of floating point numbers
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s\nis   %+v\nwant %+v", name, got, c.want)
		}
	}
}
