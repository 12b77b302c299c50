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
	"k8s.io/client-go/kubernetes"

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

// What embedded/controllers/gpu writes about a node's GPUs, and reads about how
// they are to be shared.
const (
	// GPULabels is the node's annotation that lists the labels which are ours.
	GPULabels = "benchtop.dev/gpu-labels"
	// Labels of a node by which NVIDIA's operator is told what to do, and says
	// what came of it.
	LabelGPUConfig = "nvidia.com/device-plugin.config"
	LabelMIG       = "nvidia.com/mig.config"
	LabelMIGState  = "nvidia.com/mig.config.state"
	// GPUSharingNamespace and GPUSharing name the ConfigMap that says how GPUs are
	// shared, if the lab was asked to share them.
	GPUSharingNamespace = systemNamespace
	GPUSharing          = "benchtop-gpu-sharing"
)

// ForgetGPUs removes what is written about a node's GPUs and how they are shared.
func ForgetGPUs(ctx context.Context, kube kubernetes.Interface, name string) error {
	err := kube.CoreV1().ConfigMaps(GPUSharingNamespace).Delete(ctx, GPUSharing, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete ConfigMap %s/%s: %w", GPUSharingNamespace, GPUSharing, err)
	}
	node, err := kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read node %s: %w", name, err)
	}
	labels := map[string]any{LabelGPUConfig: nil, LabelMIG: nil, LabelMIGState: nil}
	for _, key := range strings.Split(node.Annotations[GPULabels], ",") {
		if key != "" {
			labels[key] = nil
		}
	}
	b, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels, "annotations": map[string]any{GPULabels: nil}}})
	if err != nil {
		return fmt.Errorf("write labels: %w", err)
	}
	if _, err := kube.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, b, metav1.PatchOptions{FieldManager: fieldManager}); err != nil {
		return fmt.Errorf("remove labels of node %s: %w", name, err)
	}
	return nil
}

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
	if err := ForgetGPUs(ctx, c.kube, c.cfg.NodeName); err != nil {
		return err
	}
	return c.removeSystem(ctx, "gpu.yaml")
}
