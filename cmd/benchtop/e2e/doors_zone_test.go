//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// The API server refuses zones that it does not know, and the controller does
// not fire in them. Both run in the lab's process; the machine has no zones.
func (s *story) zonedSchedule(t *testing.T) {
	if out := s.sh(t, "ls /usr/share/zoneinfo 2>/dev/null || true"); out != "" {
		t.Fatalf("the machine has zones, which proves nothing: %s", out)
	}
	image := s.benchtop(t, "kubectl", "get", "deploy", "-n", "iris", "iris", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	manifest := ""
	for name, zone := range map[string]string{"berlin": "Europe/Berlin", "utc": "Etc/UTC"} {
		manifest += fmt.Sprintf(`
apiVersion: batch/v1
kind: CronJob
metadata: {name: %s, namespace: default}
spec:
  schedule: "* * * * *"
  timeZone: %s
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: main, image: %q, imagePullPolicy: Never, command: ["python3", "-c", ""]}]
---`, name, zone, image)
	}
	if err := s.WriteFile(t.Context(), "/srv/zones.yaml", manifest); err != nil {
		t.Fatal(err)
	}
	s.benchtop(t, "kubectl", "apply", "-f", "/srv/zones.yaml")
	s.sh(t, "sed s,Etc/UTC,Middle/Earth, /srv/zones.yaml > /srv/nowhere.yaml")
	s.refuses(t, []string{"unknown time zone Middle/Earth"}, "kubectl", "apply", "--dry-run=server", "-f", "/srv/nowhere.yaml")
}

func (s *story) zonedScheduleFired(t *testing.T) {
	var crons struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct{ LastSuccessfulTime string }
		}
	}
	if err := drive.Eventually(t.Context(), patience, func() error {
		if err := json.Unmarshal([]byte(s.benchtop(t, "kubectl", "get", "cronjobs", "-n", "default", "-o", "json")), &crons); err != nil {
			return err
		}
		for _, c := range crons.Items {
			if c.Status.LastSuccessfulTime == "" {
				return fmt.Errorf("no job of the schedule %s has run", c.Metadata.Name)
			}
		}
		if len(crons.Items) != 2 {
			return fmt.Errorf("there are %d schedules, want 2", len(crons.Items))
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	s.benchtop(t, "kubectl", "delete", "-f", "/srv/zones.yaml")
}
