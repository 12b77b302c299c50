package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// ours reports whether a namespace was made for the project of its name.
func ours(ns *corev1.Namespace) bool {
	return ns.Labels[labelPartOf] == "benchtop" && ns.Labels[labelProject] == ns.Name
}

// CheckNamespace reports why a project's namespace cannot be made: somebody
// else has one of that name, or the last one is still being deleted.
func (c *Client) CheckNamespace(ctx context.Context, project string) error {
	ns, err := c.kube.CoreV1().Namespaces().Get(ctx, project, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("look for namespace %s: %w", project, err)
	case !ours(ns):
		return mlops.Errorf(mlops.Exists, "the cluster has a namespace %s that is not a project's: a project is also its namespace, so delete that one first, `benchtop kubectl delete namespace %s`", project, project)
	case ns.DeletionTimestamp != nil:
		return mlops.Errorf(mlops.InvalidState, "namespace %s is still being deleted: try again in a few seconds", project)
	}
	return nil
}

// DeleteProject deletes a project's namespace and all that is in it. It reports
// whether everything is gone, the volume included; until then call it again. It
// leaves a namespace alone that is not a project's.
func (c *Client) DeleteProject(ctx context.Context, project string) (gone bool, err error) {
	ns, err := c.kube.CoreV1().Namespaces().Get(ctx, project, metav1.GetOptions{})
	if err == nil && ours(ns) {
		if ns.DeletionTimestamp == nil {
			if err := c.kube.CoreV1().Namespaces().Delete(ctx, project, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return false, fmt.Errorf("delete namespace %s: %w", project, err)
			}
		}
		// Nobody waits for answers any more, so pods need not linger.
		if err := c.kube.CoreV1().Pods(project).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(2))}, metav1.ListOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("end the pods of namespace %s: %w", project, err)
		}
		return false, nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("look for namespace %s: %w", project, err)
	}
	if err == nil {
		return true, nil // somebody else's: nothing in it is ours
	}
	return c.volumesReleased(ctx, func(claim corev1.ObjectReference) bool { return claim.Namespace == project })
}
