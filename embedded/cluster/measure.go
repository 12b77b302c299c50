package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
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
	// measurePatience is how long a measurement's Job may take, with the
	// restarts of its pod and the time in which the registry was down. A try
	// waits three minutes for the registry at most and then has measureTime:
	// the Job must not be ended before it has said what it has found.
	measurePatience = 15 * time.Minute
	// measureTime is how long one try may measure once the registry answers;
	// then it says what it has found so far.
	measureTime = 7 * time.Minute
	// secondTry ends the name of the Job that measures a revision once more.
	secondTry = "-2"
	// shadowCode is where the Job finds the code of the servers.
	shadowCode = "/opt/benchtop-server"
	envMeasure = "BENCHTOP_MEASURE"
)

// Measure starts the Job that measures metrics of a revision before it is
// served, unless it has been started, and says how far the Job is. The message
// of one that has succeeded is what it has found. served is compared with, nil
// for nothing. A Job that was made for fewer metrics, or when the model had
// another name, is made again. So is one that a fault has ended: it counts as
// running, and its message says what is wrong.
func (c *Client) Measure(ctx context.Context, s mlops.DeploymentSpec, r mlops.Revision, served *mlops.Revision, metrics []string) (mlops.Job, error) {
	d := s.Deployment
	name := fmt.Sprintf("%s-measure-%d", d.Name, r.ID)
	out, err := c.measured(ctx, d, name, func(name string) *batchv1.Job { return measureJob(s, r, served, metrics, name) })
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
	if want := jobNamed(name); renamed(job, want) || !asksFor(job, want) {
		return c.discardJob(ctx, job)
	}
	out := jobOf(job)
	if !out.State.Terminal() {
		return out, nil
	}
	if out.State == mlops.TrainingFailed {
		if again, faulty, err := c.tryAgain(ctx, job); err != nil || faulty {
			return again, err
		}
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
// counts time in which this process was down, for which the version can do
// nothing.
func overtime(job *batchv1.Job) bool {
	return slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue && c.Reason == batchv1.JobReasonDeadlineExceeded
	})
}

// asksFor reports whether a Job measures what another is to measure. One that
// does not say what it measures is of an earlier release, and measures all.
func asksFor(job, want *batchv1.Job) bool {
	asked, ok := envOf(job, envMeasure)
	if !ok {
		return true
	}
	names, _ := envOf(want, envMeasure)
	have := strings.Split(asked, ",")
	return !slices.ContainsFunc(strings.Split(names, ","), func(name string) bool { return !slices.Contains(have, name) })
}

// renamed reports whether the model of a Job, or the one that is served, got
// another name since the Job was made, so that the Job looks for it in vain.
func renamed(job, want *batchv1.Job) bool {
	for _, name := range []string{envModelName, envServedModel} {
		was, _ := envOf(job, name)
		is, _ := envOf(want, name)
		if was != "" && is != "" && was != is {
			return true
		}
	}
	return false
}

// envOf is what a variable of a Job's containers is set to.
func envOf(job *batchv1.Job, name string) (value string, ok bool) {
	for _, c := range job.Spec.Template.Spec.Containers {
		for _, e := range c.Env {
			if e.Name == name {
				return e.Value, true
			}
		}
	}
	return "", false
}

// startMeasuring makes a Job, and ends the others that measure for the
// deployment: nobody waits for them, and side by side the latencies that they
// measure would be each other's fault.
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
	pods, err := c.jobPods(ctx, namespace, job)
	if err != nil {
		return "", false, err
	}
	for i := range pods {
		p := &pods[i]
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
	if end.Reason != mlops.OutOfMemory {
		return fmt.Sprintf("%s: it ended with exit code %d and said nothing", cmp.Or(end.Reason, "Error"), end.ExitCode)
	}
	room := "the machine has"
	if limit := limitOf(p, container); !limit.IsZero() {
		room = fmt.Sprintf("%.4g GiB", float64(limit.Value())/(1<<30))
	}
	return mlops.OutOfMemory + ": the model needs more than " + room + " to load; log a smaller one"
}

// measureJob starts the real server beside a program of the trainer's code. It
// writes to a folder of its own and not to the volume: what it brings is not
// served. It signs in as the project's trainer, which may read the data.
func measureJob(s mlops.DeploymentSpec, r mlops.Revision, served *mlops.Revision, metrics []string, name string) *batchv1.Job {
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
		corev1.EnvVar{Name: envServedModel, Value: literal(against.Model)}, corev1.EnvVar{Name: "BENCHTOP_SERVED_MODEL_VERSION", Value: version},
		corev1.EnvVar{Name: envMeasure, Value: strings.Join(metrics, ",")}, corev1.EnvVar{Name: "BENCHTOP_MEASURE_SECONDS", Value: fmt.Sprint(int(measureTime.Seconds()))})
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
