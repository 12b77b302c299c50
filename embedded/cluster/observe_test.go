package cluster

import (
	"context"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// watched returns a client of an API that has the objects, and the API.
func watched(t *testing.T, objects ...runtime.Object) (*Client, *fake.Clientset) {
	t.Helper()
	kube := fake.NewClientset(objects...)
	return &Client{kube: kube, done: t.Context().Done(), mirror: &mirror{}}, kube
}

// seen waits until what a client has in memory is as it should be.
func seen(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it does not see that %s", what)
}

func TestNextTrainings(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := testSpec().Project
	cron := &batchv1.CronJob{ObjectMeta: meta(p, trainerName(p), trainerRole), Spec: batchv1.CronJobSpec{Schedule: p.Schedule}}
	other := cron.DeepCopy()
	other.Name, other.Labels = "somebody-elses", map[string]string{labelComponent: trainerRole}
	c, kube := watched(t, cron, other)
	next, err := c.NextTrainings(t.Context(), now)
	if err != nil || len(next) != 1 || next["iris"].Format(time.RFC3339) != "2026-01-02T03:30:00Z" {
		t.Errorf("it trains next at %v, %v", next, err)
	}
	suspended := cron.DeepCopy()
	suspended.Spec.Suspend = new(true)
	if _, err := kube.BatchV1().CronJobs("iris").Update(t.Context(), suspended, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	seen(t, "it is suspended", func() bool {
		next, err := c.NextTrainings(t.Context(), now)
		return err == nil && len(next) == 0
	})
	if err := kube.BatchV1().CronJobs("iris").Delete(t.Context(), cron.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if next, err := c.NextTrainings(t.Context(), now); err != nil || len(next) != 0 {
		t.Errorf("without a project: %v, %v", next, err)
	}
}

func TestObserve(t *testing.T) {
	rows := []mlops.Deployment{{Name: "iris", Namespace: "iris", Project: "iris", Replicas: 1}, {Name: "gone", Namespace: "gone", Project: "gone"}}
	c, kube := watched(t)
	if got, err := c.Observe(t.Context(), rows); err != nil || len(got) != 0 {
		t.Errorf("before there is one: %+v, %v", got, err)
	}
	o := serverDeployment(testDeployment(), "code")
	if _, err := kube.AppsV1().Deployments("iris").Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, component := range map[string]string{"iris-2": serverRole, "iris-1": serverRole, "iris-train-1-x": trainerRole} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "iris", Labels: map[string]string{labelComponent: component, labelProject: "iris", labelPartOf: "benchtop"}},
			Status: corev1.PodStatus{Phase: corev1.PodPending, Message: "no room"}}
		if _, err := kube.CoreV1().Pods("iris").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	observed := func() (d mlops.Deployment) {
		got, err := c.Observe(t.Context(), rows)
		if err != nil {
			t.Fatal(err)
		}
		for _, d = range got {
		}
		return d
	}
	seen(t, "it has two pods", func() bool { return len(observed().Pods) == 2 })
	if d := observed(); d.Ready != 0 || d.Replicas != 1 || d.Image != testSpec().Image || d.Pods[0].Name != "iris-1" || d.Pods[1].Name != "iris-2" || d.Message != "no room" {
		t.Errorf("it is %+v", d)
	}
	kube.ClearActions()
	observed()
	if asked := kube.Actions(); len(asked) != 0 {
		t.Errorf("it asked %v, expected an answer from memory", asked)
	}
	o = o.DeepCopy()
	o.Status.ReadyReplicas = 1
	if _, err := kube.AppsV1().Deployments("iris").Update(t.Context(), o, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	seen(t, "it is ready", func() bool { return observed().Ready == 1 })
	if err := kube.AppsV1().Deployments("iris").Delete(t.Context(), "iris", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	seen(t, "it is gone", func() bool { return observed().Name == "" })
}

// What is kept in memory is shared: explaining a pod must not change it.
func TestObserveExplainsACopy(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "iris-1", Namespace: "iris", Labels: deploymentLabels(testDeployment().Deployment, serverRole)},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "server", Image: "myapp:1", ImagePullPolicy: corev1.PullNever}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: []corev1.ContainerStatus{{Name: "server",
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImageNeverPull", Message: "the kubelet's words"}}}}}}
	c, _ := watched(t, serverDeployment(testDeployment(), "code"), pod)
	for range 2 {
		got, err := c.Observe(t.Context(), []mlops.Deployment{testDeployment().Deployment})
		if err != nil || len(got) != 1 || strings.Contains(got[0].Message, "kubelet's words") || !strings.Contains(got[0].Message, "myapp:1") {
			t.Fatalf("they are %+v, %v", got, err)
		}
	}
	kept, err := c.mirror.pods.Pods("iris").Get("iris-1")
	if err != nil || kept.Status.ContainerStatuses[0].State.Waiting.Message != "the kubelet's words" {
		t.Errorf("in memory it is %+v, %v", kept, err)
	}
}

// An API that does not answer is told as one, and is asked again.
func TestObserveBeforeTheAPIAnswers(t *testing.T) {
	rows := []mlops.Deployment{{Name: "iris", Namespace: "iris"}}
	c, kube := watched(t, serverDeployment(testDeployment(), "code"))
	var broken atomic.Bool
	broken.Store(true)
	kube.PrependReactor("list", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
		return broken.Load(), nil, apierrors.NewServiceUnavailable("not yet")
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := c.Observe(ctx, rows)
	if mlops.CodeOf(err) != mlops.Unavailable || !strings.Contains(mlops.MessageOf(err), "try again in a few seconds") {
		t.Errorf("error %v", err)
	}
	broken.Store(false)
	if got, err := c.Observe(t.Context(), rows); err != nil || len(got) != 1 {
		t.Errorf("they are %+v, %v", got, err)
	}
}

func TestServerPods(t *testing.T) {
	s, c := newAPIServer(t)
	d := mlops.Deployment{Name: "iris", Namespace: "iris", Project: "iris", Replicas: 1}
	_, err := c.ServerPods(t.Context(), d)
	if mlops.CodeOf(err) != mlops.NotFound || mlops.MessageOf(err) != "deployment iris is not in the cluster" {
		t.Errorf("error %v", err)
	}
	applyIris(t, c)
	s.mu.Lock()
	for name, component := range map[string]string{"iris-1": "server", "iris-train-1-x": "trainer"} {
		s.objects["/api/v1/namespaces/iris/pods/"+name] = map[string]any{"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{"name": name, "namespace": "iris", "labels": map[string]any{labelComponent: component, labelProject: "iris", labelPartOf: "benchtop"}}}
	}
	s.mu.Unlock()
	if pods, err := c.ServerPods(t.Context(), d); err != nil || len(pods) != 1 || pods[0].Name != "iris-1" {
		t.Errorf("its pods are %+v, %v", pods, err)
	}
	if pods, err := c.Pods(t.Context(), "iris"); err != nil || len(pods) != 2 {
		t.Errorf("pods are %+v, %v", pods, err)
	}
	s.broken = "/pods"
	_, err = c.ServerPods(t.Context(), d)
	expectError(t, err, "list pods of deployment iris: quota exceeded")
	s.broken = "deployments"
	_, err = c.ServerPods(t.Context(), d)
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
