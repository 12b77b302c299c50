package k3s

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/k3s-io/k3s/pkg/agent/util"
)

// Who reads a file while K3s writes it anew sees the old one or the new one
// (scripts/patch): containerd reads the configuration of the pods' network so.
func TestFilesAreReplacedWhole(t *testing.T) {
	name := filepath.Join(t.TempDir(), "net.d", "10-flannel.conflist")
	if err := util.WriteFile(name, "{\"name\": \"old\"}"); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := util.WriteFile(name, "{}"); err != nil {
		t.Fatal(err)
	}
	old, err := io.ReadAll(reader)
	if err != nil || string(old) != "{\"name\": \"old\"}" {
		t.Errorf("who had opened the old file reads %q, %v", old, err)
	}
	now, err := os.ReadFile(name)
	if err != nil || string(now) != "{}" {
		t.Errorf("the file has %q, %v", now, err)
	}
	// A folder that is not empty can't be replaced.
	if err := util.WriteFile(filepath.Dir(name), "{}"); err == nil {
		t.Error("a file has taken the place of a folder")
	}
	if left, err := os.ReadDir(filepath.Dir(filepath.Dir(name))); err != nil || len(left) != 1 {
		t.Errorf("beside the folder %d files are left, %v", len(left), err)
	}
	if left, err := os.ReadDir(filepath.Dir(name)); err != nil || len(left) != 1 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}
