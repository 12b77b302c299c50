//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// whatIsWrong breaks the servers of iris in several ways. Each time the doctor
// names the broken part, what it saw and what to do, while the healthy server
// goes on answering.
func (s *story) whatIsWrong(t *testing.T) {
	traffic := s.StartTraffic(s.said.Try, 2, 50*time.Millisecond)
	image := s.benchtop(t, "kubectl", "-n", "iris", "get", "deployment", "iris", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	command := s.benchtop(t, "kubectl", "-n", "iris", "get", "deployment", "iris", "-o", "jsonpath={.spec.template.spec.containers[0].command}")
	set := func(field, value string) {
		t.Helper()
		s.benchtop(t, "kubectl", "-n", "iris", "patch", "deployment", "iris", "--type=json",
			"-p", fmt.Sprintf(`[{"op": "replace", "path": "/spec/template/spec/containers/0/%s", "value": %s}]`, field, value))
	}
	for _, c := range []struct {
		field, broken, well string
		want                []string
	}{
		{"command", `["python3", "-c", "import nonsense"]`, command, []string{"keeps ending: last with exit code 1 (Error, ", "| ModuleNotFoundError: No module named 'nonsense'", "`benchtop logs iris`"}},
		{"image", `"benchtop.local/none:1"`, `"` + image + `"`, []string{"cannot start without its image benchtop.local/none:1: ", "`benchtop images load FILE`"}},
		{"command", "[\"python3\", \"-c\", \"b'x' * (2 << 30)\"]", command, []string{"needed more than its memory limit of 1024 MiB and was killed (OOMKilled, exit code 137, ", "`benchtop rollback iris`"}},
	} {
		set(c.field, c.broken)
		s.doctorSays(t, append(c.want, "fix: ")...)
		if strings.Contains(c.broken, "nonsense") {
			// One log of both servers, by time, with the last words of ended
			// containers. The kubelet may just have removed one.
			if err := drive.Eventually(t.Context(), patience, func() error {
				out, err := s.Run(t.Context(), "logs", "iris", "--servers")
				if err != nil {
					return err
				}
				return contains(out, []string{" (ended): ModuleNotFoundError: No module named 'nonsense'", "serving iris version"})
			}); err != nil {
				t.Errorf("the merged log: %v", err)
			}
			s.refuses(t, []string{"has no pod none: expected one of"}, "logs", "iris", "--pod", "none")
		}
		set(c.field, c.well)
	}
	s.allIsWell(t)
	undisturbed(t, traffic)

	s.benchtop(t, "kubectl", "-n", "kube-system", "scale", "deployment", "traefik", "--replicas=0")
	s.doctorSays(t, "pods are ready, but predictions do not reach them: ", ". Asked directly, pod ", "see whether Traefik, the ingress, runs")
	s.benchtop(t, "kubectl", "-n", "kube-system", "scale", "deployment", "traefik", "--replicas=1")
	s.allIsWell(t)
}

// doctorSays waits until the doctor says all of want.
func (s *story) doctorSays(t *testing.T, want ...string) {
	t.Helper()
	if err := s.told(t, want, "doctor"); err != nil {
		t.Fatalf("benchtop doctor: %v", err)
	}
}

// told waits until a command prints all of want. How it ends does not matter: the
// doctor ends with an error when it finds one.
func (s *story) told(t *testing.T, want []string, args ...string) error {
	return drive.Eventually(t.Context(), patience, func() error {
		r, err := s.Try(t.Context(), "", args...)
		if err != nil {
			return err
		}
		return contains(r.All(), want)
	})
}

func contains(text string, want []string) error {
	for _, w := range want {
		if !strings.Contains(text, w) {
			return fmt.Errorf("%q is missing in\n%s", w, text)
		}
	}
	return nil
}

// allIsWell waits until the doctor finds nothing wrong with the deployments.
func (s *story) allIsWell(t *testing.T) {
	t.Helper()
	if err := drive.Eventually(t.Context(), patience, func() error {
		r, err := s.Try(t.Context(), "", "doctor")
		if err == nil && (r.Code != 0 || strings.Contains(r.All(), "iris pod") || !strings.Contains(r.All(), "1 of 1 ready")) {
			err = fmt.Errorf("doctor still finds something:\n%s", r.All())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
