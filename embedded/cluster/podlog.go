package cluster

import (
	"context"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Logs streams a pod's log: the last tail lines, then, with follow, what
// comes. The caller closes it.
func (c *Client) Logs(ctx context.Context, namespace, pod string, follow bool, tail int) (io.ReadCloser, error) {
	return c.openLog(ctx, mlops.PodLogQuery{Namespace: namespace, Pod: pod, Follow: follow, Tail: tail}, false)
}

// PodLog opens a pod's log with the time before each line, as RFC 3339 has it.
// The caller closes it.
func (c *Client) PodLog(ctx context.Context, q mlops.PodLogQuery) (io.ReadCloser, error) {
	return c.openLog(ctx, q, true)
}

func (c *Client) openLog(ctx context.Context, q mlops.PodLogQuery, times bool) (io.ReadCloser, error) {
	opt := &corev1.PodLogOptions{Follow: q.Follow, Previous: q.Previous, Timestamps: times}
	if q.Tail > 0 {
		opt.TailLines = ptr(int64(q.Tail))
	}
	if !q.Since.IsZero() {
		opt.SinceTime = &metav1.Time{Time: q.Since}
	}
	r, err := c.kube.CoreV1().Pods(q.Namespace).GetLogs(q.Pod, opt).Stream(ctx)
	if apierrors.IsNotFound(err) {
		return nil, &mlops.Error{Code: mlops.NotFound, Message: "pod " + q.Namespace + "/" + q.Pod + " does not exist any more", Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("open log of pod %s/%s: %w", q.Namespace, q.Pod, err)
	}
	return r, nil
}
