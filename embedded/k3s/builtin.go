package k3s

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/k3s/localpath"
	"github.com/benchtop-lab/benchtop/embedded/k3s/resourcemetrics"
)

// What other clusters run as pods of kube-system and this one in its own
// process: volumes of local-path, and metrics.k8s.io.

// laterAfter is how long what only people look at leaves the machine to the
// first model.
const laterAfter = 20 * time.Second

// serveVolumes makes and removes volumes until ctx ends.
func (u *Unit) serveVolumes(ctx context.Context, h *supervise.Handle, client *Client) {
	if err := localpath.Run(ctx, h.Log(), client.kube, u.cfg.NodeName, u.cfg.volumeDir()); err != nil {
		h.Log().Error("no new volumes can be made until the next start", "err", err)
	}
}

// serveMetrics serves metrics.k8s.io until ctx ends. The first time it waits
// until the lab is up; afterwards the cluster knows the API, and whoever lists
// all APIs would meet an error.
func (u *Unit) serveMetrics(ctx context.Context, h *supervise.Handle, client *Client) {
	err := client.waitToServeMetrics(ctx, u.ready)
	if err == nil {
		err = client.serveMetrics(ctx)
	}
	if err != nil && ctx.Err() == nil {
		h.Log().Error("kubectl top and autoscalers will not work until the next start", "err", err)
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
	select {
	case <-time.After(laterAfter):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) serveMetrics(ctx context.Context) error {
	s, err := resourcemetrics.New(c.cfg.NodeAddress, c.cfg.Kubeconfig())
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
