package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
	// secondTry ends the name of the Job that measures a revision once more.
	secondTry = "-2"
	// shadowCode is where the Job finds the code of the servers.
	shadowCode = "/opt/benchtop-server"
)

// Measure starts the Job that measures a revision before it is served, unless
// the Job was started, and returns how far it is. The message of a Job that has
// succeeded is its result. served is the version to compare with, nil for none.
func (c *Client) Measure(ctx context.Context, s mlops.DeploymentSpec, r mlops.Revision, served *mlops.Revision) (mlops.Job, error) {
	d := s.Deployment
	name := fmt.Sprintf("%s-measure-%d", d.Name, r.ID)
	out, err := c.measured(ctx, d, name, func(name string) *batchv1.Job { return measureJob(s, r, served, name) })
	if err != nil {
		return mlops.Job{}, fmt.Errorf("measure version %d for deployment %s: %w", r.Version, d.Name, err)
	}
	return out, nil
}

func (c *Client) measured(ctx context.Context, d mlops.Deployment, name string, jobNamed func(name string) *batchv1.Job) (mlops.Job, error) {
	jobs := c.kube.BatchV1().Jobs(d.Namespace)
	job, err := jobs.Get(ctx, name+secondTry, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		job, err = jobs.Get(ctx, name, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsNotFound(err):
		return c.startMeasuring(ctx, d, jobNamed(name))
	case err != nil:
		return mlops.Job{}, err
	case job.DeletionTimestamp != nil:
		// Its time is over. Its pods go first, and the result with them.
		return c.discardJob(ctx, job)
	}
	out := jobOf(job)
	if !out.State.Terminal() {
		return out, nil
	}
	if job.Name == name && overtime(job) {
		return c.startMeasuring(ctx, d, jobNamed(name+secondTry))
	}
	phase := corev1.PodSucceeded
	if out.State == mlops.TrainingFailed {
		phase = corev1.PodFailed
	}
	said, there, err := c.saidBy(ctx, d.Namespace, job.Name, phase)
	if err != nil {
		return mlops.Job{}, err
	}
	if out.State == mlops.TrainingSucceeded && !there {
		return c.discardJob(ctx, job) // its pod is gone, and the result with it
	}
	if said != "" || out.State == mlops.TrainingSucceeded {
		out.Message = said
	}
	return out, nil
}

// overtime reports whether a Job was ended at its deadline. The deadline also
// counts time in which the registry was down, for which the version can do
// nothing.
func overtime(job *batchv1.Job) bool {
	return slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue && c.Reason == batchv1.JobReasonDeadlineExceeded
	})
}

// startMeasuring makes a Job and ends the deployment's other measurements.
// Nobody waits for those, and measuring side by side would spoil each other's
// latencies.
func (c *Client) startMeasuring(ctx context.Context, d mlops.Deployment, job *batchv1.Job) (mlops.Job, error) {
	jobs := c.kube.BatchV1().Jobs(d.Namespace)
	list, err := jobs.List(ctx, metav1.ListOptions{LabelSelector: labelDeployment + "=" + d.Name + "," + labelComponent + "=" + measureRole})
	if err != nil {
		return mlops.Job{}, fmt.Errorf("list Jobs: %w", err)
	}
	for i := range list.Items {
		if _, err := c.discardJob(ctx, &list.Items[i]); err != nil {
			return mlops.Job{}, err
		}
	}
	made, err := jobs.Create(ctx, job, metav1.CreateOptions{})
	if err != nil {
		return mlops.Job{}, err
	}
	return jobOf(made), nil
}

// discardJob deletes a Job with its pods. The caller goes on waiting: the next
// call makes the Job again.
func (c *Client) discardJob(ctx context.Context, job *batchv1.Job) (mlops.Job, error) {
	err := c.kube.BatchV1().Jobs(job.Namespace).Delete(ctx, job.Name, metav1.DeleteOptions{PropagationPolicy: ptr(metav1.DeletePropagationBackground)})
	if err != nil && !apierrors.IsNotFound(err) {
		return mlops.Job{}, fmt.Errorf("delete job %s: %w", job.Name, err)
	}
	out := jobOf(job)
	out.State, out.Message, out.EndedAt = mlops.TrainingRunning, "", time.Time{}
	return out, nil
}

// saidBy returns the termination message of a Job's pod that ended in phase, or
// else why the pod ended, and whether there is such a pod. A Job that succeeded
// may have pods that failed before.
func (c *Client) saidBy(ctx context.Context, namespace, job string, phase corev1.PodPhase) (said string, there bool, err error) {
	pods, err := c.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
	if err != nil {
		return "", false, fmt.Errorf("list pods of job %s: %w", job, err)
	}
	for i := range pods.Items {
		p := &pods.Items[i]
		if p.Status.Phase != phase {
			continue
		}
		there = true
		for _, s := range p.Status.ContainerStatuses {
			end := s.State.Terminated
			switch {
			case end == nil:
			case end.Message != "":
				return end.Message, true, nil
			case end.ExitCode != 0 && said == "":
				said = silentEnd(p, s.Name, end)
			}
		}
	}
	return said, there, nil
}

// silentEnd says why a container ended that left no message.
func silentEnd(p *corev1.Pod, container string, end *corev1.ContainerStateTerminated) string {
	if end.Reason != "OOMKilled" {
		return fmt.Sprintf("%s: it ended with exit code %d and said nothing", cmp.Or(end.Reason, "Error"), end.ExitCode)
	}
	room := "the machine has"
	for _, c := range p.Spec.Containers {
		if limit := c.Resources.Limits.Memory().Value(); c.Name == container && limit > 0 {
			room = fmt.Sprintf("%.4g GiB", float64(limit)/(1<<30))
		}
	}
	return "OOMKilled: the model needs more than " + room + " to load; log a smaller one"
}

// measureJob starts the real server beside a program of the trainer's code.
// That program writes to its own folder and not to the volume, because what it
// brings is not served. It signs in as the project's trainer, which may read
// the data.
func measureJob(s mlops.DeploymentSpec, r mlops.Revision, served *mlops.Revision, name string) *batchv1.Job {
	d := s.Deployment
	against, version := mlops.Revision{}, ""
	if served != nil {
		against, version = *served, fmt.Sprint(served.Version)
	}
	secret := bringSecret(d)
	if d.Project != "" {
		secret = d.Project + "-" + trainerRole
	}
	job := versionJob(s, r, name, measureRole, s.MeasureMain, secret,
		corev1.EnvVar{Name: "BENCHTOP_SERVED_MODEL", Value: literal(against.Model)}, corev1.EnvVar{Name: "BENCHTOP_SERVED_MODEL_VERSION", Value: version})
	job.Spec.ActiveDeadlineSeconds = ptr(int64(measurePatience / time.Second))
	pod := &job.Spec.Template.Spec
	for i := range pod.Volumes {
		if pod.Volumes[i].Name == "models" { // two versions of the largest size that can be brought
			pod.Volumes[i].VolumeSource = corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr(resource.MustParse("9Gi"))}}
		}
	}
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "server-code", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: serverCode(s).Name}}}})
	pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "server-code", MountPath: shadowCode, ReadOnly: true})
	pod.Containers[0].Resources = shadowResources(pod.Containers[0].Resources, serverResources())
	return job
}

// shadowResources gives the pod a server's processor, so that the latency is a
// server's. It gives the memory of a trainer and two servers, because the pod
// runs them side by side.
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
