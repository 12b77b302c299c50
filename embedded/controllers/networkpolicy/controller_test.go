package networkpolicy

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
)

// eventually waits until f says "".
func eventually(t *testing.T, f func() string) {
	t.Helper()
	var wrong string
	for range 200 {
		if wrong = f(); wrong == "" {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(wrong)
}

func TestPoliciesThatNothingEnforces(t *testing.T) {
	bridged(t, "1")
	tools(t, map[string]string{"iptables": "exit 1", "ipset": "echo 'no ip_set here'; exit 1"})
	client := fake.NewClientset()
	c := New(Config{NodeName: "node-a", ServiceCIDR: "10.43.0.0/16"})
	done := make(chan error, 1)
	go func() { done <- c.run(t.Context(), client, slog.New(slog.DiscardHandler)) }()
	policy := func(name string) {
		p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}}
		if _, err := client.NetworkingV1().NetworkPolicies("default").Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	if p := c.Problems(); len(p) != 0 {
		t.Errorf("before there is a policy: %+v", p)
	}
	warned := func(name string) func() string {
		return func() string {
			events, err := client.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
			if err != nil {
				return err.Error()
			}
			for _, e := range events.Items {
				if e.InvolvedObject.Name == name && e.InvolvedObject.Kind == "NetworkPolicy" && e.Type == corev1.EventTypeWarning && e.Reason == "NotEnforced" &&
					strings.HasPrefix(e.Message, "this policy does nothing, because the kernel makes no ipset of type ") &&
					strings.HasSuffix(e.Message, " (no ip_set here): "+fix) {
					return ""
				}
			}
			return "policy " + name + " was not warned of"
		}
	}
	policy("first")
	eventually(t, warned("first"))
	eventually(t, func() string {
		if p := c.Problems(); len(p) != 1 || p[0].About != "NetworkPolicies" || !strings.HasPrefix(p[0].Detail, "are accepted, but not enforced: the kernel") || p[0].Fix != fix {
			return "the problem is not reported"
		}
		return ""
	})
	policy("second")
	eventually(t, warned("second"))
	select {
	case err := <-done:
		t.Errorf("the controller ended: %v", err)
	default:
	}
}

func TestSlimKeepsWhatPoliciesNeed(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"x": "y"}, ManagedFields: []metav1.ManagedFieldsEntry{{}}},
		Spec:       corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{Name: "c", Image: "i", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}}}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.42.0.5", HostIP: "10.44.0.1", PodIPs: []corev1.PodIP{{IP: "10.42.0.5"}}},
	}
	if _, err := slim(pod); err != nil {
		t.Fatal(err)
	}
	if pod.ManagedFields != nil || pod.Annotations != nil || pod.Spec.Containers[0].Image != "" {
		t.Errorf("kept %+v", pod)
	}
	if pod.Labels["app"] != "web" || !pod.Spec.HostNetwork || pod.Spec.Containers[0].Ports[0].Name != "http" || pod.Status.PodIPs[0].IP != "10.42.0.5" || pod.Status.HostIP == "" || pod.Status.Phase == "" {
		t.Errorf("lost something: %+v", pod)
	}
}

// A failure of iptables must not end the process, as kube-router would. It is
// reported, and tried again.
func TestIptablesFails(t *testing.T) {
	bridged(t, "1")
	before := pause
	pause = 500 * time.Millisecond
	t.Cleanup(func() { pause = before })
	broken := filepath.Join(t.TempDir(), "broken")
	calls := tools(t, map[string]string{
		"iptables": `if [ -e ` + broken + ` ]; then echo "Another app is currently holding the xtables lock" >&2; exit 4; fi
case "$*" in *--version*) echo "iptables v1.8.9 (nf_tables)";; *" KUBE-ROUTER-FORWARD") exit 1;; esac`,
		"iptables-save":    "",
		"iptables-restore": "",
		"ipset":            "",
	})
	client := fake.NewClientset(
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-a"}, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}}},
		&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "first"}})
	c := New(Config{NodeName: "node-a", ServiceCIDR: "10.43.0.0/16"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.run(ctx, client, slog.New(slog.DiscardHandler)) }()
	saved := func() int {
		b, _ := os.ReadFile(calls) // no file yet, no call
		return strings.Count(string(b), "iptables-save")
	}
	synced := func(after int) func() string {
		return func() string {
			if saved() <= after {
				return "kube-router has not looked at the rules"
			}
			return ""
		}
	}
	eventually(t, synced(0))
	if p := c.Problems(); len(p) != 0 {
		t.Errorf("while it works: %+v", p)
	}
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// Something for kube-router to do.
	if _, err := client.NetworkingV1().NetworkPolicies("default").Create(t.Context(), &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "second"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if p := c.Problems(); len(p) != 1 || !strings.HasPrefix(p[0].Detail, "are not kept up to date: run iptables: ") || !strings.Contains(p[0].Detail, "holding the xtables lock") {
			return fmt.Sprintf("problems are %+v", p)
		}
		return ""
	})
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	eventually(t, synced(saved()))
	if p := c.Problems(); len(p) != 0 {
		t.Errorf("when it works again: %+v", p)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
