package localpath

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func eventually(t *testing.T, f func() error) {
	t.Helper()
	var err error
	for range 200 {
		if err = f(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
}

// asked marks a claim as the scheduler and the volume controller do.
func asked(change func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	return claim(func(c *corev1.PersistentVolumeClaim) {
		c.Annotations["volume.kubernetes.io/selected-node"] = "bench"
		c.Annotations["volume.kubernetes.io/storage-provisioner"] = Name
		if change != nil {
			change(c)
		}
	})
}

func TestControllerServesClaimsThatWaited(t *testing.T) {
	p := newProvisioner(t)
	ctx := t.Context()
	block := asked(func(c *corev1.PersistentVolumeClaim) {
		c.Name, c.UID, c.Spec.VolumeMode = "block", "12", new(corev1.PersistentVolumeBlock)
	})
	selects := asked(func(c *corev1.PersistentVolumeClaim) {
		c.Name, c.UID, c.Spec.Selector = "selects", "13", &metav1.LabelSelector{}
	})
	foreign := asked(func(c *corev1.PersistentVolumeClaim) {
		c.Name, c.UID = "foreign", "14"
		c.Annotations["volume.kubernetes.io/storage-provisioner"] = "nfs.example.com"
	})
	kube := fake.NewClientset(class(nil), asked(nil), block, selects, foreign)
	go newController(ctx, kube, p).Run(ctx)

	var pv *corev1.PersistentVolume
	eventually(t, func() (err error) {
		pv, err = kube.CoreV1().PersistentVolumes().Get(ctx, "pvc-11", metav1.GetOptions{})
		return err
	})
	if pv.Annotations["pv.kubernetes.io/provisioned-by"] != Name || pv.Spec.StorageClassName != "local-path" || pv.Spec.ClaimRef.Name != "data-db-0" {
		t.Errorf("the volume is %+v", pv)
	}
	eventually(t, func() error {
		events, err := kube.CoreV1().Events("shop").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		said := ""
		for _, e := range events.Items {
			said += e.InvolvedObject.Name + " " + e.Reason + " " + e.Message + "\n"
		}
		for _, want := range []string{"block ProvisioningFailed rancher.io/local-path does not support block volume provisioning", "selects ProvisioningFailed the claim has a selector", "data-db-0 ProvisioningSucceeded"} {
			if !strings.Contains(said, want) {
				return fmt.Errorf("no event says %q:\n%s", want, said)
			}
		}
		return nil
	})
	if entries, err := os.ReadDir(p.folders.dir); err != nil || len(entries) != 1 {
		t.Errorf("the folders are %v (%v), expected one", entries, err)
	}

	gone := func() error {
		if _, err := kube.CoreV1().PersistentVolumes().Get(ctx, "pvc-11", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the volume is still there: %w", err)
		}
		if _, err := os.Lstat(pv.Spec.HostPath.Path); !os.IsNotExist(err) {
			return fmt.Errorf("the folder is still there: %w", err)
		}
		return nil
	}
	release(t, ctx, kube, pv, corev1.PersistentVolumeReclaimRetain)
	time.Sleep(300 * time.Millisecond)
	if err := gone(); err == nil {
		t.Fatal("a volume to retain is gone")
	}
	release(t, ctx, kube, pv, corev1.PersistentVolumeReclaimDelete)
	eventually(t, gone)
}

func release(t *testing.T, ctx context.Context, kube *fake.Clientset, pv *corev1.PersistentVolume, policy corev1.PersistentVolumeReclaimPolicy) {
	t.Helper()
	released := pv.DeepCopy()
	released.Status.Phase, released.Spec.PersistentVolumeReclaimPolicy = corev1.VolumeReleased, policy
	if _, err := kube.CoreV1().PersistentVolumes().Update(ctx, released, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}
