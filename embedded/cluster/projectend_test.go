package cluster

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func namespace(name string, labels map[string]string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
}

func TestNamespaceOfAProject(t *testing.T) {
	going := namespace("going", map[string]string{labelPartOf: "benchtop", labelProject: "going"})
	going.DeletionTimestamp, going.Finalizers = ptr(metav1.Now()), []string{"kubernetes"}
	c := &Client{kube: fake.NewClientset(namespace("iris", map[string]string{labelPartOf: "benchtop", labelProject: "iris"}), namespace("kube-system", nil), going)}
	for name, want := range map[string]struct {
		code mlops.Code
		text string
	}{
		"wine":        {"", ""},
		"iris":        {"", ""}, // left from a crash: it is taken over
		"kube-system": {mlops.Exists, "`benchtop kubectl delete namespace kube-system`"},
		"going":       {mlops.InvalidState, "still being deleted"},
	} {
		err := c.CheckNamespace(t.Context(), name)
		if mlops.CodeOf(err) != want.code || err != nil && !strings.Contains(mlops.MessageOf(err), want.text) {
			t.Errorf("%s: %v, expected %s", name, err, want.text)
		}
	}
}

func TestDeleteProject(t *testing.T) {
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pvc-1"}, Spec: corev1.PersistentVolumeSpec{
		ClaimRef: &corev1.ObjectReference{Namespace: "iris"}, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete}}
	c := &Client{kube: fake.NewClientset(namespace("iris", map[string]string{labelPartOf: "benchtop", labelProject: "iris"}), namespace("kube-system", nil), volume)}
	gone := func(name string, want bool) {
		t.Helper()
		if got, err := c.DeleteProject(t.Context(), name); err != nil || got != want {
			t.Errorf("%s is gone: %t, %v; want %t", name, got, err, want)
		}
	}
	gone("iris", false) // its namespace goes
	gone("iris", false) // its volume is there
	if err := c.kube.CoreV1().PersistentVolumes().Delete(t.Context(), "pvc-1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	gone("iris", true)
	gone("kube-system", true) // nothing of ours is there
	if _, err := c.kube.CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{}); err != nil {
		t.Errorf("somebody else's namespace was deleted: %v", err)
	}
}

func TestByHandOnly(t *testing.T) {
	p := mlops.Project{Schedule: "0 * * * *"}
	if suspended(p) != nil {
		t.Error("a project with a schedule overrules who suspends its CronJob")
	}
	p.Schedule = ""
	if s := suspended(p); s == nil || !*s {
		t.Error("a project without a schedule trains by itself")
	}
}
