package minio

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	miniogo "github.com/minio/minio-go/v7"
)

// smallDisk mounts a filesystem of the given size, in megabytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("benchtop-test", dir, "tmpfs", 0, "size="+size+"m"); err != nil {
		t.Fatalf("mount a small tmpfs (the tests need root, or a user namespace: unshare -rm): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "48")
	c := start(t, testConfig(dir))
	s3 := s3Client(t, c.Addr, "registry-key", "registry-secret")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	put := func(key string, n int) error {
		_, err := s3.PutObject(ctx, "mlflow", key, bytes.NewReader(content(n)), int64(n), miniogo.PutObjectOptions{DisableMultipart: true})
		return err
	}
	if err := put("before", 1<<20); err != nil {
		t.Fatal(err)
	}
	// Somebody else fills the disk to the last byte.
	filler := dir + "/filler"
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := f.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{100, 200 << 10, 8 << 20} {
		err := put("while full", n)
		if code := miniogo.ToErrorResponse(err).Code; code != "XMinioStorageFull" {
			t.Errorf("put of %d bytes on a full disk: %q %v, want XMinioStorageFull", n, code, err)
		}
	}
	obj, err := s3.GetObject(ctx, "mlflow", "before", miniogo.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(obj); err != nil || !bytes.Equal(b, content(1<<20)) {
		t.Errorf("read on a full disk: %d bytes, %v", len(b), err)
	}

	// It starts on a full disk, too, and goes on when there is room again.
	c.order("stop")
	if got := c.expect("RETURNED"); got != "<nil>" {
		t.Errorf("stop on a full disk: %s", got)
	}
	again := spawn(t, testConfig(dir))
	f2 := strings.Fields(again.expect("READY"))
	s3 = s3Client(t, f2[0], "registry-key", "registry-secret")
	if _, err := s3.StatObject(ctx, "mlflow", "before", miniogo.StatObjectOptions{}); err != nil {
		t.Errorf("after a start on a full disk: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := put("after", 1<<20)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("30 s after room was made: %v", err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
