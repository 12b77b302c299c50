package cluster

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	// codeFault is the exit code of a program that could not reach the registry
	// or the object store, for which the version can do nothing. One that was
	// refused there has another code: that is about the version.
	codeFault = 1
	// faultPause is how long a Job that a fault has ended is left alone before
	// it is made again. It must be shorter than jobStays.
	faultPause = 2 * time.Minute
)

// tryAgain has a Job that a fault has ended made again after a pause. faulty
// reports whether one has; then out is a Job that runs, and its message says
// what is wrong. A fault says nothing of the version, however often it comes.
func (c *Client) tryAgain(ctx context.Context, job *batchv1.Job) (out mlops.Job, faulty bool, err error) {
	why, err := c.faultOf(ctx, job)
	if err != nil || why == "" {
		return mlops.Job{}, false, err
	}
	out = jobOf(job)
	if time.Since(out.EndedAt) > faultPause {
		if out, err = c.discardJob(ctx, job); err != nil {
			return mlops.Job{}, false, err
		}
	}
	out.State, out.Message, out.EndedAt = mlops.TrainingRunning, why, time.Time{}
	return out, true, nil
}

// faultOf is the fault that has ended a failed Job, "" if it was none: what the
// last of its pods said that ended by itself. The Job's own retries may all
// have come while the registry or the object store was down.
func (c *Client) faultOf(ctx context.Context, job *batchv1.Job) (string, error) {
	pods, err := c.jobPods(ctx, job.Namespace, job.Name)
	if err != nil {
		return "", err
	}
	var last *corev1.Pod
	why := ""
	for i := range pods {
		p := &pods[i]
		for _, s := range p.Status.ContainerStatuses {
			end := s.State.Terminated
			if end == nil || last != nil && p.CreationTimestamp.Before(&last.CreationTimestamp) {
				continue
			}
			last, why = p, ""
			if end.ExitCode == codeFault {
				if why = end.Message; why == "" {
					why = silentEnd(p, s.Name, end)
				}
			}
		}
	}
	return why, nil
}
