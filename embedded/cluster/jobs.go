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
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// finishedJobStays is how long the Job of a training by hand, and its log,
// stay after it has ended.
const finishedJobStays = 24 * time.Hour

// StartTraining creates the training's Job from the project's CronJob, as
// `kubectl create job --from` does. The call can be repeated: a Job of that
// name is this training's.
func (c *Client) StartTraining(ctx context.Context, t mlops.Training) error {
	cron, err := c.kube.BatchV1().CronJobs(t.Project).Get(ctx, t.Project+"-"+trainerRole, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("get trainer of project %s: %w", t.Project, err)
	}
	spec := *cron.Spec.JobTemplate.Spec.DeepCopy()
	for i := range spec.Template.Spec.Containers {
		env := spec.Template.Spec.Containers[i].Env
		for j := range env {
			if env[j].Name == envTrigger {
				env[j].Value = string(t.Trigger)
			}
		}
	}
	// The CronJob must not own the Job, or it would report it as unexpected
	// until the Job ends. So the Job limits its own stay.
	spec.TTLSecondsAfterFinished = ptr(int32(finishedJobStays / time.Second))
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: t.Job, Namespace: t.Project, Labels: cron.Spec.JobTemplate.Labels,
			Annotations: map[string]string{"cronjob.kubernetes.io/instantiate": "manual"},
		},
		Spec: spec,
	}
	if _, err := c.kube.BatchV1().Jobs(t.Project).Create(ctx, job, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create job %s/%s: %w", t.Project, t.Job, err)
	}
	return nil
}

// StopTraining removes a training's Job, if it is there. Its pods get SIGTERM.
func (c *Client) StopTraining(ctx context.Context, t mlops.Training) error {
	err := c.kube.BatchV1().Jobs(t.Project).Delete(ctx, t.Job, metav1.DeleteOptions{PropagationPolicy: ptr(metav1.DeletePropagationBackground)})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete job %s/%s: %w", t.Project, t.Job, err)
	}
	return nil
}

// TrainingJobs lists the Jobs of every project, in no particular order.
func (c *Client) TrainingJobs(ctx context.Context) ([]mlops.Job, error) {
	list, err := c.kube.BatchV1().Jobs("").List(ctx, metav1.ListOptions{LabelSelector: labelProject + "," + labelComponent + "=" + trainerRole})
	if err != nil {
		return nil, fmt.Errorf("list training jobs: %w", err)
	}
	jobs := make([]mlops.Job, 0, len(list.Items))
	for i := range list.Items {
		jobs = append(jobs, jobOf(&list.Items[i]))
	}
	return jobs, nil
}

func jobOf(j *batchv1.Job) mlops.Job {
	out := mlops.Job{Name: j.Name, Project: j.Labels[labelProject], State: mlops.TrainingRunning,
		Trigger: mlops.TriggerSchedule, CreatedAt: j.CreationTimestamp.Time}
	out.CodeSHA256, _ = envOf(j, envCode)
	for _, c := range j.Spec.Template.Spec.Containers {
		out.Image = c.Image
	}
	if t, _ := envOf(j, envTrigger); t != "" {
		out.Trigger = mlops.Trigger(t)
	}
	for _, cond := range j.Status.Conditions {
		if cond.Status != corev1.ConditionTrue {
			continue
		}
		switch cond.Type {
		case batchv1.JobComplete:
			out.State, out.EndedAt = mlops.TrainingSucceeded, cond.LastTransitionTime.Time
		case batchv1.JobFailed:
			out.State, out.EndedAt = mlops.TrainingFailed, cond.LastTransitionTime.Time
			out.Message = cond.Reason + ": " + cond.Message
		}
	}
	// Without a pod too: a quota may forbid one.
	out.Waits = out.State == mlops.TrainingRunning && (j.Status.Ready == nil || *j.Status.Ready == 0)
	return out
}

// jobPods lists the pods that a Job has made.
func (c *Client) jobPods(ctx context.Context, namespace, job string) ([]corev1.Pod, error) {
	list, err := c.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
	if err != nil {
		return nil, fmt.Errorf("list pods of job %s: %w", job, err)
	}
	return list.Items, nil
}

// TrainingSaid is why the pods of a training's Job have ended, or what they said
// of a success, "" if no more is known than the Job says.
func (c *Client) TrainingSaid(ctx context.Context, j mlops.Job) (string, error) {
	pods, err := c.jobPods(ctx, j.Project, j.Name)
	if err != nil {
		return "", err
	}
	said, failed := "", j.State == mlops.TrainingFailed
	for i := range pods {
		p := &pods[i]
		for _, s := range p.Status.ContainerStatuses {
			switch end := s.State.Terminated; {
			case end == nil:
			case failed && end.Reason == mlops.OutOfMemory:
				return outOfMemory(p, s.Name, j.Project), nil
			case failed == (end.ExitCode != 0) && end.Message != "":
				said = end.Message
			}
		}
	}
	return said, nil
}

// TrainingPods are the pods of a training's Job, and of the one that builds its
// environment.
func (c *Client) TrainingPods(ctx context.Context, t mlops.Training) ([]mlops.Pod, error) {
	list, err := c.kube.CoreV1().Pods(t.Project).List(ctx, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + " in (" + t.Job + "," + environmentJob(t.Project, t.ID) + ")"})
	if err != nil {
		return nil, fmt.Errorf("list pods of job %s: %w", t.Job, err)
	}
	out := make([]mlops.Pod, len(list.Items))
	for i := range list.Items {
		out[i] = podOf(&list.Items[i])
	}
	return out, nil
}

// WhyTrainingWaits is why none of the pods of a training's Job runs, "" if they
// are about to.
func (c *Client) WhyTrainingWaits(ctx context.Context, j mlops.Job) (string, error) {
	pods, err := c.jobPods(ctx, j.Project, j.Name)
	if err != nil {
		return "", err
	}
	for i := range pods {
		c.explainPulls(ctx, &pods[i])
		c.explainGPUs(ctx, &pods[i])
		if pod := podOf(&pods[i]); pod.Phase == string(corev1.PodPending) && pod.Waiting != "" {
			return pod.Message, nil
		}
	}
	if len(pods) > 0 {
		return "", nil
	}
	// A quota, or a rule of the namespace, lets it make none.
	events, err := c.kube.CoreV1().Events(j.Project).List(ctx, metav1.ListOptions{FieldSelector: fields.Set{"involvedObject.kind": "Job", "involvedObject.name": j.Name}.String()})
	if err != nil {
		return "", fmt.Errorf("list events of job %s: %w", j.Name, err)
	}
	why := ""
	var at metav1.Time
	for _, e := range events.Items {
		if e.Reason == "FailedCreate" && !e.LastTimestamp.Before(&at) {
			why, at = e.Message, e.LastTimestamp
		}
	}
	return why, nil
}

// outOfMemory says how much memory was not enough for a training, and how to
// give it more.
func outOfMemory(p *corev1.Pod, container, project string) string {
	limit := limitOf(p, container)
	if limit.IsZero() {
		return mlops.OutOfMemory + ": the training needed more memory than the machine had; train with less data, or on a larger machine"
	}
	twice := limit.DeepCopy()
	twice.Add(limit)
	return fmt.Sprintf("%s: the training needed more than its memory limit of %s; raise it, `benchtop project edit %s --memory %s`, or on the project's page", mlops.OutOfMemory, limit.String(), project, twice.String())
}

// limitOf is the memory limit of a pod's container, 0 for none.
func limitOf(p *corev1.Pod, container string) resource.Quantity {
	for _, c := range p.Spec.Containers {
		if c.Name == container {
			return c.Resources.Limits.Memory().DeepCopy()
		}
	}
	return resource.Quantity{}
}

// WatchJobs sends now, and at every change of a Job of ours until ctx ends. The
// receiver lists after each signal.
func (c *Client) WatchJobs(ctx context.Context) <-chan struct{} {
	changed := make(chan struct{}, 1)
	notify := func(any) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	notify(nil)
	c.watch(ctx, func(f informers.SharedInformerFactory) cache.SharedInformer { return f.Batch().V1().Jobs().Informer() },
		metav1.ListOptions{LabelSelector: labelPartOf + "=benchtop"}, notify, notify)
	return changed
}

// zoneOf is the zone of a CronJob's schedule. Without one the controller's own
// counts, and the controller runs in this process.
func zoneOf(zone *string) string {
	if zone == nil {
		return "Local"
	}
	return *zone
}
