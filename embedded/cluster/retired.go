package cluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// object names one object of the cluster.
type object struct {
	resource  schema.GroupVersionResource
	namespace string
	name      string
}

var (
	core     = schema.GroupVersion{Version: "v1"}
	apps     = schema.GroupVersion{Group: "apps", Version: "v1"}
	rbac     = schema.GroupVersion{Group: "rbac.authorization.k8s.io", Version: "v1"}
	leases   = schema.GroupVersion{Group: "coordination.k8s.io", Version: "v1"}
	bindings = rbac.WithResource("clusterrolebindings")
	roles    = rbac.WithResource("clusterroles")
)

// retired lists what earlier versions of Benchtop applied and this one doesn't
// need. Rights go first, so that a pod on its way out does no more work. The
// last of each list goes last: retire looks for it to see whether anything is
// left.
var retired = [][]object{
	{
		{bindings, "", "local-path-provisioner"},
		{rbac.WithResource("rolebindings"), system, "local-path-provisioner"},
		{roles, "", "local-path-provisioner"},
		{rbac.WithResource("roles"), system, "local-path-provisioner"},
		{core.WithResource("serviceaccounts"), system, "local-path-provisioner"},
		{core.WithResource("configmaps"), system, "local-path-config"},
		{leases.WithResource("leases"), system, "rancher.io-local-path"},
		{apps.WithResource("deployments"), system, "local-path-provisioner"},
	},
	{
		{bindings, "", "system:metrics-server"},
		{bindings, "", "metrics-server:system:auth-delegator"},
		{rbac.WithResource("rolebindings"), system, "metrics-server-auth-reader"},
		{roles, "", "system:metrics-server"},
		{core.WithResource("serviceaccounts"), system, "metrics-server"},
		{core.WithResource("services"), system, "metrics-server"},
		{apps.WithResource("deployments"), system, "metrics-server"},
	},
}

const system = "kube-system"

// retire deletes what an earlier version left. It looks for one object of each
// list, and leaves the list alone if that is missing.
func (c *Client) retire(ctx context.Context) error {
	for _, objects := range retired {
		last := objects[len(objects)-1]
		_, err := c.dynamic.Resource(last.resource).Namespace(last.namespace).Get(ctx, last.name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look for %s %s of an earlier version: %w", last.resource.Resource, last.name, err)
		}
		for _, o := range objects {
			err := c.dynamic.Resource(o.resource).Namespace(o.namespace).Delete(ctx, o.name, metav1.DeleteOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("delete %s %s of an earlier version: %w", o.resource.Resource, o.name, err)
			}
		}
	}
	return nil
}
