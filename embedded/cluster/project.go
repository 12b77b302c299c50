package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	labelProject   = "benchtop.dev/project"
	labelComponent = "app.kubernetes.io/component"
	labelName      = "app.kubernetes.io/name"
	labelPartOf    = "app.kubernetes.io/part-of"

	trainerRole = "trainer"
	serverRole  = "server"

	// labUser runs trainers and servers; the volume belongs to its group.
	labUser = 10001
)

func labels(project, component string) map[string]string {
	return map[string]string{labelName: project, labelComponent: component, labelPartOf: "benchtop", labelProject: project}
}

func meta(p mlops.Project, name, component string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: p.Name, Labels: labels(p.Name, component)}
}

// neverFires is the schedule of a project that trains by hand only. A CronJob
// must have a schedule; this one is suspended too.
const neverFires = "0 0 31 2 *"

// suspended leaves a project's CronJob alone if the project has a schedule:
// somebody may have suspended it with kubectl.
func suspended(p mlops.Project) *bool {
	if p.Schedule != "" {
		return nil
	}
	return ptr(true)
}

func ptr[T any](v T) *T { return &v }

// ApplyProject makes the cluster match the spec, except for the servers.
func (c *Client) ApplyProject(ctx context.Context, s mlops.ProjectSpec) error {
	p := s.Project
	if err := CheckResources(p.Resources, mlops.Resources{}); err != nil {
		return fmt.Errorf("resources of project %s: %w", p.Name, err)
	}
	objects, code, err := c.projectObjects(s)
	if err != nil {
		return err
	}
	if err := c.apply(ctx, objects...); err != nil {
		return fmt.Errorf("apply project %s: %w", p.Name, err)
	}
	return c.pruneCode(ctx, p.Name, labelProject+"="+p.Name+","+labelComponent+"="+trainerRole+codeSuffix, code)
}

// projectObjects are a project's objects in the order in which they are applied,
// without its servers, and the name of the trainer's code.
func (c *Client) projectObjects(s mlops.ProjectSpec) (objects []runtime.Object, code string, err error) {
	p := s.Project
	trainerCode := codeMap(meta(p, p.Name, trainerRole+codeSuffix), s.Trainer, s.TrainerSHA)
	job, err := trainerJob(s, trainerCode.Name)
	if err != nil {
		return nil, "", err
	}
	objects = []runtime.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Labels: map[string]string{
			labelPartOf: "benchtop", labelProject: p.Name,
			"pod-security.kubernetes.io/enforce": "restricted",
		}}},
		modelClaim(meta(p, volume(p), "model")),
		&corev1.Secret{ObjectMeta: meta(p, trainerName(p), trainerRole), Type: corev1.SecretTypeOpaque, Data: bytesOf(s.Secret)},
		trainerCode,
		&batchv1.CronJob{ObjectMeta: meta(p, trainerName(p), trainerRole), Spec: batchv1.CronJobSpec{
			Schedule: cmp.Or(p.Schedule, neverFires),
			TimeZone: ptr(p.TimeZone),
			Suspend:  suspended(p),
			// A training does not start while the one before runs.
			ConcurrencyPolicy:          batchv1.ForbidConcurrent,
			StartingDeadlineSeconds:    ptr(int64(300)),
			SuccessfulJobsHistoryLimit: ptr(int32(3)),
			FailedJobsHistoryLimit:     ptr(int32(3)),
			JobTemplate: batchv1.JobTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels(p.Name, trainerRole)},
				Spec:       job,
			},
		}},
	}
	if p.Code != nil {
		objects = slices.Insert(objects, 1, runtime.Object(c.codePolicy(p))) // before any pod
	}
	return objects, trainerCode.Name, nil
}

// modelClaim asks for a volume of models.
func modelClaim(m metav1.ObjectMeta) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: m, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		StorageClassName: ptr("local-path"),
		Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
	}}
}

func volume(p mlops.Project) string      { return p.Name + "-model" }
func trainerName(p mlops.Project) string { return p.Name + "-" + trainerRole }

func bytesOf(m map[string]string) map[string][]byte {
	out := make(map[string][]byte, len(m))
	for k, v := range m {
		out[k] = []byte(v)
	}
	return out
}

// codeSuffix ends the component label of ConfigMaps that hold a component's
// code.
const codeSuffix = "-code"

// codeMap holds the code of a component. Its name carries the digest, so that
// changed code makes new pods and running ones keep what they started with.
func codeMap(m metav1.ObjectMeta, files map[string]string, sha string) *corev1.ConfigMap {
	m.Name += "-" + m.Labels[labelComponent] + "-" + sha[:12]
	return &corev1.ConfigMap{ObjectMeta: m, Immutable: ptr(true), Data: files}
}

// pruneCode deletes code that the selector selects. It spares what is in keep,
// and what an existing Job or ReplicaSet mounts: a retried pod must find its
// code.
func (c *Client) pruneCode(ctx context.Context, namespace, selector string, keep ...string) error {
	mounted := map[string]bool{}
	for _, k := range keep {
		mounted[k] = true
	}
	note := func(pod corev1.PodSpec) {
		for _, v := range pod.Volumes {
			if v.ConfigMap != nil {
				mounted[v.ConfigMap.Name] = true
			}
		}
	}
	jobs, err := c.kube.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list jobs of namespace %s: %w", namespace, err)
	}
	for _, j := range jobs.Items {
		note(j.Spec.Template.Spec)
	}
	sets, err := c.kube.AppsV1().ReplicaSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list replica sets of namespace %s: %w", namespace, err)
	}
	for _, s := range sets.Items {
		note(s.Spec.Template.Spec)
	}
	maps := c.kube.CoreV1().ConfigMaps(namespace)
	list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return fmt.Errorf("list code of namespace %s: %w", namespace, err)
	}
	for _, m := range list.Items {
		if mounted[m.Name] {
			continue
		}
		if err := maps.Delete(ctx, m.Name, metav1.DeleteOptions{}); err != nil {
			return fmt.Errorf("delete old code %s: %w", m.Name, err)
		}
	}
	return nil
}

func trainerJob(s mlops.ProjectSpec, code string) (batchv1.JobSpec, error) {
	p := s.Project
	what := datasetEnv(s)
	if p.Code != nil {
		var err error
		if what, err = codeEnv(s); err != nil {
			return batchv1.JobSpec{}, err
		}
	}
	image := cmp.Or(s.EnvironmentImage, s.Image)
	env := slices.Concat([]corev1.EnvVar{
		{Name: "BENCHTOP_PROJECT", Value: p.Name},
		{Name: "BENCHTOP_EXPERIMENT", Value: p.Name},
		{Name: "BENCHTOP_MODEL_NAME", Value: p.Name},
	}, what, []corev1.EnvVar{
		{Name: "BENCHTOP_PARAMS", Value: literal(string(p.Params))},
		{Name: envTrigger, Value: string(mlops.TriggerSchedule)},
		fieldEnv("BENCHTOP_JOB", "metadata.labels['batch.kubernetes.io/job-name']"),
	}, doorsEnv(), commonEnv(image))
	for _, name := range slices.Sorted(maps.Keys(p.Environment)) {
		env = append(env, corev1.EnvVar{Name: name, Value: literal(p.Environment[name])})
	}
	c := container(trainerRole, image, env)
	c.Resources = trainerResources(p.Resources)
	askForGPUs(&c.Resources, p.GPU, p.GPU.Training)
	c.Command = []string{"python3", "/opt/benchtop/" + s.TrainerMain}
	job := workJob(c, trainerName(p), podPlace{node: p.Node, claim: volume(p), served: servedName(p.Name)}, code, labels(p.Name, trainerRole))
	job.Template.Spec.Affinity = gpuAffinity(p.GPU, p.GPU.Training)
	if p.Code != nil {
		return job, ownCode(&job, p)
	}
	return job, nil
}

// datasetEnv tells the lab's own trainer what it trains on, and that it runs.
func datasetEnv(s mlops.ProjectSpec) []corev1.EnvVar {
	d := s.Dataset
	return []corev1.EnvVar{
		{Name: "BENCHTOP_DATASET_NAME", Value: d.Name},
		{Name: "BENCHTOP_DATASET_VERSION", Value: fmt.Sprint(d.Version)},
		{Name: "BENCHTOP_DATASET_URI", Value: d.URI()},
		{Name: "BENCHTOP_DATASET_SHA256", Value: d.SHA256},
		{Name: envCode, Value: s.TrainerSHA},
	}
}

const noProxy = "localhost,127.0.0.1,.svc,.cluster.local"

// doorsEnv tells pods where object store and registry are.
func doorsEnv() []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "AWS_ENDPOINT_URL_S3", Value: mlops.S3Door},
		{Name: "AWS_REGION", Value: "us-east-1"},
		{Name: "MLFLOW_TRACKING_URI", Value: "http://mlflow.benchtop.svc:5000"},
		// A project may name a proxy for the world outside. Both spellings are in
		// use, and the doors must be reached without it: it would see the key.
		{Name: "NO_PROXY", Value: noProxy},
		{Name: "no_proxy", Value: noProxy},
	}
}

// workJob is a Job with one container that writes to a volume of models. Its
// secrets come from a Secret.
func workJob(c corev1.Container, secret string, at podPlace, code string, podLabels map[string]string) batchv1.JobSpec {
	c.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}}}
	return triedJob(podSpec(at, c, code, false), podLabels)
}

// triedJob is a Job that tries its pod three times, unless the program says that
// this is no use.
func triedJob(pod corev1.PodSpec, podLabels map[string]string) batchv1.JobSpec {
	pod.RestartPolicy = corev1.RestartPolicyNever // a failed pod stays, with its log
	return batchv1.JobSpec{
		BackoffLimit: ptr(int32(2)),
		PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{
			// The program says so if its input is wrong: trying again is no
			// use.
			{Action: batchv1.PodFailurePolicyActionFailJob, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
				ContainerName: ptr(pod.Containers[0].Name), Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: []int32{wrongInput}}},
			// A drained or rebooted node is nobody's fault.
			{Action: batchv1.PodFailurePolicyActionIgnore, OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{
				{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}}},
		}},
		ActiveDeadlineSeconds: ptr(int64(3600)),
		Template:              corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: podLabels}, Spec: pod},
	}
}

// Exit codes after which a Job is not tried again.
const (
	wrongInput = 2
	killed     = 137 // for its memory most of all
)

// endsAt adds exit codes after which a Job fails at once. Kubernetes wants all of
// them in order.
func endsAt(job *batchv1.JobSpec, codes ...int32) {
	at := job.PodFailurePolicy.Rules[0].OnExitCodes
	at.Values = append(at.Values, codes...)
	slices.Sort(at.Values)
}

// What the Job of a training says of it.
const (
	envTrigger = "BENCHTOP_TRIGGER"
	envCode    = "BENCHTOP_CODE_SHA256"
)

func commonEnv(image string) []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: "BENCHTOP_MODEL_DIR", Value: "/models"},
		{Name: "BENCHTOP_SERVED", Value: servedDir + "/" + servedFile},
		{Name: "BENCHTOP_IMAGE", Value: image},
		{Name: "HOME", Value: "/tmp"},
		fieldEnv("BENCHTOP_POD", "metadata.name"),
		fieldEnv("BENCHTOP_NODE", "spec.nodeName"),
	}
}

func fieldEnv(name, path string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}}
}

func container(name, image string, env []corev1.EnvVar) corev1.Container {
	return corev1.Container{
		Name: name, Image: image, ImagePullPolicy: corev1.PullNever, Env: env,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr(false),
			ReadOnlyRootFilesystem:   ptr(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
}

// podPlace says where a pod runs and what it mounts.
type podPlace struct{ node, claim, served string }

// podSpec pins the pod to the node that holds the volume. It uses a selector
// and not the node's name: the scheduler has to see the pod, or a claim that
// waits for its first consumer would wait for ever.
func podSpec(at podPlace, c corev1.Container, code string, readOnly bool) corev1.PodSpec {
	c.VolumeMounts = []corev1.VolumeMount{
		{Name: "models", MountPath: "/models", ReadOnly: readOnly},
		{Name: "code", MountPath: "/opt/benchtop", ReadOnly: true},
		{Name: "served", MountPath: servedDir, ReadOnly: true},
		{Name: "tmp", MountPath: "/tmp"},
	}
	return pinnedPod(at.node, c,
		corev1.Volume{Name: "models", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: at.claim}}},
		codeVolume(code),
		// It does not exist before the first version.
		corev1.Volume{Name: "served", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: at.served}, Optional: ptr(true)}}},
		tempVolume())
}

func codeVolume(configMap string) corev1.Volume {
	return corev1.Volume{Name: "code", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: configMap}}}}
}

func tempVolume() corev1.Volume {
	return corev1.Volume{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr(resource.MustParse("256Mi"))}}}
}

// pinnedPod runs a container on one node, without any right in the cluster.
func pinnedPod(node string, c corev1.Container, volumes ...corev1.Volume) corev1.PodSpec {
	return corev1.PodSpec{
		NodeSelector:                 map[string]string{corev1.LabelHostname: node},
		AutomountServiceAccountToken: ptr(false),
		EnableServiceLinks:           ptr(false),
		// On a first start the trainer may ask before the cluster's DNS
		// answers. Its resolver would then wait for five seconds.
		DNSConfig: &corev1.PodDNSConfig{Options: []corev1.PodDNSConfigOption{{Name: "timeout", Value: ptr("1")}, {Name: "attempts", Value: ptr("5")}}},
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr(true), RunAsUser: ptr(int64(labUser)), RunAsGroup: ptr(int64(labUser)), FSGroup: ptr(int64(labUser)),
			FSGroupChangePolicy: ptr(corev1.FSGroupChangeOnRootMismatch),
			SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{c},
		Volumes:    volumes,
	}
}
