package cluster

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestKubeconfigRefusals(t *testing.T) {
	c := &Client{kube: fake.NewClientset()}
	for _, x := range []struct{ user, role, server, want string }{
		{"", "", "10.0.0.1", `user: expected at most 40 lower-case letters, digits and '-', found ""`},
		{"Anna", "", "10.0.0.1", `found "Anna"`},
		{"a/b", "", "10.0.0.1", `found "a/b"`},
		{strings.Repeat("a", 41), "", "10.0.0.1", "at most 40"},
		{"anna", "root", "10.0.0.1", `role: expected one of cluster-admin, admin, edit, view, found "root"`},
		{"anna", "", "", `server: expected an address or a name, such as 192.168.1.10 or lab.example.org:6443, found ""`},
		{"anna", "", "https://lab", `found "https://lab"`},
		{"anna", "", "lab:0", `found "lab:0"`},
	} {
		_, err := c.Kubeconfig(t.Context(), x.user, x.role, x.server)
		if mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(err.Error(), x.want) {
			t.Errorf("user %q, role %q, server %q: %v, want %s", x.user, x.role, x.server, err, x.want)
		}
	}
	if err := c.RevokeKubeconfig(t.Context(), "anna"); mlops.CodeOf(err) != mlops.NotFound || !strings.Contains(err.Error(), `user "anna" has no kubeconfig`) {
		t.Errorf("revoking nobody: %v", err)
	}
}

// A name that comes back after it was revoked is somebody else.
func TestKubeconfigUserComesBack(t *testing.T) {
	c := &Client{kube: fake.NewClientset()}
	bind := func(role string) *rbacv1.ClusterRoleBinding {
		t.Helper()
		b, err := c.bindKubeconfig(t.Context(), "anna", role)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := bind("view")
	if again := bind(""); again.Subjects[0].Name != first.Subjects[0].Name || again.RoleRef.Name != "view" {
		t.Errorf("a second kubeconfig is for %v, the first for %v", again.Subjects, first.Subjects)
	}
	if _, err := c.bindKubeconfig(t.Context(), "anna", "edit"); mlops.CodeOf(err) != mlops.Exists || !strings.Contains(err.Error(), "user anna exists with the role view: choose another --user") {
		t.Errorf("another role: %v", err)
	}
	if users, err := c.KubeconfigUsers(t.Context()); err != nil || len(users) != 1 || users[0].Name != "anna" || users[0].Role != "view" {
		t.Errorf("users are %v: %v", users, err)
	}
	if err := c.RevokeKubeconfig(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
	if later := bind("cluster-admin"); later.Subjects[0].Name == first.Subjects[0].Name {
		t.Errorf("the certificate that was revoked is worth something again: %v", later.Subjects)
	}
}
