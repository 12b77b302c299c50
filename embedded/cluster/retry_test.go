package cluster

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const away = "the registry was not ready within 180 s"

// ended ends a Job with pods that were made one second after the other; each
// code is that of one pod.
func ended(s *apiServer, job string, at time.Time, codes ...int) {
	s.set(batch+"jobs/"+job, []any{map[string]any{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "it failed thrice",
		"lastTransitionTime": at.UTC().Format(time.RFC3339)}}, "status", "conditions")
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, code := range codes {
		name := job + "-" + string(rune('z'-i)) // listed the newest first
		s.objects["/api/v1/namespaces/iris/pods/"+name] = map[string]any{"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{"name": name, "namespace": "iris", "creationTimestamp": at.Add(time.Duration(i-9) * time.Second).UTC().Format(time.RFC3339), "labels": map[string]any{batchv1.JobNameLabel: job}},
			"status": map[string]any{"phase": "Failed", "containerStatuses": []any{map[string]any{"name": "job", "state": map[string]any{
				"terminated": map[string]any{"exitCode": code, "message": map[int]string{1: away, 2: "it has no MLmodel", 3: "the key may not read it"}[code]}}}}}}
	}
}

// A Job that could not reach the registry says nothing about the version: it is
// made again, as often as that may be. One that ended by what it looked at is
// not.
func TestAFaultIsNoVerdict(t *testing.T) {
	for role, job := range map[string]string{"measure": "iris-measure-12", "bring": "iris-bring-12"} {
		t.Run(role, func(t *testing.T) {
			s, c := newAPIServer(t)
			start := func() (mlops.Job, error) {
				if role == "bring" {
					return c.Bring(t.Context(), testDeployment(), measuredRevision)
				}
				return c.Measure(t.Context(), testDeployment(), measuredRevision, nil, latencyAndSize)
			}
			expect := func(state mlops.TrainingState, message string, made int) {
				t.Helper()
				j, err := start()
				if err != nil || j.State != state || j.Message != message || state == mlops.TrainingRunning && !j.EndedAt.IsZero() {
					t.Errorf("it is %+v, %v; expected %s: %q", j, err, state, message)
				}
				if s.made != made {
					t.Errorf("%d Jobs were made, expected %d", s.made, made)
				}
			}
			gone := func() bool { return s.objects[batch+"jobs/"+job] == nil }
			expect(mlops.TrainingRunning, "", 1)
			for made := 1; made <= 3; made++ {
				ended(s, job, time.Now(), 137, 1)
				for range 2 {
					expect(mlops.TrainingRunning, away, made) // the pause
				}
				ended(s, job, time.Now().Add(-faultPause-time.Second), 137, 1)
				expect(mlops.TrainingRunning, away, made)
				if !gone() {
					t.Error("after the pause the Job is there still")
				}
				expect(mlops.TrainingRunning, "", made+1)
			}
			ended(s, job, time.Now(), 1, 2)
			expect(mlops.TrainingFailed, "it has no MLmodel", 4)
			ended(s, job, time.Now().Add(-time.Hour), 3, 3) // refused to the end
			expect(mlops.TrainingFailed, "the key may not read it", 4)
			ended(s, job, time.Now().Add(-time.Hour), 1, 2)
			s.broken = "DELETE"
			expect(mlops.TrainingFailed, "it has no MLmodel", 4)
			ended(s, job, time.Now().Add(-time.Hour), 1, 1)
			if _, err := start(); err == nil || !strings.HasSuffix(err.Error(), "delete job "+job+": quota exceeded") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A pod that said nothing leaves its exit code, and a Job at its deadline the
// fault that its tries before have met.
func TestASilentFault(t *testing.T) {
	s, c := newAPIServer(t)
	measureOf(t, s, c, 12, mlops.TrainingRunning, "iris-measure-12")
	ended(s, "iris-measure-12", time.Now(), 1, 1)
	condition(s, "iris-measure-12", "Failed", "DeadlineExceeded")
	s.set("/api/v1/namespaces/iris/pods/iris-measure-12-y", []any{map[string]any{"name": "job", "state": map[string]any{"terminated": map[string]any{"exitCode": 1}}}}, "status", "containerStatuses")
	j, err := c.Measure(t.Context(), testDeployment(), measuredRevision, nil, latencyAndSize)
	if err != nil || j.State != mlops.TrainingRunning || j.Message != "Error: it ended with exit code 1 and said nothing" || s.made != 1 {
		t.Errorf("it is %+v, %v; %d Jobs were made", j, err, s.made)
	}
}
