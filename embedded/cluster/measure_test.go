package cluster

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

var (
	measuredDeployment = mlops.Deployment{Name: "iris", Namespace: "iris", Project: "iris"}
	measuredRevision   = mlops.Revision{ID: 12, Number: 4, Model: "iris", Version: 7}
)

func TestMeasureJob(t *testing.T) {
	s := testSpec()
	trainer, server := trainerJob(s, "code-1"), serverDeployment(s, "code-2").Spec.Template.Spec
	job, err := measureJob(measuredDeployment, measuredRevision, &mlops.Revision{Model: "iris", Version: 6}, "iris-measure-12", trainer, server)
	if err != nil {
		t.Fatal(err)
	}
	if job.Name != "iris-measure-12" || job.Namespace != "iris" || *job.Spec.ActiveDeadlineSeconds != 600 || *job.Spec.TTLSecondsAfterFinished != 600 {
		t.Errorf("it is %+v", job)
	}
	// Neither a trainer, whose Jobs are trainings, nor a server, which would get requests.
	if got := job.Spec.Template.Labels[labelComponent]; got != "measure" || job.Labels[labelComponent] != got || job.Labels[labelProject] != "iris" {
		t.Errorf("labels are %v and %v", job.Labels, job.Spec.Template.Labels)
	}
	pod := job.Spec.Template.Spec
	checkPod(t, "measure", pod)
	c := pod.Containers[0]
	if !slices.Equal(c.Command, []string{"python3", "/opt/benchtop/measure.py"}) {
		t.Errorf("it runs %v", c.Command)
	}
	expectEnv(t, c, map[string]string{"BENCHTOP_MODEL_NAME": "iris", "BENCHTOP_MODEL_VERSION": "7", "BENCHTOP_SERVED_MODEL": "iris",
		"BENCHTOP_SERVED_MODEL_VERSION": "6", "BENCHTOP_MODEL_DIR": "/models", "MLFLOW_TRACKING_URI": "http://mlflow.benchtop.svc:5000"})
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
	if at["/opt/benchtop"].ConfigMap.Name != "code-1" || at["/opt/benchtop-server"].ConfigMap.Name != "code-2" {
		t.Errorf("its code is %+v and %+v", at["/opt/benchtop"], at["/opt/benchtop-server"])
	}
	if r := c.Resources; r.Requests.Cpu().String() != "50m" || r.Limits.Memory().String() != "2Gi" || !r.Limits.Cpu().IsZero() || r.Requests.Memory().String() != "512Mi" {
		t.Errorf("its resources are %+v", r)
	}
	// The trainer's own Job is as it was.
	if trainer.Template.Spec.Volumes[0].PersistentVolumeClaim == nil || trainer.Template.Spec.Containers[0].Command[1] != "/opt/benchtop/train.py" {
		t.Error("it has changed the trainer's Job")
	}
	job, err = measureJob(measuredDeployment, measuredRevision, nil, "iris-measure-12", trainer, server)
	if err != nil {
		t.Fatal(err)
	}
	expectEnv(t, job.Spec.Template.Spec.Containers[0], map[string]string{"BENCHTOP_SERVED_MODEL": "", "BENCHTOP_SERVED_MODEL_VERSION": ""})
	_, err = measureJob(measuredDeployment, measuredRevision, nil, "x", trainer, corev1.PodSpec{})
	expectError(t, err, "the servers of deployment iris have no code, so that no shadow of them can be made")
}

func TestMeasure(t *testing.T) {
	s, c := newAPIServer(t)
	measure := func() (mlops.Job, error) { return c.Measure(t.Context(), measuredDeployment, measuredRevision, nil) }
	_, err := measure()
	expectError(t, err, "get trainer of project iris: ")
	if err := c.ApplyProject(t.Context(), testSpec()); err != nil {
		t.Fatal(err)
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
	if j, err := measure(); err != nil || j.State != mlops.TrainingSucceeded || j.Message != "" {
		t.Errorf("without its pod it is %+v, %v", j, err)
	}
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
	s.broken = "/pods"
	_, err = measure()
	expectError(t, err, "list pods of job iris-measure-12: quota exceeded")
	s.broken = "/jobs"
	_, err = measure()
	expectError(t, err, "measure version 7 for deployment iris: quota exceeded")
}
