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
// else has one of that name, or the last one is still going.
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

// DeleteProject deletes a project's namespace and all that is in it. It
// reports whether it is gone with its volume; until then it has to be called
// again. A namespace that is not a project's stays.
func (c *Client) DeleteProject(ctx context.Context, project string) (gone bool, err error) {
	ns, err := c.kube.CoreV1().Namespaces().Get(ctx, project, metav1.GetOptions{})
	if err == nil && ours(ns) {
		if ns.DeletionTimestamp == nil {
			if err := c.kube.CoreV1().Namespaces().Delete(ctx, project, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return false, fmt.Errorf("delete namespace %s: %w", project, err)
			}
		}
		// Nobody is to be answered any more, so pods need not linger.
		if err := c.kube.CoreV1().Pods(project).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: ptr(int64(2))}, metav1.ListOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("end the pods of namespace %s: %w", project, err)
		}
		return false, nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("look for namespace %s: %w", project, err)
	}
	if err == nil {
		return true, nil // somebody else's: there is nothing of ours
	}
	volumes, err := c.kube.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, fmt.Errorf("list volumes: %w", err)
	}
	for _, v := range volumes.Items {
		if ref := v.Spec.ClaimRef; ref != nil && ref.Namespace == project &&
			v.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete && v.Status.Phase != corev1.VolumeFailed {
			return false, nil // its folder is being removed
		}
	}
	return true, nil
}
