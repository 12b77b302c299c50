//go:build e2e

package e2e

import (
	"errors"
	"regexp"
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// whoUsesWhat asks for resource metrics as people and autoscalers do.
func (s *story) whoUsesWhat(t *testing.T) {
	s.applyFile(t, "autoscaled.yaml")
	t.Cleanup(func() { _, _ = s.Run(t.Context(), "kubectl", "delete", "ns", "doors-usage", "--wait=false") })
	// The API follows twenty seconds after the first start.
	s.kubectl(t, "wait", "apiservice/v1beta1.metrics.k8s.io", "--for=create", "--timeout=180s")
	s.kubectl(t, "wait", "apiservice/v1beta1.metrics.k8s.io", "--for=condition=Available", "--timeout=180s")
	says := func(pattern string, args ...string) {
		t.Helper()
		if out := s.kubectl(t, args...); !regexp.MustCompile(pattern).MatchString(out) {
			t.Errorf("kubectl %v says\n%s\nwant %s", args, out, pattern)
		}
	}
	says(`\n\S+ +[1-9]\d*m +\d+% +[1-9]\d*Mi +\d+%`, "top", "nodes")
	says(`kube-system +coredns-\S+ +coredns +\d+m +[1-9]\d*Mi`, "top", "pods", "-A", "--containers")
	says(`^iris-\S+ +\d+m +[1-9]\d*Mi$`, "top", "pods", "-n", "iris", "-l", "app.kubernetes.io/component=server", "--no-headers")
	says(`NAME +CPU +MEMORY +WINDOW\niris-`, "get", "pods.metrics.k8s.io", "-n", "iris")
	says(`"kind":"NodeMetrics"`, "get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes/"+s.kubectl(t, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"))
	says(`(?s)KIND: +PodMetrics.*containers`, "explain", "podmetrics")
	s.refuses(t, []string{`pods "none" not found`}, "kubectl", "get", "pods.metrics.k8s.io", "-n", "iris", "none")
	s.refuses(t, []string{"cannot list resource", "metrics.k8s.io"}, "kubectl", "top", "pods", "-n", "iris", "--as=nobody")

	var seen string
	err := drive.Eventually(t.Context(), patience, func() error {
		seen = s.kubectl(t, "get", "hpa", "-n", "doors-usage", "busy", "-o", "jsonpath={.status.currentMetrics[0].resource.current.averageUtilization}% {.status.desiredReplicas}")
		if !regexp.MustCompile(`^[1-9]\d*% 2$`).MatchString(seen) {
			return errors.New("the autoscaler sees " + seen + ", want a busy pod and two replicas")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	t.Log("the autoscaler sees", seen)
}
