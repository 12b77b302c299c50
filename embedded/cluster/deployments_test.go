package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	selectors "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// testDeployment is the deployment of project iris.
func testDeployment() mlops.DeploymentSpec {
	return mlops.DeploymentSpec{
		Deployment: mlops.Deployment{ID: 1, Name: "iris", Project: "iris", Namespace: "iris", Model: "iris", Replicas: 1, Host: "iris.lab.internal", Path: "/models/iris"},
		Image:      "benchtop.local/lab-python:1-0123456789ab", Node: "node-a",
		Server: map[string]string{"app.py": "print()"}, ServerMain: "app.py", ServerSHA: strings.Repeat("2", 64),
		Bring: map[string]string{"bring.py": "print()"}, BringMain: "bring.py", MeasureMain: "measure.py", BringSHA: strings.Repeat("1", 64),
	}
}

// ownDeployment is a deployment with its own volume, of a model of the project
// or of none.
func ownDeployment(name, project string) mlops.DeploymentSpec {
	s := testDeployment()
	s.Deployment = mlops.Deployment{ID: 2, Name: name, Project: project, Namespace: mlops.NamespaceOf(project), Model: "My model $(HOME)", Own: true, Replicas: 3}
	s.Deployment.Host, s.Deployment.Path, s.Secret = name+".lab.internal", "/models/"+name, map[string]string{"MLFLOW_TRACKING_PASSWORD": "hush"}
	return s
}

func apply(t *testing.T, c *Client, s mlops.DeploymentSpec) {
	t.Helper()
	if err := c.ApplyDeployment(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func TestApplyADeploymentOfItsOwn(t *testing.T) {
	s, c := newAPIServer(t)
	apply(t, c, ownDeployment("second", ""))
	want := []string{
		"/api/v1/namespaces/models",
		"/api/v1/namespaces/models/configmaps/second-server-code-222222222222",
		"/api/v1/namespaces/models/configmaps/second-trainer-code-111111111111",
		"/api/v1/namespaces/models/persistentvolumeclaims/second-model",
		"/api/v1/namespaces/models/secrets/second-bring",
		"/api/v1/namespaces/models/services/second",
		"/apis/apps/v1/namespaces/models/deployments/second",
		"/apis/networking.k8s.io/v1/namespaces/models/ingresses/second.host",
		"/apis/networking.k8s.io/v1/namespaces/models/ingresses/second.path",
	}
	if got := s.names(); !slices.Equal(got, want) {
		t.Errorf("the cluster holds\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for path, o := range s.objects {
		l, _ := o["metadata"].(map[string]any)["labels"].(map[string]any)
		if path != "/api/v1/namespaces/models" && l[labelDeployment] != "second" || l[labelPartOf] != "benchtop" || l[labelProject] != nil {
			t.Errorf("%s has the labels %v", path, l)
		}
	}
	if spec := s.objects["/apis/apps/v1/namespaces/models/deployments/second"]["spec"].(map[string]any); spec["replicas"] != float64(3) {
		t.Errorf("it has %v replicas", spec["replicas"])
	}
	ns := s.objects["/api/v1/namespaces/models"]["metadata"].(map[string]any)["labels"].(map[string]any)
	if ns["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Errorf("the namespace lets any pod in: %v", ns)
	}
}

// Volume and servers of one deployment never become another's, even in the same
// namespace.
func TestDeploymentsSideBySide(t *testing.T) {
	s, c := newAPIServer(t)
	applyIris(t, c)
	before := s.names()
	specs := []mlops.DeploymentSpec{testDeployment(), ownDeployment("iris-path", "iris"), ownDeployment("iris-2", "iris"), ownDeployment("iris-2-path", "iris")}
	for range 2 { // old code of one is not that of another
		for _, spec := range specs {
			apply(t, c, spec)
		}
		if err := c.ApplyProject(t.Context(), testSpec()); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(s.names()); got != len(before)+3*8 {
		t.Errorf("the cluster holds %d objects, expected %d:\n%s", got, len(before)+3*8, strings.Join(s.names(), "\n"))
	}
	for i, spec := range specs {
		d := serverDeployment(spec, "code")
		for j, other := range specs {
			pods := serverDeployment(other, "code").Spec.Template.Labels
			selects := true
			for k, v := range d.Spec.Selector.MatchLabels {
				selects = selects && pods[k] == v
			}
			parsed, err := selectors.Parse(serverSelector(spec.Deployment))
			if err != nil {
				t.Fatal(err)
			}
			if selects != (i == j) || parsed.Matches(selectors.Set(pods)) != (i == j) {
				t.Errorf("%s selects the pods of %s: %t", spec.Deployment.Name, other.Deployment.Name, selects)
			}
		}
	}
	// A selector cannot change, and pods of the version before must be found.
	if got := serverSelector(testDeployment().Deployment); got != "app.kubernetes.io/component=server,benchtop.dev/project=iris" {
		t.Errorf("a project's servers are selected by %s", got)
	}
}

func TestServersHaveRoomForAnyModel(t *testing.T) {
	for _, s := range []mlops.DeploymentSpec{testDeployment(), ownDeployment("second", "iris")} {
		r := serverDeployment(s, "code").Spec.Template.Spec.Containers[0].Resources
		if r.Limits.Memory().String() != "1Gi" || r.Requests.Memory().String() != "128Mi" {
			t.Errorf("the servers of %s have %+v", s.Deployment.Name, r)
		}
	}
}

func TestServerOfItsOwn(t *testing.T) {
	d := serverDeployment(ownDeployment("second", "iris"), "code-2")
	pod := d.Spec.Template.Spec
	checkLabPod(t, "server", pod, "second-model", "code-2", true)
	c := pod.Containers[0]
	expectEnv(t, c, map[string]string{"BENCHTOP_DEPLOYMENT": "second", "BENCHTOP_SERVED": "/served/version.json"})
	if c.Resources.Limits.Memory().String() != "1Gi" || len(c.EnvFrom) != 0 {
		t.Errorf("it is limited to %s and has the secrets %v", c.Resources.Limits.Memory(), c.EnvFrom)
	}
	for _, v := range pod.Volumes {
		if v.Name == "served" && v.ConfigMap.Name != "second-served" {
			t.Errorf("it is told by %s what to serve", v.ConfigMap.Name)
		}
	}
}

func TestBringJob(t *testing.T) {
	r := mlops.Revision{ID: 12, Model: "My model $(HOME)", Version: 7}
	for _, c := range []struct {
		spec                mlops.DeploymentSpec
		claim, code, secret string
	}{
		{testDeployment(), "iris-model", "iris-trainer-code-111111111111", "iris-trainer"},
		{ownDeployment("second", "iris"), "second-model", "second-trainer-code-111111111111", "second-bring"},
	} {
		j := bringJob(c.spec, r, "job")
		pod := j.Spec.Template.Spec
		checkLabPod(t, "bring", pod, c.claim, c.code, false)
		con := pod.Containers[0]
		if !slices.Equal(con.Command, []string{"python3", "/opt/benchtop/bring.py"}) || con.EnvFrom[0].SecretRef.Name != c.secret {
			t.Errorf("it runs %v with %v", con.Command, con.EnvFrom)
		}
		expectEnv(t, con, map[string]string{"BENCHTOP_MODEL_NAME": "My model $$(HOME)", "BENCHTOP_MODEL_VERSION": "7", "BENCHTOP_MODEL_DIR": "/models",
			"AWS_ENDPOINT_URL_S3": "http://s3.benchtop.svc:9000", "MLFLOW_TRACKING_URI": "http://mlflow.benchtop.svc:5000"})
		if *j.Spec.TTLSecondsAfterFinished != 600 || *j.Spec.PodFailurePolicy.Rules[0].OnExitCodes.ContainerName != con.Name {
			t.Errorf("it is %+v", j.Spec)
		}
		// A training's Job is another.
		if j.Labels[labelComponent] != bringRole || j.Spec.Template.Labels[labelDeployment] != c.spec.Deployment.Name {
			t.Errorf("its labels are %v", j.Labels)
		}
	}
}

func TestBring(t *testing.T) {
	s, c := newAPIServer(t)
	r := mlops.Revision{ID: 12, Model: "iris", Version: 7}
	for range 2 {
		if j, err := c.Bring(t.Context(), testDeployment(), r); err != nil || j.State != mlops.TrainingRunning {
			t.Fatalf("%+v, %v", j, err)
		}
	}
	if s.made != 1 {
		t.Errorf("%d Jobs were made", s.made)
	}
	const at = batch + "jobs/iris-bring-12"
	s.set(at, []any{map[string]any{"type": string(batchv1.JobFailed), "status": "True", "lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}}, "status", "conditions")
	pod := func(name, limit string, end map[string]any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		con := map[string]any{"name": "bring"}
		if limit != "" {
			con["resources"] = map[string]any{"limits": map[string]any{"memory": limit}}
		}
		s.objects["/api/v1/namespaces/iris/pods/"+name] = map[string]any{"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{"name": name, "namespace": "iris", "labels": map[string]any{batchv1.JobNameLabel: "iris-bring-12"}},
			"spec":     map[string]any{"containers": []any{con}},
			"status":   map[string]any{"phase": "Failed", "containerStatuses": []any{map[string]any{"name": "bring", "state": map[string]any{"terminated": end}}}}}
	}
	killed := map[string]any{"reason": "OOMKilled", "exitCode": 137}
	for _, silent := range []struct {
		limit string
		end   map[string]any
		want  string
	}{
		{"1Gi", killed, "OOMKilled: the model needs more than 1 GiB to load; log a smaller one"},
		{"1536Mi", killed, "OOMKilled: the model needs more than 1.5 GiB to load; log a smaller one"},
		{"", killed, "OOMKilled: the model needs more than the machine has to load; log a smaller one"},
		{"1Gi", map[string]any{"reason": "Error", "exitCode": 139}, "Error: it ended with exit code 139 and said nothing"},
	} {
		pod("silent", silent.limit, silent.end)
		if j, err := c.Bring(t.Context(), testDeployment(), r); err != nil || j.State != mlops.TrainingFailed || j.Message != silent.want {
			t.Errorf("%+v, %v", j, err)
		}
	}
	pod("x", "1Gi", map[string]any{"message": "no module named xgboost", "exitCode": 2})
	if j, err := c.Bring(t.Context(), testDeployment(), r); err != nil || j.State != mlops.TrainingFailed || j.Message != "no module named xgboost" {
		t.Errorf("%+v, %v", j, err)
	}
	for what, want := range map[string]string{"/jobs": "quota exceeded", "/pods": "list pods of job iris-bring-12: quota exceeded"} {
		s.broken = what
		_, err := c.Bring(t.Context(), testDeployment(), r)
		expectError(t, err, "bring version 7 to deployment iris: "+want)
	}
}

// A Job looks for the model by the name that it had when the Job was made.
func TestBringARenamedModel(t *testing.T) {
	s, c := newAPIServer(t)
	const at = batch + "jobs/iris-2-bring-12"
	second := ownDeployment("iris-2", "iris")
	r := mlops.Revision{ID: 12, Model: "iris", Version: 7, RunID: "abc"}
	bring := func() string {
		j, err := c.Bring(t.Context(), second, r)
		if err != nil || j.State != mlops.TrainingRunning || j.Message != "" {
			t.Errorf("%+v, %v", j, err)
		}
		if s.objects[at] == nil {
			return "no Job"
		}
		job, err := c.kube.BatchV1().Jobs("iris").Get(t.Context(), "iris-2-bring-12", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		expectEnv(t, job.Spec.Template.Spec.Containers[0], map[string]string{"BENCHTOP_MODEL_RUN_ID": "abc"})
		name, _ := envOf(job, envModelName)
		return name
	}
	if got := bring(); got != "iris" {
		t.Errorf("it brings %s", got)
	}
	condition(s, "iris-2-bring-12", "Failed", "PodFailurePolicy")
	r.Model = "flowers"
	for _, want := range []string{"no Job", "flowers", "flowers"} {
		if got := bring(); got != want {
			t.Errorf("it brings %s, expected %s", got, want)
		}
	}
	r.Model, s.broken = "blossoms", "DELETE"
	_, err := c.Bring(t.Context(), second, r)
	expectError(t, err, "bring version 7 to deployment iris-2: delete job iris-2-bring-12: quota exceeded")
}

// Servers read what to serve, and who makes room reads what to keep besides.
func TestServeNamesWhatStays(t *testing.T) {
	_, c := newAPIServer(t)
	d := testDeployment().Deployment
	for want, keep := range map[string][]int{
		`{"keep":[],"run_id":"run","version":"7"}`:        nil,
		`{"keep":["5","6"],"run_id":"run","version":"7"}`: {5, 6},
	} {
		if err := c.Serve(t.Context(), d, 7, "run", keep); err != nil {
			t.Fatal(err)
		}
		m, err := c.kube.CoreV1().ConfigMaps("iris").Get(t.Context(), "iris-served", metav1.GetOptions{})
		if err != nil || m.Data["version.json"] != want {
			t.Errorf("the servers read %s, %v; expected %s", m.Data["version.json"], err, want)
		}
	}
}

func TestDeleteADeployment(t *testing.T) {
	s, c := newAPIServer(t)
	applyIris(t, c)
	keep := append(s.names(), "/api/v1/persistentvolumes/pv-1")
	second := ownDeployment("iris-2", "iris")
	apply(t, c, second)
	if err := c.Serve(t.Context(), second.Deployment, 3, "run", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Bring(t.Context(), second, mlops.Revision{ID: 1, Model: "iris", Version: 3}); err != nil {
		t.Fatal(err)
	}
	volume := func(name, claim string) {
		s.objects["/api/v1/persistentvolumes/"+name] = map[string]any{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": map[string]any{"name": name},
			"spec": map[string]any{"persistentVolumeReclaimPolicy": "Delete", "claimRef": map[string]any{"namespace": "iris", "name": claim}}}
	}
	volume("pv-1", "iris-model")
	volume("pv-2", "iris-2-model")
	for _, want := range []bool{false, true} { // first its folder is still being removed
		if gone, err := c.DeleteDeployment(t.Context(), second.Deployment); err != nil || gone != want {
			t.Errorf("gone: %t, %v; expected %t", gone, err, want)
		}
		delete(s.objects, "/api/v1/persistentvolumes/pv-2")
	}
	slices.Sort(keep)
	if got := s.names(); !slices.Equal(got, keep) {
		t.Errorf("the cluster holds\n%s\nexpected\n%s", strings.Join(got, "\n"), strings.Join(keep, "\n"))
	}
	_, err := c.DeleteDeployment(t.Context(), testDeployment().Deployment)
	expectError(t, err, "deployment iris is its project's: it goes with the project")
	for _, resource := range []string{"ingresses", "services", "deployments", "jobs", "pods", "configmaps", "secrets", "persistentvolumeclaims"} {
		s.broken = "/" + resource
		_, err := c.DeleteDeployment(t.Context(), second.Deployment)
		expectError(t, err, "delete deployment iris-2: quota exceeded")
	}
}

func TestSomebodyElsesNamespaceOfModels(t *testing.T) {
	s, c := newAPIServer(t)
	s.objects["/api/v1/namespaces/models"] = map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "models"}}
	err := c.ApplyDeployment(t.Context(), ownDeployment("second", ""))
	if mlops.CodeOf(err) != mlops.Exists || !strings.Contains(mlops.MessageOf(err), "`benchtop kubectl delete namespace models`") {
		t.Errorf("error %v", err)
	}
	s.broken = "GET /api/v1/namespaces/models"
	expectError(t, c.ApplyDeployment(t.Context(), ownDeployment("second", "")), "look for namespace models: quota exceeded")
}

// A deployment's status comes from its own pods only.
func TestObserveSideBySide(t *testing.T) {
	second := ownDeployment("iris-2", "iris")
	var objects []runtime.Object
	for name, spec := range map[string]mlops.DeploymentSpec{"a": testDeployment(), "b": second} {
		objects = append(objects, serverDeployment(spec, "code"), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "iris", Labels: deploymentLabels(spec.Deployment, serverRole)},
			Status: corev1.PodStatus{Phase: corev1.PodRunning}})
	}
	c, _ := watched(t, objects...)
	for name, d := range map[string]mlops.Deployment{"a": testDeployment().Deployment, "b": second.Deployment} {
		seen, err := c.Observe(t.Context(), []mlops.Deployment{d})
		if err != nil || len(seen) != 1 || len(seen[0].Pods) != 1 || seen[0].Pods[0].Name != name || seen[0].Replicas != d.Replicas {
			t.Errorf("%s: %+v, %v", name, seen, err)
		}
		if pods, err := c.serverPods(t.Context(), d); err != nil || len(pods) != 1 || pods[0].Name != name {
			t.Errorf("%s: %v, %v", name, pods, err)
		}
	}
}

// The first server with a GPU starts beside the one without, and predictions go
// on; the next one waits for the GPU of the one before.
func TestServersThatGetAGPU(t *testing.T) {
	s, c := newAPIServer(t)
	d := testDeployment()
	d.GPU = mlops.GPURequests{Serving: 1}
	labels := map[string]any{}
	for key, value := range serverLabels(d.Deployment) {
		labels[key] = value
	}
	server := func(name string, limits map[string]any) {
		s.put("/api/v1/namespaces/iris/pods/"+name, map[string]any{"metadata": map[string]any{"namespace": "iris", "name": name, "labels": labels},
			"spec": map[string]any{"containers": []any{map[string]any{"name": "server", "image": "x", "resources": map[string]any{"limits": limits}}}}})
	}
	surge := func() int {
		t.Helper()
		apply(t, c, d)
		o, err := c.kube.AppsV1().Deployments("iris").Get(t.Context(), "iris", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return o.Spec.Strategy.RollingUpdate.MaxSurge.IntValue()
	}
	server("with", map[string]any{"nvidia.com/gpu": "1"})
	if n := surge(); n != 0 {
		t.Errorf("%d servers more than wanted, although a GPU is held by the one before", n)
	}
	server("without", map[string]any{"memory": "1Gi"})
	if n := surge(); n != 1 {
		t.Errorf("%d servers more than wanted, although the one before holds no GPU", n)
	}
}
