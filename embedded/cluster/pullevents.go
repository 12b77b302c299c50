package cluster

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// pullReason is the reason of our events with advice.
const pullReason = "ImageUnavailable"

// watchPulls adds an event with advice to each pod whose image the kubelet
// could not get, until ctx ends. The API sends pods' failures only, so this
// costs nothing while there are none.
func (c *Client) watchPulls(ctx context.Context, log *slog.Logger) {
	c.watch(ctx, func(f informers.SharedInformerFactory) cache.SharedInformer { return f.Core().V1().Events().Informer() },
		metav1.ListOptions{FieldSelector: "involvedObject.kind=Pod,reason=Failed"}, func(o any) {
			failed := o.(*corev1.Event)
			if err := c.advise(ctx, failed); err != nil && ctx.Err() == nil {
				log.Warn("can't advise on a missing image", "pod", failed.InvolvedObject.Namespace+"/"+failed.InvolvedObject.Name, "err", err)
			}
		}, func(any) {}) // the API forgets events after an hour
}

// advise answers the kubelet's event about an image with one of ours. Its name
// follows from the container and the kind of failure, so it exists once, until
// the API forgets it after an hour.
func (c *Client) advise(ctx context.Context, failed *corev1.Event) error {
	why := failed.Message
	if !strings.HasPrefix(why, "Failed to pull image") && !strings.HasPrefix(why, "Error: ErrImageNeverPull") {
		return nil
	}
	about := failed.InvolvedObject
	pod, err := c.kube.CoreV1().Pods(about.Namespace).Get(ctx, about.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && pod.UID != about.UID {
		return nil
	}
	if err != nil {
		return fmt.Errorf("get pod: %w", err)
	}
	for _, container := range containersOf(pod) {
		if !strings.HasSuffix(about.FieldPath, "{"+container.Name+"}") {
			continue
		}
		f := c.pullFailureOf(ctx, container, why)
		id := fnv.New64a()
		fmt.Fprint(id, pod.UID, container.Name, f.kind(), f.here)
		now := metav1.Now()
		_, err := c.kube.CoreV1().Events(pod.Namespace).Create(ctx, &corev1.Event{
			ObjectMeta:     metav1.ObjectMeta{Name: fmt.Sprintf("%.200s.%x", pod.Name, id.Sum64()), Namespace: pod.Namespace},
			InvolvedObject: about, Type: corev1.EventTypeWarning, Reason: pullReason, Message: f.hint(),
			FirstTimestamp: now, LastTimestamp: now, Count: 1,
			Source: corev1.EventSource{Component: fieldManager, Host: failed.Source.Host}, ReportingController: fieldManager,
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.IsNotFound(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return fmt.Errorf("create event: %w", err)
		}
	}
	return nil
}
