package k3s

import (
	"context"
	"path/filepath"
	"testing"
	"time"
)

// noContainerd is where nothing listens.
func noContainerd(t *testing.T) string { return filepath.Join(t.TempDir(), "containerd.sock") }

func TestNoStartWaitsForImagesOnDemand(t *testing.T) {
	i := newImporter(noContainerd(t), "native", fakeBundle(t, "pause", "gpu", "lab-shell", "other"), []string{"other"}, []string{"gpu"}, []string{"lab-shell"}, t.Logf)
	close(i.done["pause"])
	if err := i.wait(context.Background()); err != nil {
		t.Errorf("with all that a start waits for there: %v", err)
	}
	if len(i.images) != 2 || len(i.onDemand) != 1 {
		t.Errorf("a start imports %d images and %d are on demand, expected 2 and 1", len(i.images), len(i.onDemand))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	expectError(t, i.wait(ctx, "lab-shell"), "wait for image lab-shell: context deadline exceeded")
}

func TestBring(t *testing.T) {
	i := newImporter(noContainerd(t), "native", fakeBundle(t, "pause", "lab-shell"), nil, nil, []string{"lab-shell"}, t.Logf)
	expectError(t, i.bring(context.Background(), "pause"), "image pause: the bundle has none of that name that is imported on demand")
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := i.bring(ctx, "lab-shell"); err == nil {
		t.Error("an image was brought into a containerd that isn't there")
	}
	close(i.done["lab-shell"])
	if err := i.bring(context.Background(), "lab-shell"); err != nil {
		t.Errorf("an image that is there: %v", err)
	}
}
