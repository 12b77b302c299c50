package cluster

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	psa "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// checkPod holds a pod against Kubernetes' own "restricted" standard and
// against what an appliance without a network needs beyond it.
func checkPod(t *testing.T, name string, spec corev1.PodSpec) {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := psa.LevelVersion{Level: psa.LevelRestricted, Version: psa.LatestVersion()}
	for _, r := range evaluator.EvaluatePod(level, &metav1.ObjectMeta{Name: name}, &spec) {
		if !r.Allowed {
			t.Errorf("%s is not restricted: %s: %s", name, r.ForbiddenReason, r.ForbiddenDetail)
		}
	}
	for _, c := range append(spec.InitContainers, spec.Containers...) {
		where := name + "/" + c.Name
		if !strings.HasPrefix(c.Image, "benchtop.local/") {
			t.Errorf("%s runs image %q, which is not in the bundle", where, c.Image)
		}
		if c.ImagePullPolicy != corev1.PullNever {
			t.Errorf("%s pulls its image: %q; there may be no network", where, c.ImagePullPolicy)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s lacks requests or a memory limit: %+v", where, c.Resources)
		}
		sc := c.SecurityContext
		if sc == nil || sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem {
			t.Errorf("%s may write to its root file system", where)
		}
		seccomp := corev1.SeccompProfileTypeUnconfined
		nonRoot, user := false, int64(0)
		if p := spec.SecurityContext; p != nil {
			nonRoot = p.RunAsNonRoot != nil && *p.RunAsNonRoot
			if p.RunAsUser != nil {
				user = *p.RunAsUser
			}
			if p.SeccompProfile != nil {
				seccomp = p.SeccompProfile.Type
			}
		}
		if sc != nil {
			nonRoot = nonRoot || sc.RunAsNonRoot != nil && *sc.RunAsNonRoot
			if sc.RunAsUser != nil {
				user = *sc.RunAsUser
			}
			if sc.SeccompProfile != nil {
				seccomp = sc.SeccompProfile.Type
			}
		}
		if seccomp != corev1.SeccompProfileTypeRuntimeDefault || !nonRoot || user < 10000 {
			t.Errorf("%s runs with seccomp %s as user %d (non-root: %t)", where, seccomp, user, nonRoot)
		}
	}
}
