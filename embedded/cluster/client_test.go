package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// set changes a field of an object as a controller would.
func (s *apiServer) set(path string, value any, field ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[path]
	for _, f := range field[:len(field)-1] {
		next, ok := o[f].(map[string]any)
		if !ok {
			next = map[string]any{}
			o[f] = next
		}
		o = next
	}
	o[field[len(field)-1]] = value
}

func (s *apiServer) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.objects))
}

const batch = "/apis/batch/v1/namespaces/iris/"

// applyIris makes project iris and its servers.
func applyIris(t *testing.T, c *Client) {
	t.Helper()
	if err := c.ApplyProject(t.Context(), testSpec()); err != nil {
		t.Fatal(err)
	}
	if err := c.ApplyDeployment(t.Context(), testDeployment()); err != nil {
		t.Fatal(err)
	}
}

func TestApplyProject(t *testing.T) {
	s, c := newAPIServer(t)
	applyIris(t, c)
	want := []string{
		"/api/v1/namespaces/iris",
		"/api/v1/namespaces/iris/configmaps/iris-server-code-222222222222",
		"/api/v1/namespaces/iris/configmaps/iris-trainer-code-111111111111",
		"/api/v1/namespaces/iris/persistentvolumeclaims/iris-model",
		"/api/v1/namespaces/iris/secrets/iris-trainer",
		"/api/v1/namespaces/iris/services/iris",
		"/apis/apps/v1/namespaces/iris/deployments/iris",
		batch + "cronjobs/iris-trainer",
		"/apis/networking.k8s.io/v1/namespaces/iris/ingresses/iris",
		"/apis/networking.k8s.io/v1/namespaces/iris/ingresses/iris-path",
	}
	if got := s.names(); !slices.Equal(got, want) {
		t.Errorf("the cluster holds\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !strings.HasPrefix(s.calls[0], "PATCH /api/v1/namespaces/iris") || len(s.calls[0]) > len("PATCH /api/v1/namespaces/iris") {
		t.Errorf("the first call is %s, expected the namespace's", s.calls[0])
	}
	for path, o := range s.objects {
		meta := o["metadata"].(map[string]any)
		labels, _ := meta["labels"].(map[string]any)
		if labels["app.kubernetes.io/part-of"] != "benchtop" || labels["benchtop.dev/project"] != "iris" {
			t.Errorf("%s has the labels %v", path, labels)
		}
		// If they were sent, they would become ours and fight with the
		// server's.
		if _, ok := o["status"]; ok {
			t.Errorf("%s is sent with a status", path)
		}
		if _, ok := meta["creationTimestamp"]; ok {
			t.Errorf("%s is sent with a time of creation", path)
		}
	}
	ns := s.objects["/api/v1/namespaces/iris"]["metadata"].(map[string]any)["labels"].(map[string]any)
	if ns["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Errorf("the namespace lets any pod in: %v", ns)
	}
	cron := s.objects[batch+"cronjobs/iris-trainer"]["spec"].(map[string]any)
	if cron["schedule"] != "*/30 * * * *" || cron["timeZone"] != "Europe/Berlin" || cron["concurrencyPolicy"] != "Forbid" {
		t.Errorf("the CronJob is %v", cron)
	}
}

func TestNewCodeReplacesOld(t *testing.T) {
	s, c := newAPIServer(t)
	spec := testSpec()
	if err := c.ApplyProject(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	before := len(s.names())
	spec.TrainerSHA = strings.Repeat("3", 64)
	for range 2 {
		if err := c.ApplyProject(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	got := s.names()
	if len(got) != before || !slices.Contains(got, "/api/v1/namespaces/iris/configmaps/iris-trainer-code-333333333333") {
		t.Errorf("the cluster holds\n%s", strings.Join(got, "\n"))
	}
}

// A pod of the last revision that starts again must find its code.
func TestCodeThatIsMountedStays(t *testing.T) {
	s, c := newAPIServer(t)
	spec := testDeployment()
	applyIris(t, c)
	code := "iris-server-code-" + spec.ServerSHA[:12]
	s.objects["/apis/apps/v1/namespaces/iris/replicasets/iris-1"] = map[string]any{
		"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": map[string]any{"name": "iris-1", "namespace": "iris"},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
			"volumes": []any{map[string]any{"name": "code", "configMap": map[string]any{"name": code}}}}}},
	}
	spec.ServerSHA = strings.Repeat("4", 64)
	if err := c.ApplyDeployment(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{code, "iris-server-code-444444444444"} {
		if !slices.Contains(s.names(), "/api/v1/namespaces/iris/configmaps/"+want) {
			t.Errorf("%s is gone; the cluster holds\n%s", want, strings.Join(s.names(), "\n"))
		}
	}
}

func TestApplyErrors(t *testing.T) {
	s, c := newAPIServer(t)
	s.broken = "PATCH /apis/apps/v1"
	expectError(t, c.ApplyDeployment(t.Context(), testDeployment()), "apply deployment iris: apply Deployment iris/iris: quota exceeded")
	s.broken = "PATCH /apis/batch/v1"
	expectError(t, c.ApplyProject(t.Context(), testSpec()), "apply project iris: apply CronJob iris/iris-trainer: quota exceeded")
	s.broken = "GET /api/v1/namespaces/iris/configmaps"
	expectError(t, c.ApplyProject(t.Context(), testSpec()), "list code of namespace iris: quota exceeded")
	s.broken = "GET /apis/batch/v1/namespaces/iris/jobs"
	expectError(t, c.ApplyProject(t.Context(), testSpec()), "list jobs of namespace iris: quota exceeded")
}

func TestApplySystem(t *testing.T) {
	s, c := newAPIServer(t)
	for range 2 { // a second start changes nothing
		if err := c.applySystem(t.Context(), files(t)...); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"/api/v1/namespaces/benchtop", "/api/v1/namespaces/benchtop/services/s3", "/apis/storage.k8s.io/v1/storageclasses/local-path",
		"/apis/networking.k8s.io/v1/ingressclasses/traefik", "/apis/apps/v1/namespaces/kube-system/deployments/coredns"} {
		if !slices.Contains(s.names(), want) {
			t.Errorf("%s was not applied", want)
		}
	}
	s.broken = "deployments/traefik"
	expectError(t, c.applySystem(t.Context(), "traefik.yaml"), "apply traefik.yaml: apply Deployment kube-system/traefik: quota exceeded")
}

func TestRemoveSystem(t *testing.T) {
	s, c := newAPIServer(t)
	const front = "/apis/networking.k8s.io/v1/namespaces/benchtop/ingresses/front"
	if err := c.applySystem(t.Context(), "front.yaml"); err != nil || !slices.Contains(s.names(), front) {
		t.Fatalf("it was not applied: %v, %v", err, s.names())
	}
	for range 2 { // removing again changes nothing
		if err := c.removeSystem(t.Context(), "front.yaml"); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(s.names(), front) {
			t.Error("it is still there")
		}
	}
	s.broken = "DELETE"
	expectError(t, c.removeSystem(t.Context(), "front.yaml"), "delete Ingress benchtop/front: quota exceeded")
}

func TestStartTraining(t *testing.T) {
	s, c := newAPIServer(t)
	training := mlops.Training{Project: "iris", Job: "iris-train-7", Trigger: mlops.TriggerManual}
	expectError(t, c.StartTraining(t.Context(), training), "get trainer of project iris: ")
	if err := c.ApplyProject(t.Context(), testSpec()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time after a crash
		if err := c.StartTraining(t.Context(), training); err != nil {
			t.Fatal(err)
		}
	}
	if s.made != 1 {
		t.Errorf("%d Jobs were made, expected 1", s.made)
	}
	jobs, err := c.TrainingJobs(t.Context())
	if err != nil || len(jobs) != 1 {
		t.Fatalf("jobs are %+v, %v", jobs, err)
	}
	if j := jobs[0]; j.Name != "iris-train-7" || j.Project != "iris" || j.Trigger != mlops.TriggerManual || j.State != mlops.TrainingRunning {
		t.Errorf("the Job is %+v", j)
	}
	s.set(batch+"jobs/iris-train-7", []any{map[string]any{"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}}, "status", "conditions")
	if jobs, err := c.TrainingJobs(t.Context()); err != nil || jobs[0].State != mlops.TrainingSucceeded {
		t.Errorf("jobs are %+v, %v", jobs, err)
	}
	training.Job = "iris-train-8"
	s.broken = "POST"
	expectError(t, c.StartTraining(t.Context(), training), "create job iris/iris-train-8: quota exceeded")
	s.broken = "jobs"
	_, err = c.TrainingJobs(t.Context())
	expectError(t, err, "list training jobs: quota exceeded")
}

func TestObjectsAndEvents(t *testing.T) {
	s, c := newAPIServer(t)
	applyIris(t, c)
	objects, err := c.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, o := range objects {
		lines = append(lines, strings.Join([]string{o.Kind, o.Namespace, o.Name, o.Status}, " "))
	}
	want := []string{"Deployment iris iris 0 of 1 ready", "CronJob iris iris-trainer */30 * * * *", "PersistentVolumeClaim iris iris-model ",
		"Service iris iris ", "Ingress iris iris iris.lab.internal", "Ingress iris iris-path any host"}
	if !slices.Equal(lines, want) {
		t.Errorf("objects are\n%s\nexpected\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	s.mu.Lock()
	for name, at := range map[string]string{"old": "2026-01-02T03:00:00Z", "new": "2026-01-02T05:00:00Z", "mid": "2026-01-02T04:00:00Z"} {
		s.objects["/api/v1/namespaces/iris/events/"+name] = map[string]any{"apiVersion": "v1", "kind": "Event",
			"metadata": map[string]any{"name": name, "namespace": "iris"}, "type": "Warning", "reason": "R", "message": name, "lastTimestamp": at,
			"involvedObject": map[string]any{"kind": "Pod", "name": "p"}}
	}
	s.mu.Unlock()
	events, err := c.Events(t.Context(), 2)
	if err != nil || len(events) != 2 || events[0].Message != "new" || events[1].Message != "mid" || events[0].Object != "pod/p" || events[0].Count != 1 {
		t.Errorf("events are %+v, %v", events, err)
	}
	for _, resource := range []string{"nodes", "deployments", "cronjobs", "jobs", "persistentvolumeclaims", "services", "ingresses"} {
		s.broken = "/" + resource
		_, err := c.Objects(t.Context())
		expectError(t, err, ": quota exceeded")
	}
	s.broken = "/events"
	_, err = c.Events(t.Context(), 1)
	expectError(t, err, "list events: quota exceeded")
}

// awaits checks that f does not end before something is made, and ends well then.
func awaits(t *testing.T, f func(context.Context) error, made func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f(t.Context()) }()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := made(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestWaitCA(t *testing.T) {
	kube := fake.NewClientset()
	c := &Client{kube: kube}
	awaits(t, c.waitCA, func() error {
		_, err := kube.CoreV1().ConfigMaps("kube-system").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kube-root-ca.crt"}}, metav1.CreateOptions{})
		return err
	})
	kube.PrependReactor("get", "configmaps", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("no") })
	expectError(t, c.waitCA(t.Context()), "look for the certificate authority that pods are given: no")
}
