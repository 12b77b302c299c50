package cluster

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestJobStates(t *testing.T) {
	made := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	end := metav1.NewTime(made.Add(time.Minute))
	condition := func(kind batchv1.JobConditionType, status corev1.ConditionStatus) batchv1.JobCondition {
		return batchv1.JobCondition{Type: kind, Status: status, LastTransitionTime: end, Reason: "BackoffLimitExceeded", Message: "it failed thrice"}
	}
	for _, c := range []struct {
		name       string
		conditions []batchv1.JobCondition
		state      mlops.TrainingState
		message    string
		ended      bool
	}{
		{"new", nil, mlops.TrainingRunning, "", false},
		{"suspended", []batchv1.JobCondition{condition(batchv1.JobSuspended, corev1.ConditionTrue)}, mlops.TrainingRunning, "", false},
		{"about to fail", []batchv1.JobCondition{condition(batchv1.JobFailureTarget, corev1.ConditionTrue)}, mlops.TrainingRunning, "", false},
		{"not yet complete", []batchv1.JobCondition{condition(batchv1.JobComplete, corev1.ConditionFalse)}, mlops.TrainingRunning, "", false},
		{"complete", []batchv1.JobCondition{condition(batchv1.JobSuccessCriteriaMet, corev1.ConditionTrue), condition(batchv1.JobComplete, corev1.ConditionTrue)}, mlops.TrainingSucceeded, "", true},
		{"failed", []batchv1.JobCondition{condition(batchv1.JobFailureTarget, corev1.ConditionTrue), condition(batchv1.JobFailed, corev1.ConditionTrue)}, mlops.TrainingFailed, "BackoffLimitExceeded: it failed thrice", true},
	} {
		j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "iris-train-1", Labels: map[string]string{labelProject: "iris"}, CreationTimestamp: made},
			Status: batchv1.JobStatus{Conditions: c.conditions}}
		got := jobOf(j)
		want := mlops.Job{Name: "iris-train-1", Project: "iris", Trigger: mlops.TriggerSchedule, State: c.state, Message: c.message, Waits: c.state == mlops.TrainingRunning, CreatedAt: made.Time}
		if c.ended {
			want.EndedAt = end.Time
		}
		if got != want {
			t.Errorf("%s: found\n%+v\nexpected\n%+v", c.name, got, want)
		}
	}
}

func TestTrainingSaid(t *testing.T) {
	s, c := newAPIServer(t)
	job := mlops.Job{Name: "iris-train-1", Project: "iris", State: mlops.TrainingFailed}
	pod := func(name, job, limit string, terminated map[string]any) {
		s.objects["/api/v1/namespaces/iris/pods/"+name] = map[string]any{"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{"name": name, "namespace": "iris", "labels": map[string]any{"batch.kubernetes.io/job-name": job}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "trainer", "resources": map[string]any{"limits": map[string]any{"memory": limit}}}}},
			"status":   map[string]any{"phase": "Failed", "containerStatuses": []any{map[string]any{"name": "trainer", "state": map[string]any{"terminated": terminated}}}}}
	}
	expect := func(want string) {
		t.Helper()
		if why, err := c.TrainingSaid(t.Context(), job); err != nil || why != want {
			t.Errorf("it says %q, %v; expected %q", why, err, want)
		}
	}
	killed := map[string]any{"reason": "OOMKilled", "exitCode": 137}
	pod("other", "iris-train-2", "1Gi", killed)
	expect("")
	pod("first", "iris-train-1", "1Gi", map[string]any{"reason": "Error", "exitCode": 1})
	expect("")
	pod("first", "iris-train-1", "1Gi", map[string]any{"reason": "Error", "exitCode": 2, "message": "C must be positive"})
	expect("C must be positive")
	pod("second", "iris-train-1", "1536Mi", killed)
	expect("OOMKilled: the training needed more than its memory limit of 1536Mi; raise it, `benchtop project edit iris --memory 3Gi`, or on the project's page")
	pod("second", "iris-train-1", "0", killed)
	expect("OOMKilled: the training needed more memory than the machine had; train with less data, or on a larger machine")
	// Of a success only what the pod that succeeded says counts.
	pod("second", "iris-train-1", "1Gi", map[string]any{"reason": "Completed", "exitCode": 0, "message": "no model was found"})
	job.State = mlops.TrainingSucceeded
	expect("no model was found")
	s.broken = "/pods"
	_, err := c.TrainingSaid(t.Context(), job)
	expectError(t, err, "list pods of job iris-train-1: quota exceeded")
}

func TestJobTrigger(t *testing.T) {
	s := testSpec()
	j := &batchv1.Job{Spec: mustJob(t, s, "code")}
	if got := jobOf(j).Trigger; got != mlops.TriggerSchedule {
		t.Errorf("a Job of the CronJob is triggered by %s", got)
	}
	if got := jobOf(j); got.CodeSHA256 != s.TrainerSHA || got.Image != s.Image {
		t.Errorf("it runs %s in %s", got.CodeSHA256, got.Image)
	}
	env := j.Spec.Template.Spec.Containers[0].Env
	for i := range env {
		if env[i].Name == envTrigger {
			env[i].Value = "drift"
		}
	}
	if got := jobOf(j).Trigger; got != mlops.TriggerDrift {
		t.Errorf("a Job that drift made is triggered by %s", got)
	}
}

func TestPodOf(t *testing.T) {
	begin := metav1.NewTime(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	status := func(s corev1.ContainerState) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{RestartCount: 2, State: s}, {RestartCount: 1}}
	}
	waiting := func(reason, message string) []corev1.ContainerStatus {
		return status(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}})
	}
	for _, c := range []struct {
		name   string
		status corev1.PodStatus
		want   mlops.Pod
	}{
		{"running", corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.42.0.9", StartTime: &begin, ContainerStatuses: status(corev1.ContainerState{}),
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
			mlops.Pod{Phase: "Running", IP: "10.42.0.9", Ready: true, Restarts: 3, StartedAt: begin.Time}},
		{"starting", corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: waiting("ContainerCreating", "")}, mlops.Pod{Phase: "Pending", Restarts: 3}},
		{"no image", corev1.PodStatus{Phase: corev1.PodPending, ContainerStatuses: waiting("ErrImageNeverPull", "image is not present")},
			mlops.Pod{Phase: "Pending", Restarts: 3, Message: "ErrImageNeverPull: image is not present"}},
		{"crashing", corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: waiting("CrashLoopBackOff", "")}, mlops.Pod{Phase: "Running", Restarts: 3, Message: "CrashLoopBackOff"}},
		{"killed", corev1.PodStatus{Phase: corev1.PodFailed, ContainerStatuses: status(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}})},
			mlops.Pod{Phase: "Failed", Restarts: 3, Message: "OOMKilled (exit code 137)"}},
		{"done", corev1.PodStatus{Phase: corev1.PodSucceeded, ContainerStatuses: status(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}})},
			mlops.Pod{Phase: "Succeeded", Restarts: 3}},
		{"no room", corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/1 nodes are available"}}},
			mlops.Pod{Phase: "Pending", Message: "0/1 nodes are available"}},
		{"evicted", corev1.PodStatus{Phase: corev1.PodFailed, Message: "The node was low on memory", ContainerStatuses: waiting("X", "y")},
			mlops.Pod{Phase: "Failed", Restarts: 3, Message: "The node was low on memory"}},
	} {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "iris", Name: "p"}, Spec: corev1.PodSpec{NodeName: "node-a"}, Status: c.status}
		c.want.Namespace, c.want.Name, c.want.Node = "iris", "p", "node-a"
		got := podOf(p)
		got.Waiting, got.LastExit = "", nil // TestPodFacts looks at these
		if got != c.want {
			t.Errorf("%s: found\n%+v\nexpected\n%+v", c.name, got, c.want)
		}
	}
}
