package cluster

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	measureRole = "measure"
	// measurePatience is how long a measurement may take.
	measurePatience = 10 * time.Minute
	// shadowCode is where the Job finds the code of the servers.
	shadowCode = "/opt/benchtop-server"
	// workloadMeasure is the program of the trainer's code that measures.
	workloadMeasure = "measure.py"
)

// Measure starts the Job that measures a revision before it is served, unless
// it has been started, and says how far the Job is. The message of one that has
// succeeded is what it has found. served is compared with, nil for nothing.
func (c *Client) Measure(ctx context.Context, s mlops.DeploymentSpec, r mlops.Revision, served *mlops.Revision) (mlops.Job, error) {
	d := s.Deployment
	name := fmt.Sprintf("%s-measure-%d", d.Name, r.ID)
	jobs := c.kube.BatchV1().Jobs(d.Namespace)
	job, err := jobs.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		job, err = jobs.Create(ctx, measureJob(s, r, served, name), metav1.CreateOptions{})
	}
	if err != nil {
		return mlops.Job{}, fmt.Errorf("measure version %d for deployment %s: %w", r.Version, d.Name, err)
	}
	out := jobOf(job)
	if !out.State.Terminal() {
		return out, nil
	}
	phase := corev1.PodSucceeded
	if out.State == mlops.TrainingFailed {
		phase = corev1.PodFailed
	}
	said, err := c.saidBy(ctx, d.Namespace, name, phase)
	if err != nil {
		return mlops.Job{}, err
	}
	if said != "" || out.State == mlops.TrainingSucceeded {
		out.Message = said
	}
	return out, nil
}

// saidBy returns the termination message of a Job's pod that ended like phase,
// "" if there is none. A Job that succeeded may have pods that failed before.
func (c *Client) saidBy(ctx context.Context, namespace, job string, phase corev1.PodPhase) (string, error) {
	pods, err := c.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
	if err != nil {
		return "", fmt.Errorf("list pods of job %s: %w", job, err)
	}
	for _, p := range pods.Items {
		for _, s := range p.Status.ContainerStatuses {
			if p.Status.Phase == phase && s.State.Terminated != nil && s.State.Terminated.Message != "" {
				return s.State.Terminated.Message, nil
			}
		}
	}
	return "", nil
}

// measureJob starts the real server beside a program of the trainer's code. It
// writes to a folder of its own and not to the volume: what it brings is not
// served. It signs in as the project's trainer, which may read the data.
func measureJob(s mlops.DeploymentSpec, r mlops.Revision, served *mlops.Revision, name string) *batchv1.Job {
	d := s.Deployment
	against, version := mlops.Revision{}, ""
	if served != nil {
		against, version = *served, fmt.Sprint(served.Version)
	}
	c := container(measureRole, s.Image, append(append([]corev1.EnvVar{
		{Name: "BENCHTOP_DEPLOYMENT", Value: d.Name},
		{Name: "BENCHTOP_MODEL_NAME", Value: literal(r.Model)},
		{Name: "BENCHTOP_MODEL_VERSION", Value: fmt.Sprint(r.Version)},
		{Name: "BENCHTOP_SERVED_MODEL", Value: literal(against.Model)},
		{Name: "BENCHTOP_SERVED_MODEL_VERSION", Value: version},
	}, doorsEnv()...), commonEnv(s.Image)...))
	c.Command = []string{"python3", "/opt/benchtop/" + workloadMeasure}
	secret := bringSecret(d)
	if d.Project != "" {
		secret = d.Project + "-" + trainerRole
	}
	spec := workJob(c, secret, placeOf(s), bringCode(s).Name, deploymentLabels(d, measureRole))
	spec.TTLSecondsAfterFinished = ptr(int32(bringStays / time.Second))
	spec.ActiveDeadlineSeconds = ptr(int64(measurePatience / time.Second))
	pod := &spec.Template.Spec
	for i := range pod.Volumes {
		if pod.Volumes[i].Name == "models" { // two versions of the largest size that can be brought
			pod.Volumes[i].VolumeSource = corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr(resource.MustParse("9Gi"))}}
		}
	}
	code := codeMap(deploymentMeta(d, d.Name, serverRole+codeSuffix), s.Server, s.ServerSHA).Name
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "server-code", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: code}}}})
	pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "server-code", MountPath: shadowCode, ReadOnly: true})
	pod.Containers[0].Resources = shadowResources(pod.Containers[0].Resources, serverResources(d))
	return &batchv1.Job{ObjectMeta: deploymentMeta(d, name, measureRole), Spec: spec}
}

// shadowResources gives the pod the processor of a server, so that the latency
// is what a server's would be, and the memory of a trainer and two servers,
// since it runs them side by side.
func shadowResources(trainer, server corev1.ResourceRequirements) corev1.ResourceRequirements {
	combine := func(trainer, server corev1.ResourceList) corev1.ResourceList {
		out := corev1.ResourceList{}
		if cpu, ok := server[corev1.ResourceCPU]; ok {
			out[corev1.ResourceCPU] = cpu
		}
		memory, ok := trainer[corev1.ResourceMemory]
		if each, also := server[corev1.ResourceMemory]; ok && also {
			memory = memory.DeepCopy()
			memory.Add(each)
			memory.Add(each)
			out[corev1.ResourceMemory] = memory
		}
		return out
	}
	return corev1.ResourceRequirements{Requests: combine(trainer.Requests, server.Requests), Limits: combine(trainer.Limits, server.Limits)}
}
