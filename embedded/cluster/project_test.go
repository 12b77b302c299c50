package cluster

import (
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func testSpec() mlops.ProjectSpec {
	digest := strings.Repeat("ab", 32)
	return mlops.ProjectSpec{
		Project: mlops.Project{Name: "iris", Dataset: "iris", Schedule: "*/30 * * * *", TimeZone: "Europe/Berlin", Params: `{"C": 0.5}`, Node: "node-a",
			Resources: mlops.TrainerResources{Requests: mlops.ResourceAmounts{CPU: "100m", Memory: "256Mi"}, Limits: mlops.ResourceAmounts{Memory: "1Gi"}}},
		Dataset: mlops.Dataset{Name: "iris", Version: 3, SHA256: digest, Bucket: "datasets", Key: "iris/" + digest + ".csv"},
		Image:   "benchtop.local/lab-python:1-0123456789ab",
		Trainer: map[string]string{"train.py": "print()"}, TrainerMain: "train.py", TrainerSHA: strings.Repeat("1", 64),
		Secret: map[string]string{"AWS_SECRET_ACCESS_KEY": "hush"},
	}
}

// mustJob is the Job of a project's trainings.
func mustJob(t *testing.T, s mlops.ProjectSpec, code string) batchv1.JobSpec {
	t.Helper()
	job, err := trainerJob(s, code)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// environ returns the values of a container's variables.
func environ(c corev1.Container) map[string]string {
	out := map[string]string{}
	for _, e := range c.Env {
		out[e.Name] = e.Value
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil {
			out[e.Name] = "field " + e.ValueFrom.FieldRef.FieldPath
		}
	}
	return out
}

func expectEnv(t *testing.T, c corev1.Container, want map[string]string) {
	t.Helper()
	got := environ(c)
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			t.Errorf("%s: %s is %q, expected %q", c.Name, k, g, v)
		}
	}
}

// checkLabPod checks what trainer and server have in common.
func checkLabPod(t *testing.T, name string, spec corev1.PodSpec, claim, code string, readOnly bool) {
	t.Helper()
	checkPod(t, name, spec)
	if spec.NodeName != "" || spec.NodeSelector[corev1.LabelHostname] != "node-a" {
		t.Errorf("%s is pinned by name %q and selector %v: the scheduler must see it, or its volume is never made", name, spec.NodeName, spec.NodeSelector)
	}
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
		t.Errorf("%s gets a token for the Kubernetes API", name)
	}
	if *spec.SecurityContext.RunAsUser != 10001 || *spec.SecurityContext.FSGroup != 10001 {
		t.Errorf("%s runs as %+v", name, spec.SecurityContext)
	}
	mounts := map[string]corev1.VolumeMount{}
	for _, m := range spec.Containers[0].VolumeMounts {
		mounts[m.MountPath] = m
	}
	if m := mounts["/models"]; m.ReadOnly != readOnly {
		t.Errorf("%s mounts /models read-only: %t", name, m.ReadOnly)
	}
	if m := mounts["/opt/benchtop"]; !m.ReadOnly {
		t.Errorf("%s may change its code", name)
	}
	volumes := map[string]corev1.Volume{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = v
	}
	if v := volumes[mounts["/models"].Name]; v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != claim {
		t.Errorf("%s mounts %+v as /models", name, v)
	}
	if v := volumes[mounts["/opt/benchtop"].Name]; v.ConfigMap == nil || v.ConfigMap.Name != code {
		t.Errorf("%s mounts %+v as its code", name, v)
	}
	if v := volumes[mounts["/tmp"].Name]; v.EmptyDir == nil || v.EmptyDir.SizeLimit == nil {
		t.Errorf("%s mounts %+v as /tmp, expected one with a limit", name, v)
	}
}

func TestTrainer(t *testing.T) {
	s := testSpec()
	job := mustJob(t, s, "code-1")
	pod := job.Template.Spec
	checkLabPod(t, "trainer", pod, "iris-model", "code-1", false)
	c := pod.Containers[0]
	if !slices.Equal(c.Command, []string{"python3", "/opt/benchtop/train.py"}) {
		t.Errorf("it runs %v", c.Command)
	}
	expectEnv(t, c, map[string]string{
		"BENCHTOP_PROJECT": "iris", "BENCHTOP_EXPERIMENT": "iris", "BENCHTOP_MODEL_NAME": "iris",
		"BENCHTOP_DATASET_NAME": "iris", "BENCHTOP_DATASET_VERSION": "3", "BENCHTOP_DATASET_SHA256": s.Dataset.SHA256,
		"BENCHTOP_DATASET_URI": "s3://datasets/iris/" + s.Dataset.SHA256 + ".csv", "BENCHTOP_CODE_SHA256": s.TrainerSHA,
		"BENCHTOP_PARAMS": `{"C": 0.5}`, "BENCHTOP_TRIGGER": "schedule", "BENCHTOP_MODEL_DIR": "/models", "BENCHTOP_IMAGE": s.Image,
		"AWS_ENDPOINT_URL_S3": "http://s3.benchtop.svc:9000", "AWS_REGION": "us-east-1", "MLFLOW_TRACKING_URI": "http://mlflow.benchtop.svc:5000",
		"BENCHTOP_POD": "field metadata.name", "BENCHTOP_NODE": "field spec.nodeName",
		"BENCHTOP_JOB": "field metadata.labels['batch.kubernetes.io/job-name']",
	})
	if _, plain := environ(c)["AWS_SECRET_ACCESS_KEY"]; plain || c.EnvFrom[0].SecretRef.Name != "iris-trainer" {
		t.Errorf("its secrets come from %+v", c.EnvFrom)
	}
	if pod.RestartPolicy != corev1.RestartPolicyNever || *job.BackoffLimit != 2 || *job.ActiveDeadlineSeconds != 3600 {
		t.Errorf("it is repeated without end: %+v", job)
	}
}

func TestServer(t *testing.T) {
	d := serverDeployment(testDeployment(), "code-2")
	pod := d.Spec.Template.Spec
	checkLabPod(t, "server", pod, "iris-model", "code-2", true)
	c := pod.Containers[0]
	if !slices.Equal(c.Command, []string{"python3", "/opt/benchtop/app.py"}) {
		t.Errorf("it runs %v", c.Command)
	}
	expectEnv(t, c, map[string]string{"BENCHTOP_DEPLOYMENT": "iris", "BENCHTOP_PORT": "8080", "BENCHTOP_MODEL_DIR": "/models"})
	if len(c.EnvFrom) != 0 {
		t.Error("the server is given the trainer's secrets")
	}
	for name, p := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if p == nil || p.HTTPGet == nil {
			t.Errorf("there is no %s probe", name)
		}
	}
	// Not ready until a model is loaded, but alive.
	if c.ReadinessProbe.HTTPGet.Path != "/readyz" || c.LivenessProbe.HTTPGet.Path != "/healthz" {
		t.Errorf("probes ask %s and %s", c.ReadinessProbe.HTTPGet.Path, c.LivenessProbe.HTTPGet.Path)
	}
	if u := d.Spec.Strategy.RollingUpdate; u == nil || u.MaxUnavailable.IntValue() != 0 {
		t.Errorf("an update drops requests: %+v", d.Spec.Strategy)
	}
	for k, v := range d.Spec.Selector.MatchLabels {
		if d.Spec.Template.Labels[k] != v {
			t.Errorf("it selects %s=%s, its pods have %q", k, v, d.Spec.Template.Labels[k])
		}
	}
	if d.Spec.Template.Annotations["prometheus.io/scrape"] != "true" {
		t.Error("Prometheus does not scrape it")
	}
}

func TestNothingRunsPrivileged(t *testing.T) {
	s := testSpec()
	for _, pod := range []corev1.PodSpec{mustJob(t, s, "c").Template.Spec, serverDeployment(testDeployment(), "c").Spec.Template.Spec, bringJob(testDeployment(), mlops.Revision{Version: 1}, "b").Spec.Template.Spec} {
		for _, c := range pod.Containers {
			sc := c.SecurityContext
			if sc.Privileged != nil && *sc.Privileged || *sc.AllowPrivilegeEscalation || len(sc.Capabilities.Add) > 0 || !slices.Contains(sc.Capabilities.Drop, "ALL") {
				t.Errorf("%s has rights: %+v", c.Name, sc)
			}
		}
	}
}

func TestCodeIsNamedByItsDigest(t *testing.T) {
	p := mlops.Project{Name: "iris"}
	a := codeMap(meta(p, p.Name, trainerRole+codeSuffix), map[string]string{"train.py": "1"}, strings.Repeat("a", 64))
	b := codeMap(meta(p, p.Name, trainerRole+codeSuffix), map[string]string{"train.py": "2"}, strings.Repeat("b", 64))
	if a.Name != "iris-trainer-code-aaaaaaaaaaaa" || a.Name == b.Name {
		t.Errorf("names are %s and %s", a.Name, b.Name)
	}
	if a.Immutable == nil || !*a.Immutable || a.Data["train.py"] != "1" {
		t.Errorf("it is %+v", a)
	}
}

func TestIngresses(t *testing.T) {
	s := testDeployment()
	host := ingress(s.Deployment, "iris", s.Deployment.Host, "/", nil).(*networkingv1.Ingress)
	path := ingress(s.Deployment, "iris-path", "", s.Deployment.Path, map[string]string{"k": "v"}).(*networkingv1.Ingress)
	for _, c := range []struct {
		i          *networkingv1.Ingress
		host, path string
	}{{host, "iris.lab.internal", "/"}, {path, "", "/models/iris"}} {
		rule := c.i.Spec.Rules[0]
		p := rule.HTTP.Paths[0]
		if rule.Host != c.host || p.Path != c.path || *p.PathType != networkingv1.PathTypePrefix || p.Backend.Service.Name != "iris" || *c.i.Spec.IngressClassName != "traefik" {
			t.Errorf("%s is %+v", c.i.Name, c.i.Spec)
		}
		if c.i.Namespace != "iris" || c.i.Labels["benchtop.dev/project"] != "iris" {
			t.Errorf("%s is in %s with %v", c.i.Name, c.i.Namespace, c.i.Labels)
		}
	}
	if path.Annotations["k"] != "v" {
		t.Errorf("annotations are %v", path.Annotations)
	}
}
