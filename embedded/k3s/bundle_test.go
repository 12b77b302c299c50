package k3s

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/embedded/images"
)

// bundled are the images that a released binary carries.
var bundled = []string{"pause", "coredns", "traefik", "lab-python"}

// fakeBundle opens an executable that carries images of that name.
func fakeBundle(t *testing.T, names ...string) *images.Bundle {
	t.Helper()
	idx := images.Index{Arch: runtime.GOARCH}
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	add := func(name, content string) {
		w, err := zw.Create(name)
		if err == nil {
			_, err = io.WriteString(w, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		idx.Images = append(idx.Images, images.Image{Name: name, Ref: "benchtop.local/" + name + ":1-0123456789ab", Size: 3})
		add(images.ImageDir+name+".tar", "tar")
	}
	b, err := json.Marshal(idx)
	if err != nil {
		t.Fatal(err)
	}
	add(images.IndexFile, string(b))
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "benchtop")
	if err := os.WriteFile(file, buf.Bytes(), 0o700); err != nil {
		t.Fatal(err)
	}
	bundle, err := images.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bundle.Close() })
	return bundle
}

func testConfig(t *testing.T) Config {
	t.Helper()
	return Config{
		Dir: filepath.Join(t.TempDir(), "k3s"), BinDir: "/opt/bin", RunDir: filepath.Join(t.TempDir(), "run"),
		NodeName: "node-a", NodeAddress: net.IPv4(10, 44, 0, 1), ResolvConf: "/run/lab/resolv.conf", Bundle: fakeBundle(t, bundled...),
	}
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, expected %q in it", err, want)
	}
}
