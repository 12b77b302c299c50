package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	// clearPause is between two looks at what is left of a room.
	clearPause = 100 * time.Millisecond
	// clearWait is how long a room may take to be empty.
	clearWait = time.Minute
	// finalizersStay is how long an object that is being deleted may wait for
	// its finalizers. Then they go: a learner may have invented one.
	finalizersStay = 2 * time.Second
)

// kept are objects of a room's namespace that a reset leaves: what OpenLab has
// made, and what Kubernetes makes anew.
func kept(room string) map[string][]string {
	return map[string][]string{
		"secrets": {roomObject}, "limitranges": {roomObject}, "resourcequotas": {roomObject, roomObjects}, "networkpolicies": {roomObject},
		"rolebindings":    {roomBinding(room, learnerRole), roomBinding(room, "cluster-admin")},
		"serviceaccounts": {"default"}, "configmaps": {"kube-root-ca.crt"},
	}
}

// ClearLab deletes all that the namespace of a room holds but what OpenLab has
// made, without waiting for pods to end kindly, mends what of that is missing,
// and returns when the rest is gone.
func (c *Client) ClearLab(ctx context.Context, r mlops.LabRoom) error {
	if err := c.roomThere(ctx, r.Name); err != nil {
		return err
	}
	deadline := time.Now().Add(clearWait)
	for found := false; ; found = true {
		left, err := c.clearOnce(ctx, r.Name, nil)
		if err == nil && left == 0 && found {
			// A controller may just have made something of what was deleted.
			left, err = c.clearOnce(ctx, r.Name, madeByControllers)
		}
		if err != nil {
			return fmt.Errorf("clear room %s: %w", r.Name, err)
		}
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			return mlops.Errorf(mlops.Unavailable, "%d objects of room %s are still being deleted: try again in a few seconds", left, r.Name)
		}
		if !wait(ctx, clearPause) {
			return ctx.Err()
		}
	}
	return c.openNamespace(ctx, r)
}

// madeByControllers are the resources that controllers make of others.
var madeByControllers = []string{"pods", "replicasets", "jobs", "endpointslices"}

// clearOnce deletes what it finds in a room's namespace, of these resources or of
// all, and returns how much that was. Events go too, but aren't counted: deleting
// makes new ones.
func (c *Client) clearOnce(ctx context.Context, room string, only []string) (left int, err error) {
	resources, err := c.namespacedResources()
	if err != nil {
		return 0, err
	}
	var count atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	keep := kept(room)
	for _, res := range resources {
		if only != nil && !slices.Contains(only, res.Resource) {
			continue
		}
		g.Go(func() error {
			n, err := c.clearResource(ctx, room, res, keep[res.Resource])
			if err != nil {
				return fmt.Errorf("delete %s: %w", res.Resource, err)
			}
			if res.Resource != "events" {
				count.Add(int64(n))
			}
			return nil
		})
	}
	err = g.Wait()
	return int(count.Load()), err
}

func (c *Client) clearResource(ctx context.Context, room string, res schema.GroupVersionResource, keep []string) (int, error) {
	var fields []string
	for _, name := range keep {
		fields = append(fields, "metadata.name!="+name)
	}
	only := metav1.ListOptions{FieldSelector: strings.Join(fields, ",")}
	objects := c.dynamic.Resource(res).Namespace(room)
	list, err := objects.List(ctx, only)
	if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) || err == nil && len(list.Items) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	fresh := false
	for i := range list.Items {
		o := &list.Items[i]
		at := o.GetDeletionTimestamp()
		if at == nil {
			fresh = true
			continue
		}
		grace := time.Duration(0)
		if s := o.GetDeletionGracePeriodSeconds(); s != nil {
			grace = time.Duration(*s) * time.Second // the timestamp is when it ends
		}
		if len(o.GetFinalizers()) > 0 && time.Since(at.Add(-grace)) > finalizersStay && !protected(o) {
			_, err := objects.Patch(ctx, o.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return 0, err
			}
		}
		if res.Resource == "pods" && grace > 0 {
			fresh = true // somebody asked kindly
		}
	}
	if !fresh {
		return len(list.Items), nil
	}
	how := metav1.DeleteOptions{PropagationPolicy: ptr(metav1.DeletePropagationBackground)}
	if res.Resource == "pods" {
		how.GracePeriodSeconds = ptr(int64(0))
	}
	err = objects.DeleteCollection(ctx, how, only)
	if err != nil && !apierrors.IsNotFound(err) {
		return 0, err
	}
	return len(list.Items), nil
}

// protected reports whether only Kubernetes keeps an object, until no pod uses it.
func protected(o *unstructured.Unstructured) bool {
	return slices.Equal(o.GetFinalizers(), []string{"kubernetes.io/pvc-protection"})
}

// namespacedResources are those that can be listed and deleted, pods last: what
// makes them goes first.
func (c *Client) namespacedResources() ([]schema.GroupVersionResource, error) {
	lists, err := c.preferred()
	if err != nil {
		return nil, err
	}
	var out []schema.GroupVersionResource
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return nil, fmt.Errorf("read the API's groups: %w", err)
		}
		for _, r := range list.APIResources {
			// Events are in two groups, with the same content.
			if r.Namespaced && slices.Contains(r.Verbs, "list") && slices.Contains(r.Verbs, "deletecollection") && gv.Group != "events.k8s.io" {
				out = append(out, gv.WithResource(r.Name))
			}
		}
	}
	last := func(r schema.GroupVersionResource) int {
		return slices.Index([]string{"replicasets", "jobs", "pods"}, r.Resource)
	}
	slices.SortStableFunc(out, func(a, b schema.GroupVersionResource) int { return last(a) - last(b) })
	return out, nil
}

// preferred lists the resources of the API, each in the version that it prefers.
// A group whose server does not answer is left out.
func (c *Client) preferred() ([]*metav1.APIResourceList, error) {
	lists, err := c.known.ServerPreferredResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("ask what the API knows: %w", err)
	}
	return lists, nil
}

// CloseLab removes all that OpenLab has made and all that the room holds. It
// reports whether everything is gone; until then call it again.
func (c *Client) CloseLab(ctx context.Context, room string) (gone bool, err error) {
	if err := c.closeShell(ctx, room); err != nil {
		return false, fmt.Errorf("close room %s: %w", room, err)
	}
	pods, err := c.kube.CoreV1().Pods(mlops.LabShells).List(ctx, ofRoom(room))
	if err != nil {
		return false, fmt.Errorf("look for the shell of room %s: %w", room, err)
	}
	ns, err := c.kube.CoreV1().Namespaces().Get(ctx, room, metav1.GetOptions{})
	if err == nil && ns.Labels[labelRoom] == room {
		// First: where the namespace's own end meets a pod it waits half the time
		// that the pod may take, 16 s, before it looks again.
		left, err := c.clearOnce(ctx, room, nil)
		if err != nil {
			return false, fmt.Errorf("clear room %s: %w", room, err)
		}
		if left == 0 && ns.DeletionTimestamp == nil {
			if err := c.kube.CoreV1().Namespaces().Delete(ctx, room, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return false, fmt.Errorf("delete namespace %s: %w", room, err)
			}
		}
		return false, nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("look for namespace %s: %w", room, err)
	}
	released, err := c.volumesReleased(ctx, func(claim corev1.ObjectReference) bool { return claim.Namespace == room })
	return released && len(pods.Items) == 0, err
}

// closeShell deletes what a room has outside its namespace.
func (c *Client) closeShell(ctx context.Context, room string) error {
	now := metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(0))}
	bindings, err := c.kube.RbacV1().RoleBindings("").List(ctx, ofRoom(room))
	if err != nil {
		return err
	}
	policies, err := c.kube.NetworkingV1().NetworkPolicies("").List(ctx, ofRoom(room))
	if err != nil {
		return err
	}
	steps := []func() error{
		func() error { return c.kube.CoreV1().Pods(mlops.LabShells).DeleteCollection(ctx, now, ofRoom(room)) },
		func() error { return c.kube.RbacV1().ClusterRoleBindings().DeleteCollection(ctx, now, ofRoom(room)) },
		func() error { return c.kube.RbacV1().ClusterRoles().DeleteCollection(ctx, now, ofRoom(room)) },
		func() error {
			return c.kube.CoreV1().ServiceAccounts(mlops.LabShells).DeleteCollection(ctx, now, ofRoom(room))
		},
		func() error { return c.kube.CoreV1().Secrets(mlops.LabShells).DeleteCollection(ctx, now, ofRoom(room)) },
		func() error {
			return c.kube.CoreV1().ConfigMaps(mlops.LabShells).DeleteCollection(ctx, now, ofRoom(room))
		},
	}
	for i := range policies.Items {
		// That of the room's own namespace goes with it, after its pods.
		if p := &policies.Items[i]; p.Namespace != room {
			steps = append(steps, func() error { return c.kube.NetworkingV1().NetworkPolicies(p.Namespace).Delete(ctx, p.Name, now) })
		}
	}
	for i := range bindings.Items {
		b := &bindings.Items[i]
		steps = append(steps, func() error { return c.kube.RbacV1().RoleBindings(b.Namespace).Delete(ctx, b.Name, now) })
	}
	for _, step := range steps {
		if err := step(); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

func ofRoom(room string) metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: labelRoom + "=" + room}
}

// roomTraces are where a room shows: its namespace, and what is outside of it first
// and last.
var roomTraces = []schema.GroupVersionResource{
	corev1.SchemeGroupVersion.WithResource("namespaces"), corev1.SchemeGroupVersion.WithResource("pods"), corev1.SchemeGroupVersion.WithResource("serviceaccounts"),
	networkingv1.SchemeGroupVersion.WithResource("networkpolicies"), rbacv1.SchemeGroupVersion.WithResource("rolebindings"),
}

// LabRooms lists the rooms that the cluster has something of, by name.
func (c *Client) LabRooms(ctx context.Context) ([]string, error) {
	rooms := map[string]bool{}
	for _, res := range roomTraces {
		list, err := c.dynamic.Resource(res).List(ctx, metav1.ListOptions{LabelSelector: labelRoom})
		if err != nil {
			return nil, fmt.Errorf("list the %s of guided labs: %w", res.Resource, err)
		}
		for i := range list.Items {
			rooms[list.Items[i].GetLabels()[labelRoom]] = true
		}
	}
	return slices.Sorted(maps.Keys(rooms)), nil
}
