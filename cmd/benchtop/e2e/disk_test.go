//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

func (s *story) diskFull(t *testing.T) {
	if out := s.benchtop(t, "status"); strings.Contains(out, "disk") {
		t.Errorf("the disk is reported before it is full:\n%s", out)
	}
	traffic := s.StartTraffic(s.said.Try, 2, 50*time.Millisecond)
	// The file system's last byte: a large file, then small ones until none fits.
	s.sh(t, `avail=$(df --output=avail -B1 /var/lib | tail -n 1); fallocate -l $((avail - 8*1024*1024)) /var/lib/ballast
		dd if=/dev/zero of=/var/lib/ballast2 bs=64k 2>/dev/null || true; df /var/lib`)
	if err := drive.Eventually(t.Context(), patience, func() error {
		if out := s.benchtop(t, "status"); !strings.Contains(out, "disk") || !strings.Contains(out, "nearly full") {
			return fmt.Errorf("status does not say that the disk is nearly full:\n%s", out)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if r, err := s.Try(t.Context(), "", "doctor"); err != nil || !strings.Contains(r.All(), "nearly full") || !strings.Contains(r.All(), "fix:") {
		t.Errorf("doctor does not name the full disk and what to do: %v\n%s", err, r.All())
	}
	cmd := s.Host.Command(t.Context(), drive.Program, "images", "load", "-")
	cmd.Stdin = io.MultiReader(bytes.NewReader(largeBlob(t)), neverEnding{})
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "is full: the image needs more than the") {
		t.Errorf("an image that does not fit: %v: %s", err, out)
	}
	// Long enough for leases to run out, if they can't be renewed, and for Prometheus
	// to write what it does once a minute.
	time.Sleep(65 * time.Second)
	if !s.up.Running() {
		t.Fatalf("the appliance ended on a full disk:\n%s", s.up.Output())
	}
	s.sh(t, "rm /var/lib/ballast /var/lib/ballast2")
	if _, err := s.WaitState(t.Context(), patience, "ready"); err != nil {
		t.Errorf("with space again: %v", err)
	}
	undisturbed(t, traffic)
	s.benchtop(t, "train", "--wait")
}

// largeBlob is the beginning of an archive whose first layer has 64 GiB.
func largeBlob(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := tar.NewWriter(&out).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "layer.tar", Size: 64 << 30}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// neverEnding is the rest.
type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }
