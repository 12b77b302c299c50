package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// gpuPlugin is the DaemonSet of gpu.yaml, in systemNamespace.
const gpuPlugin = "nvidia-device-plugin"

// gpuValues are what gpu.yaml is filled in with. Without GPUs it is only read to
// be removed.
func gpuValues(g *GPU) map[string]any {
	if g == nil {
		g = &GPU{}
	}
	return map[string]any{"Dir": g.Dir, "DriverRoot": g.DriverRoot, "Simulated": g.Simulated, "What": g.What, "Propagates": g.Propagates, "MetricsAddress": mlops.GPUMetrics}
}

// gpuLabels is the node's annotation that lists the labels which
// embedded/controllers/gpu has set.
const gpuLabels = "benchtop.dev/gpu-labels"

// gpuSharing is the ConfigMap that embedded/controllers/gpu writes, in
// systemNamespace.
const gpuSharing = "benchtop-gpu-sharing"

// forgetGPUs removes what an earlier start with GPUs has left. It looks for the
// DaemonSet, which goes last, and leaves everything alone if that is missing.
func (c *Client) forgetGPUs(ctx context.Context) error {
	_, err := c.dynamic.Resource(appsv1.SchemeGroupVersion.WithResource("daemonsets")).Namespace(systemNamespace).Get(ctx, gpuPlugin, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the device plugin of an earlier start: %w", err)
	}
	node, err := c.kube.CoreV1().Nodes().Get(ctx, c.cfg.NodeName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read node %s: %w", c.cfg.NodeName, err)
	}
	// How GPUs were shared is about GPUs that are gone, too.
	labels := map[string]any{"nvidia.com/device-plugin.config": nil, "nvidia.com/mig.config": nil, "nvidia.com/mig.config.state": nil}
	err = c.kube.CoreV1().ConfigMaps(systemNamespace).Delete(ctx, gpuSharing, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete how GPUs were shared: %w", err)
	}
	for _, key := range strings.Split(node.Annotations[gpuLabels], ",") {
		if key != "" {
			labels[key] = nil
		}
	}
	b, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels, "annotations": map[string]any{gpuLabels: nil}}})
	if err != nil {
		return fmt.Errorf("write labels: %w", err)
	}
	if _, err := c.kube.CoreV1().Nodes().Patch(ctx, c.cfg.NodeName, types.MergePatchType, b, metav1.PatchOptions{FieldManager: fieldManager}); err != nil {
		return fmt.Errorf("remove labels of node %s: %w", c.cfg.NodeName, err)
	}
	return c.removeSystem(ctx, "gpu.yaml")
}
