package cluster

import (
	"context"
	"fmt"
	"log/slog"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// MetricsServer serves metrics.k8s.io. Other clusters run it as a pod of
// kube-system, this one in its own process.
type MetricsServer interface {
	Port() int // of the node's address
	Run(ctx context.Context) error
}

// serveMetrics serves metrics.k8s.io until ctx ends. On the first start it
// waits until the lab is up. Later it serves at once: the cluster knows the
// API, and a client that lists all APIs would get an error.
func (c *Cluster) serveMetrics(ctx context.Context, log *slog.Logger, client *Client) {
	err := client.waitToServeMetrics(ctx, c.ready)
	if err == nil {
		err = client.serveMetrics(ctx)
	}
	if err != nil && ctx.Err() == nil {
		log.Error("kubectl top and autoscalers will not work until the next start", "err", err)
	}
}

func (c *Client) waitToServeMetrics(ctx context.Context, ready <-chan struct{}) error {
	services := schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
	_, err := c.dynamic.Resource(services).Get(ctx, "v1beta1.metrics.k8s.io", metav1.GetOptions{})
	if err == nil {
		return nil
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("look for the API of resource metrics: %w", err)
	}
	select {
	case <-ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	if !wait(ctx, laterAfter) {
		return ctx.Err()
	}
	return nil
}

func (c *Client) serveMetrics(ctx context.Context) error {
	s, err := c.cfg.ResourceMetrics()
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	located := *c
	located.cfg.resourceMetricsPort = s.Port()
	if err := located.applySystem(ctx, "resource-metrics.yaml"); err != nil {
		return err
	}
	return <-ended
}
