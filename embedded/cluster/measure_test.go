package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

var latencyAndSize = []string{mlops.MeasuredLatency, mlops.MeasuredSize}

var measuredRevision = mlops.Revision{ID: 12, Number: 4, Model: "iris", Version: 7}

func TestMeasureJob(t *testing.T) {
	job := measureJob(testDeployment(), measuredRevision, &mlops.Revision{Model: "iris", Version: 6}, latencyAndSize, "iris-measure-12")
	if job.Name != "iris-measure-12" || job.Namespace != "iris" || *job.Spec.ActiveDeadlineSeconds != 900 || *job.Spec.TTLSecondsAfterFinished != 600 {
		t.Errorf("it is %+v", job)
	}
	// Neither a trainer, whose Jobs are trainings, nor a server, which would get requests.
	if got := job.Spec.Template.Labels[labelComponent]; got != "measure" || job.Labels[labelComponent] != got || job.Labels[labelProject] != "iris" {
		t.Errorf("labels are %v and %v", job.Labels, job.Spec.Template.Labels)
	}
	// A program that waited for the registry as long as it may still has time to
	// measure, to ask who is away, and to end its servers.
	const registryWait = 3 * time.Minute // lab/workloads/trainer/config.py: BENCHTOP_WAIT_SECONDS
	if spare := measurePatience - registryWait - measureTime; spare < 2*time.Minute {
		t.Errorf("after its wait and its measurements %s are left, expected some minutes", spare)
	}
	pod := job.Spec.Template.Spec
	checkPod(t, "measure", pod)
	c := pod.Containers[0]
	if !slices.Equal(c.Command, []string{"python3", "/opt/benchtop/measure.py"}) {
		t.Errorf("it runs %v", c.Command)
	}
	expectEnv(t, c, map[string]string{"BENCHTOP_MODEL_NAME": "iris", "BENCHTOP_MODEL_VERSION": "7", "BENCHTOP_SERVED_MODEL": "iris",
		"BENCHTOP_SERVED_MODEL_VERSION": "6", "BENCHTOP_MEASURE": "latency_p95_ms,model_size_mb", "BENCHTOP_MEASURE_SECONDS": "420", "BENCHTOP_MODEL_DIR": "/models", "MLFLOW_TRACKING_URI": "http://mlflow.benchtop.svc:5000"})
	volumes := map[string]corev1.VolumeSource{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v.VolumeSource
	}
	at := map[string]corev1.VolumeSource{}
	for _, m := range c.VolumeMounts {
		at[m.MountPath] = volumes[m.Name]
	}
	if v := at["/models"]; v.EmptyDir == nil || v.EmptyDir.SizeLimit == nil || v.PersistentVolumeClaim != nil {
		t.Errorf("it writes to %+v, expected a folder of its own", v)
	}
	if at["/opt/benchtop"].ConfigMap.Name != "iris-trainer-code-111111111111" || at["/opt/benchtop-server"].ConfigMap.Name != "iris-server-code-222222222222" {
		t.Errorf("its code is %+v and %+v", at["/opt/benchtop"], at["/opt/benchtop-server"])
	}
	if r := c.Resources; r.Requests.Cpu().String() != "50m" || r.Limits.Memory().String() != "3Gi" || !r.Limits.Cpu().IsZero() || r.Requests.Memory().String() != "512Mi" {
		t.Errorf("its resources are %+v", r)
	}
	if got := c.EnvFrom[0].SecretRef.Name; got != "iris-trainer" {
		t.Errorf("it signs in with %s", got)
	}
	job = measureJob(ownDeployment("second", "iris"), measuredRevision, nil, latencyAndSize, "second-measure-12")
	c = job.Spec.Template.Spec.Containers[0]
	expectEnv(t, c, map[string]string{"BENCHTOP_SERVED_MODEL": "", "BENCHTOP_SERVED_MODEL_VERSION": ""})
	if got := c.EnvFrom[0].SecretRef.Name; got != "iris-trainer" || c.Resources.Limits.Memory().String() != "3Gi" {
		t.Errorf("of a deployment of its own volume it signs in with %s, its resources are %+v", got, c.Resources)
	}
}

func TestMeasure(t *testing.T) {
	s, c := newAPIServer(t)
	measure := func() (mlops.Job, error) {
		return c.Measure(t.Context(), testDeployment(), measuredRevision, nil, latencyAndSize)
	}
	for range 2 { // the second time after a crash
		if j, err := measure(); err != nil || j.State != mlops.TrainingRunning {
			t.Fatalf("it is %+v, %v", j, err)
		}
	}
	if s.made != 1 {
		t.Errorf("%d Jobs were made, expected 1", s.made)
	}
	ended := func(condition string) {
		s.set(batch+"jobs/iris-measure-12", []any{map[string]any{"type": condition, "status": "True", "reason": "BackoffLimitExceeded", "message": "it failed thrice", "lastTransitionTime": "2026-01-02T03:04:05Z"}}, "status", "conditions")
	}
	ended("Complete")
	s.mu.Lock()
	for name, phase := range map[string]string{"first": "Failed", "second": "Succeeded"} {
		s.objects["/api/v1/namespaces/iris/pods/"+name] = map[string]any{"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{"name": name, "namespace": "iris", "labels": map[string]any{"batch.kubernetes.io/job-name": "iris-measure-12"}},
			"status":   map[string]any{"phase": phase, "containerStatuses": []any{map[string]any{"name": "trainer", "state": map[string]any{"terminated": map[string]any{"message": "said by the " + name}}}}}}
	}
	s.mu.Unlock()
	if j, err := measure(); err != nil || j.Message != "said by the second" {
		t.Errorf("it is %+v, %v", j, err)
	}
	ended("Failed")
	if j, err := measure(); err != nil || j.State != mlops.TrainingFailed || j.Message != "said by the first" {
		t.Errorf("it is %+v, %v", j, err)
	}
	s.mu.Lock()
	delete(s.objects, "/api/v1/namespaces/iris/pods/first")
	s.mu.Unlock()
	if j, err := measure(); err != nil || !strings.Contains(j.Message, "BackoffLimitExceeded") {
		t.Errorf("it is %+v, %v", j, err)
	}
	s.mu.Lock()
	delete(s.objects, "/api/v1/namespaces/iris/pods/second")
	s.mu.Unlock()
	s.broken = "/pods"
	_, err := measure()
	expectError(t, err, "list pods of job iris-measure-12: quota exceeded")
	s.broken = "/jobs"
	_, err = measure()
	expectError(t, err, "measure version 7 for deployment iris: quota exceeded")
}

// measureOf calls Measure for revisions of iris, and lists the Jobs that it has
// left.
func measureOf(t *testing.T, s *apiServer, c *Client, id int64, state mlops.TrainingState, jobs ...string) mlops.Job {
	t.Helper()
	j, err := c.Measure(t.Context(), testDeployment(), mlops.Revision{ID: id, Model: "iris", Version: 7}, nil, latencyAndSize)
	if err != nil || j.State != state || state == mlops.TrainingRunning && (j.Message != "" || !j.EndedAt.IsZero()) {
		t.Errorf("it is %+v, %v", j, err)
	}
	var left []string
	for _, name := range s.names() {
		if job, ok := strings.CutPrefix(name, batch+"jobs/"); ok {
			left = append(left, job)
		}
	}
	if !slices.Equal(left, jobs) {
		t.Errorf("left are the Jobs %v, expected %v", left, jobs)
	}
	return j
}

func condition(s *apiServer, job, kind, reason string) {
	s.set(batch+"jobs/"+job, []any{map[string]any{"type": kind, "status": "True", "reason": reason, "message": "it ended", "lastTransitionTime": "2026-01-02T03:04:05Z"}}, "status", "conditions")
}

// The result is in the Job's pod: without it the Job is made again.
func TestMeasuredAndGone(t *testing.T) {
	s, c := newAPIServer(t)
	measureOf(t, s, c, 12, mlops.TrainingRunning, "iris-measure-12")
	condition(s, "iris-measure-12", "Complete", "")
	measureOf(t, s, c, 12, mlops.TrainingRunning)
	measureOf(t, s, c, 12, mlops.TrainingRunning, "iris-measure-12")
	condition(s, "iris-measure-12", "Failed", "BackoffLimitExceeded")
	s.set(batch+"jobs/iris-measure-12", "2026-01-02T03:14:05Z", "metadata", "deletionTimestamp")
	measureOf(t, s, c, 12, mlops.TrainingRunning)
	measureOf(t, s, c, 12, mlops.TrainingRunning, "iris-measure-12")
	if s.made != 3 {
		t.Errorf("%d Jobs were made", s.made)
	}
	condition(s, "iris-measure-12", "Complete", "")
	s.broken = "DELETE"
	_, err := c.Measure(t.Context(), testDeployment(), measuredRevision, nil, latencyAndSize)
	expectError(t, err, "delete job iris-measure-12: quota exceeded")
}

// The served version's model may have another name by now, too.
func TestTheServedModelIsRenamed(t *testing.T) {
	s, c := newAPIServer(t)
	served := measuredRevision
	measure := func(jobs int) {
		t.Helper()
		if j, err := c.Measure(t.Context(), testDeployment(), measuredRevision, &served, latencyAndSize); err != nil || j.State != mlops.TrainingRunning {
			t.Errorf("it is %+v, %v", j, err)
		}
		if n := strings.Count(strings.Join(s.names(), " "), "/jobs/iris-measure-12"); n != jobs {
			t.Errorf("%d Jobs are there, expected %d", n, jobs)
		}
	}
	measure(1)
	served.Model = "flowers"
	measure(0)
	measure(1)
	measure(1)
}

// A Job that is being deleted says nothing any more, and is made again.
func TestABringingJobThatIsBeingDeleted(t *testing.T) {
	s, c := newAPIServer(t)
	bring := func(want mlops.TrainingState) {
		t.Helper()
		if j, err := c.Bring(t.Context(), testDeployment(), measuredRevision); err != nil || j.State != want {
			t.Errorf("it is %+v, %v", j, err)
		}
	}
	bring(mlops.TrainingRunning)
	condition(s, "iris-bring-12", "Failed", "PodFailurePolicy")
	bring(mlops.TrainingFailed)
	s.set(batch+"jobs/iris-bring-12", "2026-01-02T03:14:05Z", "metadata", "deletionTimestamp")
	bring(mlops.TrainingRunning)
	bring(mlops.TrainingRunning)
	if s.made != 2 {
		t.Errorf("%d Jobs were made, expected 2", s.made)
	}
}

// The deadline goes on while we are down, so it counts the second time only.
func TestMeasuredOvertime(t *testing.T) {
	s, c := newAPIServer(t)
	measureOf(t, s, c, 12, mlops.TrainingRunning, "iris-measure-12")
	condition(s, "iris-measure-12", "Failed", "DeadlineExceeded")
	measureOf(t, s, c, 12, mlops.TrainingRunning, "iris-measure-12-2")
	measureOf(t, s, c, 12, mlops.TrainingRunning, "iris-measure-12-2")
	condition(s, "iris-measure-12-2", "Failed", "DeadlineExceeded")
	for range 2 {
		if j := measureOf(t, s, c, 12, mlops.TrainingFailed, "iris-measure-12-2"); j.Message != "DeadlineExceeded: it ended" {
			t.Errorf("it says %q", j.Message)
		}
	}
}

// A Job measures what it was made for, by the name that the model had then.
func TestMeasuredTooLittle(t *testing.T) {
	s, c := newAPIServer(t)
	r := measuredRevision
	measure := func(metrics []string, want string) {
		t.Helper()
		if j, err := c.Measure(t.Context(), testDeployment(), r, nil, metrics); err != nil || j.State != mlops.TrainingRunning {
			t.Errorf("it is %+v, %v", j, err)
		}
		got := "no Job"
		if s.objects[batch+"jobs/iris-measure-12"] != nil {
			job, err := c.kube.BatchV1().Jobs("iris").Get(t.Context(), "iris-measure-12", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			asked, _ := envOf(job, envMeasure)
			name, _ := envOf(job, envModelName)
			got = name + ": " + asked
		}
		if got != want {
			t.Errorf("it is %s, expected %s", got, want)
		}
	}
	measure(latencyAndSize[:1], "iris: latency_p95_ms")
	condition(s, "iris-measure-12", "Complete", "")
	measure(latencyAndSize, "no Job")
	measure(latencyAndSize, "iris: latency_p95_ms,model_size_mb")
	measure(latencyAndSize[1:], "iris: latency_p95_ms,model_size_mb")
	r.Model = "flowers"
	measure(latencyAndSize, "no Job")
	measure(latencyAndSize, "flowers: latency_p95_ms,model_size_mb")
	// Of an earlier release, which measured all there is.
	s.set(batch+"jobs/iris-measure-12", []any{map[string]any{"name": "measure", "env": []any{map[string]any{"name": envModelName, "value": "flowers"}}}}, "spec", "template", "spec", "containers")
	measure(latencyAndSize, "flowers: ")
}

// Two that measure at once would spoil each other's latency.
func TestOneIsMeasuredAtATime(t *testing.T) {
	s, c := newAPIServer(t)
	second := ownDeployment("iris-2", "iris")
	if _, err := c.Measure(t.Context(), second, mlops.Revision{ID: 9}, nil, latencyAndSize); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Bring(t.Context(), testDeployment(), mlops.Revision{ID: 11}); err != nil {
		t.Fatal(err)
	}
	measureOf(t, s, c, 12, mlops.TrainingRunning, "iris-2-measure-9", "iris-bring-11", "iris-measure-12")
	condition(s, "iris-measure-12", "Failed", "DeadlineExceeded")
	measureOf(t, s, c, 12, mlops.TrainingRunning, "iris-2-measure-9", "iris-bring-11", "iris-measure-12-2")
	measureOf(t, s, c, 13, mlops.TrainingRunning, "iris-2-measure-9", "iris-bring-11", "iris-measure-13")
}
