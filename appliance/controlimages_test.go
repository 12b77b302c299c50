package appliance

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// endless is an archive that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// What refuses an archive says so while it is still being sent.
func TestImagesWhileStarting(t *testing.T) {
	_, c := serveControl(t, http.NotFoundHandler())
	const want = "Kubernetes is still starting: try again in a few seconds"
	_, err := c.Images(t.Context())
	expectCode(t, err, mlops.Unavailable, want)
	_, err = c.RemoveImage(t.Context(), "a:1", true)
	expectCode(t, err, mlops.Unavailable, want)
	for range 20 {
		_, err = c.LoadImages(t.Context(), endless{}, "")
		expectCode(t, err, mlops.Unavailable, want)
	}
}

func TestFailedArchivesAreReported(t *testing.T) {
	a, c := serveControl(t, http.NotFoundHandler())
	file := filepath.Join(a.paths.Images(), "app.tar")
	for name, content := range map[string]string{file: "", file + ".error": "it is empty\n", filepath.Join(a.paths.Images(), "gone.tar.error"): "it was taken away"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Status(t.Context())
	if want := "image archive " + file + " was not loaded: it is empty"; err != nil || len(s.Warnings) != 1 || s.Warnings[0] != want {
		t.Errorf("warnings %q, %v", s.Warnings, err)
	}
	findings, err := Diagnose(t.Context(), Config{DataDir: a.paths.Data})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Check == "images" && strings.Contains(f.Detail, file) && f.Fix != "" {
			return
		}
	}
	t.Errorf("doctor says %+v", findings)
}
