package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// ApplyLab applies YAML documents to a namespace by server-side apply, in their
// order. It refuses objects that lie elsewhere.
func (c *Client) ApplyLab(ctx context.Context, namespace string, manifest []byte) error {
	objects, err := decodeManifest(manifest)
	if err != nil {
		return err
	}
	for _, o := range objects {
		gvk := o.GroupVersionKind()
		what := strings.TrimSpace(gvk.Kind + " " + o.GetName())
		mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
		if apimeta.IsNoMatchError(err) {
			return mlops.Errorf(mlops.Invalid, "%s: this cluster does not know apiVersion %q with kind %q", what, o.GetAPIVersion(), gvk.Kind)
		}
		if err != nil {
			return fmt.Errorf("find resource for %s: %w", gvk, err)
		}
		if mapping.Scope.Name() != apimeta.RESTScopeNameNamespace {
			return mlops.Errorf(mlops.Invalid, "%s belongs to the whole cluster: a lab applies only what lies in its namespaces", what)
		}
		if in := o.GetNamespace(); in != "" && in != namespace {
			return mlops.Errorf(mlops.Invalid, "%s lies in namespace %s, expected %s: leave its namespace out", what, in, namespace)
		}
		o.SetNamespace(namespace)
		if err := c.applyUnstructured(ctx, o); err != nil {
			if apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err) {
				return &mlops.Error{Code: mlops.Invalid, Message: fmt.Sprintf("Kubernetes refuses %s", what), Err: err}
			}
			return err
		}
	}
	return nil
}

// decodeManifest reads YAML documents; a List counts as what it holds.
func decodeManifest(manifest []byte) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	dec := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for n := 1; ; n++ {
		var o unstructured.Unstructured
		err := dec.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, mlops.Errorf(mlops.Invalid, "document %d is no YAML object: %v", n, err)
		}
		switch {
		case len(o.Object) == 0:
		case o.IsList():
			if err := o.EachListItem(func(item runtime.Object) error {
				out = append(out, item.(*unstructured.Unstructured))
				return nil
			}); err != nil {
				return nil, mlops.Errorf(mlops.Invalid, "document %d is no list of objects: %v", n, err)
			}
		case o.GetKind() == "" || o.GetAPIVersion() == "" || o.GetName() == "":
			return nil, mlops.Errorf(mlops.Invalid, "document %d lacks apiVersion, kind or metadata.name", n)
		default:
			out = append(out, &o)
		}
	}
}

// LabObjects returns one object, map[string]any, or nil if there is none, if q
// names one; else all that the selectors choose, a []any by namespace and name.
func (c *Client) LabObjects(ctx context.Context, q mlops.LabObjects) (any, error) {
	res, namespaced, err := c.resourceOf(q.APIVersion, q.Kind)
	if err != nil {
		return nil, err
	}
	namespace := q.Namespace
	if !namespaced {
		namespace = ""
	}
	objects := c.dynamic.Resource(res).Namespace(namespace)
	if q.Name != "" {
		o, err := objects.Get(ctx, q.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("get %s %s: %w", q.Kind, q.Name, err)
		}
		return plain(o), nil
	}
	list, err := objects.List(ctx, metav1.ListOptions{LabelSelector: q.Labels, FieldSelector: q.Fields})
	if apierrors.IsBadRequest(err) {
		return nil, &mlops.Error{Code: mlops.Invalid, Message: fmt.Sprintf("labels %q or fields %q choose no %s: expected selectors such as app=model", q.Labels, q.Fields, q.Kind), Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", q.Kind, err)
	}
	slices.SortFunc(list.Items, func(a, b unstructured.Unstructured) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	out := make([]any, 0, len(list.Items))
	for i := range list.Items {
		out = append(out, plain(&list.Items[i]))
	}
	return out, nil
}

// plain leaves out who manages which field.
func plain(o *unstructured.Unstructured) map[string]any {
	o.SetManagedFields(nil)
	return o.Object
}

// resourceOf finds the resource of a kind. Without apiVersion the core group
// comes first, then the others by name. What is not known is asked for once more:
// definitions come and go.
func (c *Client) resourceOf(apiVersion, kind string) (res schema.GroupVersionResource, namespaced bool, err error) {
	for _, again := range []bool{false, true} {
		if again {
			c.known.Invalidate()
		}
		lists, err := c.preferred()
		if apiVersion != "" {
			var list *metav1.APIResourceList
			if list, err = c.known.ServerResourcesForGroupVersion(apiVersion); err == nil {
				lists = []*metav1.APIResourceList{list}
			} else if apierrors.IsNotFound(err) || errors.Is(err, memory.ErrCacheNotFound) {
				lists, err = nil, nil
			}
		}
		if err != nil {
			return res, false, fmt.Errorf("ask what the API knows of kind %s: %w", kind, err)
		}
		best := ""
		for _, list := range lists {
			for _, r := range list.APIResources {
				gv, err := schema.ParseGroupVersion(list.GroupVersion)
				if err != nil || r.Kind != kind || strings.Contains(r.Name, "/") || best != "" && gv.Group >= res.Group {
					continue
				}
				best, res, namespaced = r.Name, gv.WithResource(r.Name), r.Namespaced
			}
		}
		if best != "" {
			return res, namespaced, nil
		}
	}
	return res, false, mlops.Errorf(mlops.Invalid, "this cluster knows no kind %q%s: kinds are written as in manifests, for example Pod or EndpointSlice", kind, inVersion(apiVersion))
}

func inVersion(apiVersion string) string {
	if apiVersion == "" {
		return ""
	}
	return " in apiVersion " + apiVersion
}
