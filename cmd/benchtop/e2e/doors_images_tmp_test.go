//go:build e2e

package e2e

import (
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost"
	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

func TestImagesTmp(t *testing.T) {
	s := begin(t, "images-tmp", testhost.Options{SmallDisk: testhost.SmallDisk{Path: "/var/lib", Size: 6 << 30}})
	s.sh(t, "mkdir -p /var/lib/benchtop/images")
	s.put(t, "/var/lib/benchtop/images/before.tar", dockerArchive(t, runtime.GOARCH, "before", "before:1"))
	chapter(t, "boot", func(t *testing.T) { s.start(t, bootTimeout) })
	chapter(t, "before", func(t *testing.T) {
		t.Log(s.sh(t, "sleep 2; ls /var/lib/benchtop/images; cat /var/lib/benchtop/images/*.loaded; rm /var/lib/benchtop/images/*.tar"))
		t.Log(s.benchtop(t, "images"))
		s.benchtop(t, "images", "remove", "before:1")
	})
	chapter(t, "load", s.imagesLoad)
	chapter(t, "remove", s.imagesRemove)
	chapter(t, "folder", s.imagesFolder)
	chapter(t, "missing", s.imagesMissing)
	chapter(t, "killed", func(t *testing.T) {
		before := s.stored(t)
		b := dockerArchive(t, runtime.GOARCH, "slow", "slow:1")
		s.load(t, dockerArchive(t, runtime.GOARCH, "keep", "keep:1"))
		cmd := s.Host.Command(t.Context(), drive.Program, "images", "load", "-")
		r, w := io.Pipe()
		cmd.Stdin = r
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Write(b[:len(b)*3/4])
		time.Sleep(time.Second)
		during := s.stored(t)
		s.Signal(t.Context(), syscall.SIGKILL)
		time.Sleep(time.Second)
		w.Close()
		t.Log(cmd.Wait())
		s.start(t, bootTimeout)
		s.benchtop(t, "images", "remove", "keep:1")
		time.Sleep(2 * time.Second)
		after := s.stored(t)
		t.Logf("before %d during %d after %d", len(before), len(during), len(after))
		if after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
	})
	chapter(t, "big", func(t *testing.T) {
		t.Log(s.sh(t, `cd /var/lib; mkdir -p big/l; dd if=/dev/urandom of=big/l/blob bs=1M count=400 2>/dev/null; cd big/l && tar cf ../layer.tar blob; cd ..; d=$(sha256sum layer.tar | cut -d' ' -f1); printf '{"architecture":"%s","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' $1 $d > c.json
			printf '[{"Config":"c.json","RepoTags":["big:1"],"Layers":["layer.tar"]}]' > manifest.json; tar cf /var/lib/big.tar c.json manifest.json layer.tar; rm -r /var/lib/big`, runtime.GOARCH))
		for range 2 {
			started := time.Now()
			t.Log(s.benchtop(t, "images", "load", "/var/lib/big.tar"), time.Since(started))
		}
		s.benchtop(t, "images", "remove", "big:1")
		s.sh(t, "rm /var/lib/big.tar")
	})
	chapter(t, "full", s.diskFull)
}
