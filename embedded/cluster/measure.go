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
)

// Measure starts the Job that measures a revision before it is served, unless
// it has been started, and says how far the Job is. The message of one that has
// succeeded is what it has found. served is compared with, nil for nothing.
func (c *Client) Measure(ctx context.Context, d mlops.Deployment, r mlops.Revision, served *mlops.Revision) (mlops.Job, error) {
	name := fmt.Sprintf("%s-measure-%d", d.Name, r.ID)
	jobs := c.kube.BatchV1().Jobs(d.Namespace)
	job, err := jobs.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if job, err = c.measureJob(ctx, d, r, served, name); err != nil {
			return mlops.Job{}, err
		}
		job, err = jobs.Create(ctx, job, metav1.CreateOptions{})
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

// measureJob makes the Job out of the project's trainer and server.
func (c *Client) measureJob(ctx context.Context, d mlops.Deployment, r mlops.Revision, served *mlops.Revision, name string) (*batchv1.Job, error) {
	cron, err := c.kube.BatchV1().CronJobs(d.Namespace).Get(ctx, d.Project+"-"+trainerRole, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get trainer of project %s: %w", d.Project, err)
	}
	server, err := c.kube.AppsV1().Deployments(d.Namespace).Get(ctx, d.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get servers of deployment %s: %w", d.Name, err)
	}
	return measureJob(d, r, served, name, cron.Spec.JobTemplate.Spec, server.Spec.Template.Spec)
}

// measureJob is the trainer's Job with another program, which starts the real
// server beside it. It writes to a folder of its own and not to the volume: what
// it brings is not served.
func measureJob(d mlops.Deployment, r mlops.Revision, served *mlops.Revision, name string, trainer batchv1.JobSpec, server corev1.PodSpec) (*batchv1.Job, error) {
	spec := *trainer.DeepCopy()
	spec.TTLSecondsAfterFinished = ptr(int32(bringStays / time.Second))
	spec.ActiveDeadlineSeconds = ptr(int64(measurePatience / time.Second))
	spec.Template.Labels = labels(d.Project, measureRole)
	pod := &spec.Template.Spec
	var code *corev1.Volume
	for i := range server.Volumes {
		if server.Volumes[i].Name == "code" {
			code = server.Volumes[i].DeepCopy()
		}
	}
	if code == nil || len(server.Containers) == 0 {
		return nil, mlops.Errorf(mlops.Internal, "the servers of deployment %s have no code, so that no shadow of them can be made", d.Name)
	}
	code.Name = "server-code"
	for i := range pod.Volumes {
		if pod.Volumes[i].Name == "models" { // two versions of the largest size that can be brought
			pod.Volumes[i].VolumeSource = corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr(resource.MustParse("9Gi"))}}
		}
	}
	pod.Volumes = append(pod.Volumes, *code)
	c := &pod.Containers[0]
	c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: code.Name, MountPath: shadowCode, ReadOnly: true})
	c.Command = []string{"python3", "/opt/benchtop/measure.py"}
	against := mlops.Revision{}
	version := ""
	if served != nil {
		against, version = *served, fmt.Sprint(served.Version)
	}
	for k, v := range map[string]string{"BENCHTOP_MODEL_NAME": r.Model, "BENCHTOP_MODEL_VERSION": fmt.Sprint(r.Version),
		"BENCHTOP_SERVED_MODEL": against.Model, "BENCHTOP_SERVED_MODEL_VERSION": version} {
		setEnv(c, k, v)
	}
	c.Resources = shadowResources(c.Resources, server.Containers[0].Resources)
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: d.Namespace, Labels: labels(d.Project, measureRole)}, Spec: spec}, nil
}

func setEnv(c *corev1.Container, name, value string) {
	for i := range c.Env {
		if c.Env[i].Name == name {
			c.Env[i] = corev1.EnvVar{Name: name, Value: value}
			return
		}
	}
	c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: value})
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
