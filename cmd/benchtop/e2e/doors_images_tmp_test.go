//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
)

func TestImagesTmp(t *testing.T) {
	s := begin(t, "images-tmp", testhost.Options{SmallDisk: testhost.SmallDisk{Path: "/var/lib", Size: 6 << 30}})
	chapter(t, "boot", func(t *testing.T) { s.start(t, bootTimeout) })
	chapter(t, "load", s.imagesLoad)
	chapter(t, "remove", s.imagesRemove)
	chapter(t, "folder", s.imagesFolder)
	chapter(t, "missing", s.imagesMissing)
	chapter(t, "big oci", func(t *testing.T) {
		dir := t.TempDir()
		big := newArchive(t)
		layer := newArchive(t)
		layer.file("blob", bytes.Repeat([]byte("0123456789abcdef"), 400<<16))
		b := layer.bytes()
		config := encode(t, m{"architecture": runtime.GOARCH, "os": "linux", "rootfs": m{"type": "layers", "diff_ids": []string{"sha256:" + sha(b)}}})
		big.file("c.json", config)
		big.file("l.tar", b)
		big.json("manifest.json", []m{{"Config": "c.json", "RepoTags": []string{"big:1"}, "Layers": []string{"l.tar"}}})
		os.WriteFile(filepath.Join(dir, "docker.tar"), big.bytes(), 0o600)
		if out, err := exec.Command("skopeo", "--insecure-policy", "copy", "docker-archive:"+dir+"/docker.tar:big:1", "oci-archive:"+dir+"/oci.tar:big:1", "--dest-compress-level=1").CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
		b, _ = os.ReadFile(dir + "/docker.tar")
		s.put(t, "/root/archive", b)
		for range 2 {
			started := time.Now()
			t.Log(s.benchtop(t, "images", "load", "/root/archive"), time.Since(started))
		}
		s.benchtop(t, "images", "remove", "big:1")
	})
	chapter(t, "full", s.diskFull)
}
