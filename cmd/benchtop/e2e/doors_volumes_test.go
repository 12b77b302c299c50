//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

const volumesDir = drive.DataDir + "/k3s/volumes"

// kubectl runs the bundled kubectl, which must succeed.
func (s *story) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return s.benchtop(t, append([]string{"kubectl"}, args...)...)
}

// applyFile applies a manifest of testdata with the image that is always there.
func (s *story) applyFile(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	image := s.kubectl(t, "get", "deploy", "-n", "iris", "iris", "-o", "jsonpath={..image}")
	r, err := s.Try(t.Context(), strings.ReplaceAll(string(b), "IMAGE", image), "kubectl", "apply", "-f", "-")
	if err != nil || r.Code != 0 {
		t.Fatalf("apply %s: %v\n%s", name, err, r.All())
	}
}

// anyUsersVolumes has pods of several users write to volumes, and removes them.
func (s *story) anyUsersVolumes(t *testing.T) {
	s.applyFile(t, "volumes.yaml")
	t.Cleanup(func() { _, _ = s.Run(t.Context(), "kubectl", "delete", "sc", "doors-keep", "--ignore-not-found") })
	for _, pod := range []string{"no-group", "group"} {
		s.kubectl(t, "wait", "-n", "doors-volumes", "pod/"+pod, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=180s")
	}
	s.kubectl(t, "rollout", "status", "-n", "doors-volumes", "sts/db", "--timeout=180s")
	if got := s.sh(t, "cd "+volumesDir+" && cat *_data-db-1/name *_shared/one *_shared/two *_shared/deep/er/file *_kept/file"); got != "db-1\none\ntwo\ns\nk" {
		t.Errorf("the volumes hold %q", got)
	}

	s.applyFile(t, "refused-volumes.yaml")
	err := drive.Eventually(t.Context(), patience, func() error {
		events := s.kubectl(t, "get", "events", "-n", "doors-volumes", "--field-selector=reason=ProvisioningFailed", "-o", "jsonpath={.items[*].message}")
		for _, want := range []string{"does not support block volume provisioning", "can't be made from a snapshot or another volume"} {
			if !strings.Contains(events, want) {
				return fmt.Errorf("no event says %q: %s", want, events)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}

	// A volume that is deleted before its claim goes too, and one that shall
	// be kept stays.
	kept := s.kubectl(t, "get", "pvc", "-n", "doors-volumes", "kept", "-o", "jsonpath={.spec.volumeName}")
	s.kubectl(t, "delete", "pv", "--wait=false", s.kubectl(t, "get", "pvc", "-n", "doors-volumes", "data-db-0", "-o", "jsonpath={.spec.volumeName}"))
	s.kubectl(t, "delete", "ns", "doors-volumes", "--wait=false")
	err = drive.Eventually(t.Context(), patience, func() error {
		if left := s.sh(t, "cd "+volumesDir+" && printf '%s\\n' *_doors-volumes_*"); !strings.HasSuffix(left, "_doors-volumes_kept") || strings.Contains(left, "\n") {
			return fmt.Errorf("there are %s, want only the one to keep", left)
		}
		if left := s.kubectl(t, "get", "pv", "-o", "jsonpath={.items[?(@.spec.claimRef.namespace=='doors-volumes')].metadata.name}"); left != kept {
			return errors.New("volumes are left: " + left)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	s.kubectl(t, "delete", "pv", kept)
	s.sh(t, "rm -r "+volumesDir+"/*_doors-volumes_kept")
}
