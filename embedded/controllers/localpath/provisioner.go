package localpath

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Upstream's annotations.
const (
	selectedNode      = "local.path.provisioner/selected-node" // of a volume
	volumeType        = "volumeType"                           // of a claim
	defaultVolumeType = "defaultVolumeType"                    // of a class
)

// provisioner implements controller.Provisioner. The controller turns its
// errors into events and tries again.
type provisioner struct {
	node    string
	folders *folders
}

// Provision makes the folder of a claim and returns the volume as upstream
// would have made it.
func (p *provisioner) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	source, err := p.accept(o)
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	path, err := p.folders.create(o.PVName + "_" + o.PVC.Namespace + "_" + o.PVC.Name)
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName, Annotations: map[string]string{selectedNode: p.node}},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			VolumeMode:                    new(corev1.PersistentVolumeFilesystem),
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeSource:        source(path),
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{p.node}}},
			}}}},
		},
	}, controller.ProvisioningFinished, nil
}

// accept refuses what a folder can't be. Upstream refuses ReadWriteMany and
// ReadOnlyMany too, because pods of other nodes would not see the folder; the
// volume's node affinity keeps them away from there anyway.
func (p *provisioner) accept(o controller.ProvisionOptions) (func(path string) corev1.PersistentVolumeSource, error) {
	claim, class := o.PVC.Spec, o.StorageClass
	switch {
	case o.SelectedNodeName != "" && o.SelectedNodeName != p.node:
		return nil, fmt.Errorf("volumes can only be made on node %s, and the pod was placed on node %s", p.node, o.SelectedNodeName)
	case claim.Selector != nil:
		return nil, fmt.Errorf("the claim has a selector, but every claim gets a new folder: remove spec.selector, or name an existing volume in spec.volumeName")
	case claim.DataSource != nil || claim.DataSourceRef != nil:
		return nil, fmt.Errorf("the claim has a data source, but a folder can't be made from a snapshot or another volume: remove spec.dataSource and spec.dataSourceRef, and copy the files with a pod")
	case claim.VolumeAttributesClassName != nil && *claim.VolumeAttributesClassName != "":
		return nil, fmt.Errorf("the claim names a VolumeAttributesClass, but a folder has no attributes: remove spec.volumeAttributesClassName")
	case len(class.Parameters) > 0:
		return nil, fmt.Errorf("StorageClass %s has the parameters %s, expected none: all volumes lie in %s", class.Name,
			strings.Join(slices.Sorted(maps.Keys(class.Parameters)), ", "), p.folders.dir)
	case len(class.MountOptions) > 0:
		return nil, fmt.Errorf("StorageClass %s has mountOptions, but a folder is not mounted with options: remove them", class.Name)
	}
	kind, asked := class.Annotations[defaultVolumeType], "annotation defaultVolumeType of StorageClass "+class.Name
	if v, ok := o.PVC.Annotations[volumeType]; ok {
		kind, asked = v, "annotation volumeType of the claim"
	}
	switch strings.ToLower(kind) {
	case "", "hostpath":
		return hostPath, nil
	case "local":
		return local, nil
	}
	return nil, fmt.Errorf("%s is %q, expected hostPath or local", asked, kind)
}

func hostPath(path string) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: new(corev1.HostPathDirectoryOrCreate)}}
}

func local(path string) corev1.PersistentVolumeSource {
	return corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}}
}

// Delete removes the folder of a volume, also of one that upstream made.
func (p *provisioner) Delete(_ context.Context, pv *corev1.PersistentVolume) error {
	path := ""
	switch {
	case pv.Spec.HostPath != nil:
		path = pv.Spec.HostPath.Path
	case pv.Spec.Local != nil:
		path = pv.Spec.Local.Path
	default:
		return fmt.Errorf("volume %s has neither a hostPath nor a local path: remove its data by hand, then delete the volume with kubectl delete pv %[1]s", pv.Name)
	}
	if node := nodeOf(pv); node != p.node {
		return fmt.Errorf("volume %s lies on node %q, expected %s: remove its data there by hand, then delete the volume", pv.Name, node, p.node)
	}
	return p.folders.remove(path)
}

// nodeOf returns the node that a volume is bound to, "" if none.
func nodeOf(pv *corev1.PersistentVolume) string {
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return ""
	}
	for _, term := range pv.Spec.NodeAffinity.Required.NodeSelectorTerms {
		for _, e := range term.MatchExpressions {
			if e.Key == corev1.LabelHostname && e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 {
				return e.Values[0]
			}
		}
	}
	return ""
}
