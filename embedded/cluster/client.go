package cluster

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"
)

// fieldManager owns the fields that Benchtop sets by server-side apply.
const fieldManager = "benchtop"

// systemNamespace holds what the cluster itself runs.
const systemNamespace = "kube-system"

// Client is Benchtop's view of its own cluster.
type Client struct {
	cfg     Config
	rest    *rest.Config
	kube    kubernetes.Interface
	dynamic dynamic.Interface
	known   discovery.CachedDiscoveryInterface
	mapper  *restmapper.DeferredDiscoveryRESTMapper
	images  Images
	done    <-chan struct{} // closed when nothing may be watched any more
	mirror  *mirror
	// exec runs a command in a container.
	exec      func(ctx context.Context, at execAt, streams remotecommand.StreamOptions) error
	terminals *terminals
}

// connect waits until K3s has written the administrator's kubeconfig and the
// API answers that it is ready.
func connect(ctx context.Context, cfg Config) (*Client, error) {
	start := time.Now()
	for {
		c, err := tryConnect(ctx, cfg, start)
		if err == nil {
			return c, nil
		}
		if !wait(ctx, 100*time.Millisecond) {
			return nil, fmt.Errorf("wait for the Kubernetes API: %w", err)
		}
	}
}

func tryConnect(ctx context.Context, cfg Config, newerThan time.Time) (*Client, error) {
	// A kubeconfig from an earlier start may carry a certificate that K3s is
	// about to replace; K3s rewrites the file each time.
	if st, err := os.Stat(cfg.Kubeconfig); err != nil {
		return nil, fmt.Errorf("find kubeconfig: %w", err)
	} else if st.ModTime().Before(newerThan.Add(-time.Second)) && time.Since(newerThan) < 3*time.Second {
		return nil, fmt.Errorf("kubeconfig %s is from an earlier start", cfg.Kubeconfig)
	}
	restCfg, err := clientcmd.BuildConfigFromFlags("", cfg.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	// The default of 5 requests a second would stretch the first apply.
	restCfg.QPS, restCfg.Burst = 200, 400
	c, err := newClient(cfg, restCfg)
	if err != nil {
		return nil, err
	}
	if _, err := c.kube.Discovery().RESTClient().Get().AbsPath("/readyz").Timeout(2 * time.Second).DoRaw(ctx); err != nil {
		return nil, fmt.Errorf("ask the Kubernetes API whether it is ready: %w", err)
	}
	return c, nil
}

func newClient(cfg Config, restCfg *rest.Config) (*Client, error) {
	kube, err := kubernetes.NewForConfig(restCfg)
	if err != nil {
		return nil, fmt.Errorf("build Kubernetes client: %w", err)
	}
	// Objects that come as YAML, and a reset of all there is, meet kinds that are
	// deprecated; nobody can do anything about the warnings.
	quiet := rest.CopyConfig(restCfg)
	quiet.WarningHandler = rest.NoWarnings{}
	dyn, err := dynamic.NewForConfig(quiet)
	if err != nil {
		return nil, fmt.Errorf("build dynamic client: %w", err)
	}
	known := memory.NewMemCacheClient(kube.Discovery())
	c := &Client{cfg: cfg, rest: restCfg, kube: kube, dynamic: dyn, mirror: &mirror{}, known: known, mapper: restmapper.NewDeferredDiscoveryRESTMapper(known)}
	c.exec, c.terminals = c.execInPod, newTerminals()
	return c, nil
}

// applySystem applies packaged manifests in order.
func (c *Client) applySystem(ctx context.Context, names ...string) error {
	for _, name := range names {
		objects, err := c.cfg.render(name)
		if err != nil {
			return err
		}
		for _, o := range objects {
			if err := c.applyUnstructured(ctx, o); err != nil {
				return fmt.Errorf("apply %s: %w", name, err)
			}
		}
	}
	return nil
}

// removeSystem deletes what an earlier start may have applied, the first object
// of each manifest last.
func (c *Client) removeSystem(ctx context.Context, names ...string) error {
	for _, name := range names {
		objects, err := c.cfg.render(name)
		if err != nil {
			return err
		}
		for _, o := range slices.Backward(objects) {
			gvk := o.GroupVersionKind()
			mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
			if err != nil {
				return fmt.Errorf("find resource for %s: %w", gvk, err)
			}
			err = c.dynamic.Resource(mapping.Resource).Namespace(o.GetNamespace()).Delete(ctx, o.GetName(), metav1.DeleteOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("delete %s %s/%s: %w", gvk.Kind, o.GetNamespace(), o.GetName(), err)
			}
		}
	}
	return nil
}

// apply applies typed objects; their kind is looked up in client-go's scheme.
func (c *Client) apply(ctx context.Context, objects ...runtime.Object) error {
	for _, o := range objects {
		u, err := manifest(o)
		if err != nil {
			return err
		}
		if err := c.applyUnstructured(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

// manifest is a typed object as it is sent.
func manifest(o runtime.Object) (*unstructured.Unstructured, error) {
	kinds, _, err := scheme.Scheme.ObjectKinds(o)
	if err != nil {
		return nil, fmt.Errorf("find kind: %w", err)
	}
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, fmt.Errorf("convert %s: %w", kinds[0].Kind, err)
	}
	u := &unstructured.Unstructured{Object: m}
	u.SetGroupVersionKind(kinds[0])
	// Fields that the server owns; sent as null or empty they would
	// become ours.
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(u.Object, "status")
	return u, nil
}

func (c *Client) applyUnstructured(ctx context.Context, o *unstructured.Unstructured) error {
	gvk := o.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return fmt.Errorf("find resource for %s: %w", gvk, err)
	}
	b, err := o.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode %s: %w", gvk.Kind, err)
	}
	yes := true
	_, err = c.dynamic.Resource(mapping.Resource).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.ApplyPatchType, b,
		metav1.PatchOptions{FieldManager: fieldManager, Force: &yes})
	if err != nil {
		return fmt.Errorf("apply %s %s/%s: %w", gvk.Kind, o.GetNamespace(), o.GetName(), err)
	}
	return nil
}

// wait is false if ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// waitCA returns once pods of kube-system can know the API server. The controller
// manager publishes that for each namespace; pods that come before it fail to mount
// it, are tried again half a second later, and are a fault in the log.
func (c *Client) waitCA(ctx context.Context) error {
	for {
		_, err := c.kube.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		if err == nil {
			return nil
		}
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("look for the certificate authority that pods are given: %w", err)
		}
		if !wait(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// waitNodeReady returns once the node reports Ready.
func (c *Client) waitNodeReady(ctx context.Context, name string) error {
	for {
		node, err := c.kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			for _, cond := range node.Status.Conditions {
				if cond.Type == corev1.NodeReady && cond.Status == corev1.ConditionTrue {
					return nil
				}
			}
		}
		if !wait(ctx, 200*time.Millisecond) {
			return fmt.Errorf("wait for node %s: %w", name, ctx.Err())
		}
	}
}
