package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

var asked = strings.Repeat("5e", 32)

func testBuild() mlops.EnvironmentBuild {
	s := codeSpec()
	s.Project.Name = "iris"
	return mlops.EnvironmentBuild{
		Project: s.Project, Training: mlops.Training{ID: 7, Project: "iris", Job: "iris-train-7"}, Request: asked,
		Base: "benchtop.local/lab-python:1-0123456789ab", Image: "benchtop.local/lab-build:1-0123456789ab",
		Code: map[string]string{"build_environment.py": "print()"}, CodeSHA: strings.Repeat("3", 64),
		CodeURL: "http://s3.benchtop.svc:9000/code/a?X-Amz-Signature=1", LayerURL: "http://s3.benchtop.svc:9000/environments/b?X-Amz-Signature=2",
		ReportURL: "http://s3.benchtop.svc:9000/environments/$(c)?X-Amz-Signature=3", IndexURL: "http://packages.benchtop.svc:3141/simple/", KnownLocks: []string{"l1", "l2"},
	}
}

func TestBuildJob(t *testing.T) {
	job, err := buildJob(testBuild())
	if err != nil {
		t.Fatal(err)
	}
	// No trainer, or it would be a training.
	if job.Name != "iris-environment-7" || job.Namespace != "iris" || job.Labels[labelComponent] != environmentRole || job.Labels[labelProject] != "iris" || job.Labels[labelPartOf] != "benchtop" {
		t.Errorf("it is %+v", job.ObjectMeta)
	}
	if l := job.Spec.Template.Labels; l[labelComponent] != environmentRole || l[labelProject] != "iris" {
		t.Errorf("its pods have the labels %v", l)
	}
	if *job.Spec.ActiveDeadlineSeconds != 3600 || *job.Spec.BackoffLimit != 2 || *job.Spec.TTLSecondsAfterFinished != 86400 {
		t.Errorf("it is tried for ever, or stays: %+v", job.Spec)
	}
	if got := job.Spec.PodFailurePolicy.Rules[0].OnExitCodes; !slices.Equal(got.Values, []int32{2, 137}) || *got.ContainerName != "environment" {
		t.Errorf("it is not tried again after %+v, want 2 and 137 of its container", got)
	}
	pod := job.Spec.Template.Spec
	checkPod(t, "build", pod)
	if pod.NodeSelector[corev1.LabelHostname] != "node-a" || *pod.AutomountServiceAccountToken || *pod.SecurityContext.RunAsUser != 10001 {
		t.Errorf("it runs as %+v", pod)
	}
	c := pod.Containers[0]
	if len(c.EnvFrom) > 0 {
		t.Errorf("it is given secrets: %+v", c.EnvFrom)
	}
	if c.Image != "benchtop.local/lab-build:1-0123456789ab" || !slices.Equal(c.Command, []string{"python3", "/opt/benchtop/build_environment.py"}) {
		t.Errorf("it runs %v in %s", c.Command, c.Image)
	}
	expectEnv(t, c, map[string]string{
		"BENCHTOP_CODE_URL": "http://s3.benchtop.svc:9000/code/a?X-Amz-Signature=1", "BENCHTOP_CODE_SHA256": strings.Repeat("0c", 32), "BENCHTOP_WORK": "/work",
		"BENCHTOP_BASE_IMAGE": "benchtop.local/lab-python:1-0123456789ab", "BENCHTOP_REQUEST": asked, "BENCHTOP_KNOWN_LOCKS": "l1 l2",
		"BENCHTOP_INDEX_URL": "http://packages.benchtop.svc:3141/simple/", "BENCHTOP_LAYER_URL": "http://s3.benchtop.svc:9000/environments/b?X-Amz-Signature=2",
		// Kubernetes makes $ of $$.
		"BENCHTOP_REPORT_URL": "http://s3.benchtop.svc:9000/environments/$$(c)?X-Amz-Signature=3",
	})
	if !strings.Contains(environ(c)["BENCHTOP_CODE_PLAN"], `"entry":"train.py"`) {
		t.Errorf("its plan is %s", environ(c)["BENCHTOP_CODE_PLAN"])
	}
	if r := c.Resources; r.Limits.Memory().String() != "2Gi" || !r.Limits.Cpu().IsZero() || r.Requests.Memory().String() != "256Mi" {
		t.Errorf("its resources are %+v", r)
	}
	at := map[string]string{}
	for _, m := range c.VolumeMounts {
		for _, v := range pod.Volumes {
			switch {
			case v.Name != m.Name:
			case v.EmptyDir != nil:
				at[m.MountPath] = v.EmptyDir.SizeLimit.String()
			case v.ConfigMap != nil:
				at[m.MountPath] = fmt.Sprint(v.ConfigMap.Name, " ", m.ReadOnly)
			}
		}
	}
	if want := map[string]string{"/work": "10Gi", "/tmp": "2Gi", "/opt/benchtop": "iris-environment-code-333333333333 true"}; fmt.Sprint(at) != fmt.Sprint(want) || len(pod.Volumes) != 3 {
		t.Errorf("it mounts %v of %d volumes, want %v", at, len(pod.Volumes), want)
	}
}

// newBuildServer returns an API server with a client that can build.
func newBuildServer(t *testing.T) (*apiServer, *Client, *broughtImages) {
	t.Helper()
	s, c := newAPIServer(t)
	images := &broughtImages{}
	c.images = images
	return s, c, images
}

func build(c *Client, t *testing.T) (mlops.Job, error) {
	return c.BuildEnvironment(t.Context(), testBuild())
}

func TestBuildEnvironment(t *testing.T) {
	s, c, images := newBuildServer(t)
	for range 2 { // the second time after a crash
		if j, err := build(c, t); err != nil || j.State != mlops.TrainingRunning || j.Message != "" {
			t.Fatalf("it is %+v, %v", j, err)
		}
	}
	if !slices.Equal(images.names, []string{"lab-build"}) {
		t.Errorf("the images %v were imported", images.names)
	}
	want := []string{"/api/v1/namespaces/iris/configmaps/iris-environment-code-333333333333", batch + "jobs/iris-environment-7", "/apis/networking.k8s.io/v1/namespaces/iris/networkpolicies/iris-environment"}
	if got := s.names(); !slices.Equal(got, want) {
		t.Errorf("the cluster holds\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	policy := slices.IndexFunc(s.calls, func(call string) bool { return strings.Contains(call, "/networkpolicies/iris-environment") })
	job := slices.Index(s.calls, "POST "+strings.TrimSuffix(batch, "/")+"/jobs")
	if policy < 0 || job < policy || s.made != 1 {
		t.Errorf("%d Jobs were made; the policy has to be there before: %v", s.made, s.calls)
	}
	if jobs, err := c.TrainingJobs(t.Context()); err != nil || len(jobs) > 0 {
		t.Errorf("it counts as a training: %+v, %v", jobs, err)
	}
	condition(s, "iris-environment-7", "Complete", "")
	pod(s, "iris-environment-7-a", "iris-environment-7", "Succeeded", map[string]any{"exitCode": 0, "message": "3 packages"})
	if j, err := build(c, t); err != nil || j.State != mlops.TrainingSucceeded || j.Message != "3 packages" {
		t.Errorf("it is %+v, %v", j, err)
	}
	// Its log is that of the training.
	pod(s, "iris-train-7-a", "iris-train-7", "Failed", map[string]any{"exitCode": 42})
	pod(s, "iris-train-8-a", "iris-train-8", "Failed", map[string]any{"exitCode": 42})
	pods, err := c.TrainingPods(t.Context(), testBuild().Training)
	if err != nil || len(pods) != 2 || pods[0].Name != "iris-environment-7-a" || pods[1].Name != "iris-train-7-a" {
		t.Errorf("the pods of the training are %+v, %v", pods, err)
	}
	for range 2 {
		if err := c.DropEnvironmentBuild(t.Context(), "iris", 7); err != nil {
			t.Error(err)
		}
	}
	if s.objects[batch+"jobs/iris-environment-7"] != nil {
		t.Error("the Job stays")
	}
	s.broken = "DELETE"
	expectError(t, c.DropEnvironmentBuild(t.Context(), "iris", 7), "delete job iris/iris-environment-7: quota exceeded")
	for broken, want := range map[string]string{
		"GET /apis/batch": "quota exceeded", "/networkpolicies": "apply NetworkPolicy iris/iris-environment", "POST": "create job iris/iris-environment-7: quota exceeded", "configmaps": "apply ConfigMap",
	} {
		s.broken = broken
		_, err = build(c, t)
		expectError(t, err, "build the environment of training 7 of project iris: ")
		expectError(t, err, want)
	}
	images.err, s.broken = errors.New("the disk is full"), ""
	_, err = build(c, t)
	expectError(t, err, "project iris: the disk is full")
}

// pod makes a pod of a Job of project iris that has ended.
func pod(s *apiServer, name, job, phase string, terminated map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects["/api/v1/namespaces/iris/pods/"+name] = map[string]any{"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": name, "namespace": "iris", "labels": map[string]any{"batch.kubernetes.io/job-name": job}},
		"status":   map[string]any{"phase": phase, "containerStatuses": []any{map[string]any{"name": "job", "state": map[string]any{"terminated": terminated}}}}}
}

func TestBuildThatFails(t *testing.T) {
	const job, first = "iris-environment-7", "/api/v1/namespaces/iris/pods/iris-environment-7-a"
	for name, c := range map[string]struct {
		reason     string
		terminated map[string]any
		evicted    string
		want       string
	}{
		"what it said":   {"PodFailurePolicy", map[string]any{"exitCode": 2, "message": "xgboost is not in this lab's package index"}, "", "xgboost is not in this lab's package index"},
		"its memory":     {"PodFailurePolicy", map[string]any{"exitCode": 137, "reason": "OOMKilled"}, "", "OOMKilled: it needed more than its memory limit of 2Gi, as compiling a package does; ask for a version that has a wheel for this machine"},
		"its disk":       {"PodFailurePolicy", map[string]any{"exitCode": 137, "reason": "Error"}, `Usage of EmptyDir volume "work" exceeds the limit "10Gi".`, `it was evicted: Usage of EmptyDir volume "work" exceeds the limit "10Gi".`},
		"its time":       {"DeadlineExceeded", nil, "", "it took longer than 1h0m0s"},
		"nothing at all": {"BackoffLimitExceeded", nil, "", "BackoffLimitExceeded: it ended"},
	} {
		t.Run(name, func(t *testing.T) {
			s, client, _ := newBuildServer(t)
			if _, err := build(client, t); err != nil {
				t.Fatal(err)
			}
			condition(s, job, "Failed", c.reason)
			if c.terminated != nil {
				pod(s, job+"-a", job, "Failed", c.terminated)
				s.set(first, c.evicted, "status", "message")
				if c.evicted != "" {
					s.set(first, "Evicted", "status", "reason")
				}
			}
			if j, err := build(client, t); err != nil || j.State != mlops.TrainingFailed || j.Message != c.want || s.made != 1 {
				t.Errorf("it is %+v, %v; want %q", j, err, c.want)
			}
		})
	}
}

// A fault on the way says nothing of what was asked for.
func TestBuildThatMetAFault(t *testing.T) {
	const job = "iris-environment-7"
	s, c, _ := newBuildServer(t)
	expect := func(state mlops.TrainingState, message string, made int) {
		t.Helper()
		if j, err := build(c, t); err != nil || j.State != state || j.Message != message || s.made != made {
			t.Errorf("it is %+v, %v, and %d were made; expected %s: %q, and %d", j, err, s.made, state, message, made)
		}
	}
	expect(mlops.TrainingRunning, "", 1)
	ended(s, job, time.Now(), 1, 1)
	expect(mlops.TrainingRunning, away, 1)
	ended(s, job, time.Now().Add(-faultPause-time.Second), 1, 1)
	expect(mlops.TrainingRunning, away, 1)
	expect(mlops.TrainingRunning, "", 2)
	// So is one that was made for something else, or is going.
	s.set(batch+"jobs/"+job, "2026-01-02T03:14:05Z", "metadata", "deletionTimestamp")
	expect(mlops.TrainingRunning, "", 2)
	expect(mlops.TrainingRunning, "", 3)
	for _, other := range []func(*mlops.EnvironmentBuild){func(s *mlops.EnvironmentBuild) { s.Request = strings.Repeat("6f", 32) }, func(s *mlops.EnvironmentBuild) { s.Base = "benchtop.local/lab-python:2" }} {
		b := testBuild()
		other(&b)
		made := s.made
		for range 2 {
			if _, err := c.BuildEnvironment(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if s.made != made+1 {
			t.Errorf("a Job for another environment is taken for this one")
		}
		expect(mlops.TrainingRunning, "", made+1)
		expect(mlops.TrainingRunning, "", made+2)
	}
}

func TestBuildPolicy(t *testing.T) {
	_, c := newAPIServer(t)
	p := c.buildPolicy(testBuild().Project)
	if got := p.Spec.PodSelector.MatchLabels; got[labelProject] != "iris" || got[labelComponent] != environmentRole {
		t.Errorf("it is about pods with %v", got)
	}
	var ports []int
	for _, port := range p.Spec.Egress[1].Ports {
		ports = append(ports, port.Port.IntValue())
	}
	if fmt.Sprint(ports) != "[19000 3141]" || p.Spec.Egress[1].To[0].IPBlock.CIDR != c.cfg.NodeAddress.String()+"/32" || len(p.Spec.Egress) != 3 || len(p.Spec.PolicyTypes) != 2 {
		t.Errorf("of the node it reaches %v: %+v", ports, p.Spec)
	}
	if got := p.Spec.Egress[2].To[0].IPBlock.Except; !slices.Contains(got, "169.254.0.0/16") || !slices.Contains(got, mlops.PodNetwork) {
		t.Errorf("it reaches all but %v", got)
	}
}

func TestEnvironmentAsked(t *testing.T) {
	const job = "iris-train-7"
	s, c := newAPIServer(t)
	j := mlops.Job{Name: job, Project: "iris", State: mlops.TrainingFailed}
	expect := func(request, why string, ok bool) {
		t.Helper()
		gotRequest, gotWhy, gotOK, err := c.EnvironmentAsked(t.Context(), j)
		if err != nil || gotRequest != request || gotWhy != why || gotOK != ok {
			t.Errorf("it asks for %q, %q, %t, %v; expected %q, %q, %t", gotRequest, gotWhy, gotOK, err, request, why, ok)
		}
	}
	expect("", "", false) // its Job is gone
	s.objects[batch+"jobs/"+job] = map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"name": job, "namespace": "iris", "uid": "new"}}
	expect("", "", false)
	said := `{"environment": {"request": "` + asked + `", "why": "xgboost (train.py line 3 imports it)"}}`
	for _, end := range []map[string]any{
		{"exitCode": 2, "message": said},
		{"exitCode": 42, "message": "my own code"},
		{"exitCode": 42, "message": `{"environment": {"request": "latest", "why": "no digest"}}`},
		{"exitCode": 42},
	} {
		pod(s, "a", job, "Failed", end)
		expect("", "", false)
	}
	pod(s, "b", job, "Failed", map[string]any{"exitCode": 42, "message": said})
	expect(asked, "xgboost (train.py line 3 imports it)", true)
	for uid, mine := range map[string]bool{"new": true, "old": false} {
		s.set("/api/v1/namespaces/iris/pods/b", uid, "metadata", "labels", "batch.kubernetes.io/controller-uid")
		if _, _, ok, err := c.EnvironmentAsked(t.Context(), j); err != nil || ok != mine {
			t.Errorf("a pod of the %s Job of this name counts: %t, %v", uid, ok, err)
		}
	}
	pod(s, "b", job, "Failed", map[string]any{"exitCode": 42, "message": strings.Replace(said, "xgboost", strings.Repeat("é", 2000), 1)})
	if _, why, ok, err := c.EnvironmentAsked(t.Context(), j); err != nil || !ok || len(why) > 1000 || why != strings.Repeat("é", 500) {
		t.Errorf("a long reason is %q, %t, %v", why, ok, err)
	}
	s.broken = "/pods"
	_, _, _, err := c.EnvironmentAsked(t.Context(), j)
	expectError(t, err, "list pods of job iris-train-7: quota exceeded")
	s.broken = "/jobs"
	_, _, _, err = c.EnvironmentAsked(t.Context(), j)
	expectError(t, err, "get job iris/iris-train-7: quota exceeded")
}

// Pushed code and its model run in their environment, which the lab's own
// programs do not need.
func TestEnvironmentImage(t *testing.T) {
	const image = mlops.EnvironmentRepository + ":0123456789ab"
	s := codeSpec()
	c := mustJob(t, s, "code-1").Template.Spec.Containers[0]
	if _, ok := environ(c)["BENCHTOP_ENVIRONMENT"]; ok || c.Image != s.Image || environ(c)["BENCHTOP_BASE_IMAGE"] != s.Image {
		t.Errorf("without an environment it runs in %s with %v", c.Image, environ(c))
	}
	s.EnvironmentImage, s.EnvironmentRequest = image, asked
	c = mustJob(t, s, "code-1").Template.Spec.Containers[0]
	if c.Image != image {
		t.Errorf("it runs in %s", c.Image)
	}
	expectEnv(t, c, map[string]string{"BENCHTOP_ENVIRONMENT": asked, "BENCHTOP_BASE_IMAGE": s.Image, "BENCHTOP_IMAGE": image})
	if values := mustJob(t, testSpec(), "code-1").PodFailurePolicy.Rules[0].OnExitCodes.Values; !slices.Equal(values, []int32{2}) {
		t.Errorf("the lab's own trainer is not tried again after %v", values)
	}
	d := testDeployment()
	d.EnvironmentImage = image
	deployment := serverDeployment(d, "code")
	// A server goes when its successor is ready, and not before.
	if r := deployment.Spec.Strategy.RollingUpdate; r.MaxUnavailable.IntValue() != 0 || r.MaxSurge.IntValue() != 1 {
		t.Errorf("servers are replaced by %+v", r)
	}
	for name, c := range map[string]corev1.Container{
		"server":  deployment.Spec.Template.Spec.Containers[0],
		"bring":   bringJob(d, measuredRevision, "b").Spec.Template.Spec.Containers[0],
		"measure": measureJob(d, measuredRevision, nil, latencyAndSize, "m").Spec.Template.Spec.Containers[0],
	} {
		if c.Image != image || environ(c)["BENCHTOP_IMAGE"] != image {
			t.Errorf("%s runs in %s, and is told %s", name, c.Image, environ(c)["BENCHTOP_IMAGE"])
		}
	}
}

// A server that runs another image than its Deployment has is about to go.
func TestOutdatedServers(t *testing.T) {
	s, c := newAPIServer(t)
	d := testDeployment()
	server := func(name, image string) {
		l := map[string]any{}
		for k, v := range deploymentLabels(d.Deployment, serverRole) {
			l[k] = v
		}
		s.objects["/api/v1/namespaces/iris/pods/"+name] = map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name, "namespace": "iris", "labels": l},
			"spec": map[string]any{"containers": []any{map[string]any{"name": "server", "image": image}}}, "status": map[string]any{"phase": "Pending"}}
	}
	server("new", mlops.EnvironmentRepository+":0123456789ab")
	server("old", d.Image)
	expect := func(want ...bool) {
		t.Helper()
		found, err := c.Serving(t.Context(), d.Deployment)
		if err != nil || len(found) != 2 || found[0].Outdated != want[0] || found[1].Outdated != want[1] {
			t.Errorf("they are %+v, %v; expected %v", found, err, want)
		}
	}
	expect(false, false) // nobody knows yet
	d.EnvironmentImage = mlops.EnvironmentRepository + ":0123456789ab"
	applyIris(t, c)
	expect(true, false)
	apply(t, c, d)
	expect(false, true)
	s.broken = "GET /apis/apps/v1/namespaces/iris/deployments/iris"
	_, err := c.Serving(t.Context(), d.Deployment)
	expectError(t, err, "get servers of deployment iris: quota exceeded")
}

// layeredImages notes what images of environments were made of.
type layeredImages struct {
	Images
	made string
}

func (l *layeredImages) Has(_ context.Context, ref string) (bool, string, error) {
	return l.made != "" && strings.HasPrefix(l.made, ref+" "), "another", nil
}

func (l *layeredImages) RemoveLayered(_ context.Context, name string) error {
	l.made = strings.TrimPrefix(l.made, name+" ")
	return nil
}

func (l *layeredImages) Layered(_ context.Context, name, base string, layer io.Reader, diffID string, env map[string]string) (mlops.Image, error) {
	b, err := io.ReadAll(layer)
	l.made = fmt.Sprint(name, " ", base, " ", string(b), " ", diffID, " ", env)
	return mlops.Image{Reference: name}, err
}

func TestMakeEnvironment(t *testing.T) {
	_, c := newAPIServer(t)
	images := &layeredImages{}
	c.images = images
	for _, want := range []bool{false, true} {
		if has, err := c.HasImage(t.Context(), "e:1"); err != nil || has != want {
			t.Errorf("it is there: %t, %v; expected %t", has, err, want)
		}
		img, err := c.MakeEnvironment(t.Context(), "e:1", "base:1", strings.NewReader("tar"), "0c", map[string]string{"A": "1"})
		if err != nil || img.Reference != "e:1" || images.made != "e:1 base:1 tar 0c map[A:1]" {
			t.Errorf("made %+v of %s, %v", img, images.made, err)
		}
	}
	if err := c.RemoveEnvironment(t.Context(), "e:1"); err != nil {
		t.Error(err)
	}
	if has, err := c.HasImage(t.Context(), "e:1"); err != nil || has {
		t.Errorf("after it was removed it is there: %t, %v", has, err)
	}
}
