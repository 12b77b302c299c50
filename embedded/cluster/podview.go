package cluster

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func podOf(p *corev1.Pod) mlops.Pod {
	out := mlops.Pod{Namespace: p.Namespace, Name: p.Name, Phase: string(p.Status.Phase), Node: p.Spec.NodeName, IP: p.Status.PodIP, Message: p.Status.Message,
		CreatedAt: p.CreationTimestamp.Time, Deleting: p.DeletionTimestamp != nil}
	if p.Status.StartTime != nil {
		out.StartedAt = p.Status.StartTime.Time
	}
	if len(p.Spec.Containers) > 0 {
		out.Image = p.Spec.Containers[0].Image
	}
	for i := range p.Spec.Containers {
		addResources(&out.Requests, p.Spec.Containers[i].Resources.Requests)
		addResources(&out.Limits, p.Spec.Containers[i].Resources.Limits)
	}
	for _, cond := range p.Status.Conditions {
		if cond.Type == corev1.PodReady {
			out.Ready = cond.Status == corev1.ConditionTrue
		}
		if cond.Type == corev1.PodScheduled && cond.Status == corev1.ConditionFalse {
			out.Waiting = cond.Reason
			if out.Message == "" {
				out.Message = cond.Message
			}
		}
	}
	for _, s := range p.Status.InitContainerStatuses {
		waits(&out, s.State.Waiting, "PodInitializing")
		lastExit(&out, s)
	}
	for _, s := range p.Status.ContainerStatuses {
		out.Restarts += int(s.RestartCount)
		waits(&out, s.State.Waiting, "ContainerCreating")
		if s.State.Terminated != nil && s.State.Terminated.ExitCode != 0 && out.Message == "" {
			out.Message = fmt.Sprintf("%s (exit code %d)", s.State.Terminated.Reason, s.State.Terminated.ExitCode)
		}
		lastExit(&out, s)
	}
	return out
}

// waits notes why a container does not run, unless the reason is the usual one.
func waits(out *mlops.Pod, w *corev1.ContainerStateWaiting, usual string) {
	if w == nil || w.Reason == usual {
		return
	}
	if out.Waiting == "" {
		out.Waiting = w.Reason
	}
	if out.Message == "" {
		out.Message = strings.TrimSuffix(w.Reason+": "+w.Message, ": ")
	}
}

// lastExit notes how a container ended last. It passes over init containers
// that ended well, as they must before the others start.
func lastExit(out *mlops.Pod, s corev1.ContainerStatus) {
	for _, t := range []*corev1.ContainerStateTerminated{s.LastTerminationState.Terminated, s.State.Terminated} {
		if t != nil && (t.ExitCode != 0 || s.RestartCount > 0) && (out.LastExit == nil || t.FinishedAt.After(out.LastExit.At)) {
			out.LastExit = &mlops.Exit{At: t.FinishedAt.Time, Code: int(t.ExitCode), Reason: t.Reason}
		}
	}
}

func addResources(to *mlops.Resources, list corev1.ResourceList) {
	to.CPU += list.Cpu().AsApproximateFloat64()
	to.Memory += list.Memory().Value()
}
