package localpath

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
	"sigs.k8s.io/yaml"
)

func newProvisioner(t *testing.T) *provisioner {
	t.Helper()
	f, err := openFolders(filepath.Join(t.TempDir(), "volumes"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	return &provisioner{node: "bench", folders: f}
}

func claim(change func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data-db-0", UID: "11", Annotations: map[string]string{}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: new("local-path"),
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	if change != nil {
		change(c)
	}
	return c
}

func class(change func(*storagev1.StorageClass)) *storagev1.StorageClass {
	c := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: "local-path", Annotations: map[string]string{}}, Provisioner: Name,
		ReclaimPolicy: new(corev1.PersistentVolumeReclaimDelete), VolumeBindingMode: new(storagev1.VolumeBindingWaitForFirstConsumer),
	}
	if change != nil {
		change(c)
	}
	return c
}

func options(c *corev1.PersistentVolumeClaim, s *storagev1.StorageClass) controller.ProvisionOptions {
	return controller.ProvisionOptions{StorageClass: s, PVC: c, PVName: "pvc-11", SelectedNodeName: "bench"}
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, expected %q in it", err, want)
	}
}

func TestVolumeIsAsUpstreamMakesIt(t *testing.T) {
	p := newProvisioner(t)
	var want corev1.PersistentVolume
	b, err := os.ReadFile("testdata/upstream-pv.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(string(b), "VOLUMES", p.folders.dir)), &want); err != nil {
		t.Fatal(err)
	}
	got, state, err := p.Provision(context.Background(), options(claim(nil), class(nil)))
	if err != nil || state != controller.ProvisioningFinished {
		t.Fatal(state, err)
	}
	// These are the controller's.
	want.Spec.ClaimRef, want.Spec.StorageClassName = nil, ""
	delete(want.Annotations, "pv.kubernetes.io/provisioned-by")
	if !got.Spec.Capacity.Storage().Equal(*want.Spec.Capacity.Storage()) {
		t.Errorf("capacity is %v", got.Spec.Capacity)
	}
	got.Spec.Capacity, want.Spec.Capacity = nil, nil
	if !reflect.DeepEqual(got.ObjectMeta, want.ObjectMeta) || !reflect.DeepEqual(got.Spec, want.Spec) {
		t.Errorf("the volume is\n%+v\nexpected\n%+v", got, want)
	}
	st, err := os.Stat(got.Spec.HostPath.Path)
	if err != nil || st.Mode() != os.ModeDir|0o777 {
		t.Errorf("the folder is %v (%v), expected one that any user may write to", st.Mode(), err)
	}

	// And a volume that upstream made is deleted.
	if err := os.WriteFile(filepath.Join(want.Spec.HostPath.Path, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Delete(context.Background(), &want); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(want.Spec.HostPath.Path); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
	if err := p.Delete(context.Background(), &want); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
}

func TestAccessModesAndKinds(t *testing.T) {
	p := newProvisioner(t)
	for _, mode := range []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadWriteOncePod, corev1.ReadWriteMany, corev1.ReadOnlyMany} {
		c := claim(func(c *corev1.PersistentVolumeClaim) { c.Spec.AccessModes[0] = mode })
		pv, _, err := p.Provision(context.Background(), options(c, class(nil)))
		if err != nil || pv.Spec.AccessModes[0] != mode {
			t.Errorf("%s: %v", mode, err)
		}
	}
	for _, c := range []struct {
		class, claim string
		local        bool
	}{{"", "", false}, {"local", "", true}, {"", "Local", true}, {"local", "hostPath", false}, {"hostpath", "", false}} {
		o := options(claim(func(p *corev1.PersistentVolumeClaim) {
			if c.claim != "" {
				p.Annotations["volumeType"] = c.claim
			}
		}), class(func(s *storagev1.StorageClass) {
			if c.class != "" {
				s.Annotations["defaultVolumeType"] = c.class
			}
		}))
		pv, _, err := p.Provision(context.Background(), o)
		if err != nil || (pv.Spec.Local != nil) != c.local || (pv.Spec.HostPath != nil) == c.local {
			t.Errorf("class %q, claim %q: %v, %v", c.class, c.claim, pv, err)
		}
		if err == nil {
			if err := p.Delete(context.Background(), pv); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	p := newProvisioner(t)
	type object = corev1.PersistentVolumeClaim
	for _, c := range []struct {
		claim func(*object)
		class func(*storagev1.StorageClass)
		want  string
	}{
		{func(c *object) { c.Spec.Selector = &metav1.LabelSelector{} }, nil, "the claim has a selector, but every claim gets a new folder: remove spec.selector, or name an existing volume in spec.volumeName"},
		{func(c *object) { c.Spec.DataSource = &corev1.TypedLocalObjectReference{} }, nil, "can't be made from a snapshot or another volume: remove spec.dataSource and spec.dataSourceRef, and copy the files with a pod"},
		{func(c *object) { c.Spec.DataSourceRef = &corev1.TypedObjectReference{} }, nil, "can't be made from a snapshot or another volume"},
		{func(c *object) { c.Spec.VolumeAttributesClassName = new("fast") }, nil, "a folder has no attributes: remove spec.volumeAttributesClassName"},
		{nil, func(s *storagev1.StorageClass) { s.Parameters = map[string]string{"pathPattern": "x", "nodePath": "/"} }, "StorageClass local-path has the parameters nodePath, pathPattern, expected none: all volumes lie in " + p.folders.dir},
		{nil, func(s *storagev1.StorageClass) { s.MountOptions = []string{"noatime"} }, "StorageClass local-path has mountOptions, but a folder is not mounted with options: remove them"},
		{nil, func(s *storagev1.StorageClass) { s.Annotations["defaultVolumeType"] = "nfs" }, `annotation defaultVolumeType of StorageClass local-path is "nfs", expected hostPath or local`},
		{func(c *object) { c.Annotations["volumeType"] = "nfs" }, nil, `annotation volumeType of the claim is "nfs", expected hostPath or local`},
	} {
		_, state, err := p.Provision(context.Background(), options(claim(c.claim), class(c.class)))
		expectError(t, err, c.want)
		if state != controller.ProvisioningFinished {
			t.Errorf("%s: state is %s", c.want, state)
		}
	}
	o := options(claim(nil), class(nil))
	o.SelectedNodeName = "other"
	_, _, err := p.Provision(context.Background(), o)
	expectError(t, err, "volumes can only be made on node bench, and the pod was placed on node other")
	if entries, err := os.ReadDir(p.folders.dir); err != nil || len(entries) > 0 {
		t.Errorf("refused claims left %v (%v)", entries, err)
	}
}

func TestDeleteRefusals(t *testing.T) {
	p := newProvisioner(t)
	volume := func(path, node string) *corev1.PersistentVolume {
		pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pvc-1"}}
		if path != "" {
			pv.Spec.PersistentVolumeSource = hostPath(path)
		}
		if node != "" {
			pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}}}}}}
		}
		return pv
	}
	outside := t.TempDir()
	for _, c := range []struct{ path, node, want string }{
		{"", "bench", "volume pvc-1 has neither a hostPath nor a local path: remove its data by hand, then delete the volume with kubectl delete pv pvc-1"},
		{p.folders.dir + "/x", "other", `volume pvc-1 lies on node "other", expected bench`},
		{p.folders.dir + "/x", "", `volume pvc-1 lies on node "", expected bench`},
		{outside, "bench", outside + " does not lie in " + p.folders.dir + ": remove it by hand, then delete the volume"},
		{p.folders.dir, "bench", "does not lie in"},
		{p.folders.dir + "/../secrets", "bench", "does not lie in"},
	} {
		expectError(t, p.Delete(context.Background(), volume(c.path, c.node)), c.want)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}
