//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

type m map[string]any

// archive is an image archive in the making.
type archive struct {
	t    *testing.T
	buf  bytes.Buffer
	tw   *tar.Writer
	have map[string]bool
}

func newArchive(t *testing.T) *archive {
	a := &archive{t: t, have: map[string]bool{}}
	a.tw = tar.NewWriter(&a.buf)
	return a
}

func (a *archive) file(name string, content []byte) {
	a.t.Helper()
	if a.have[name] {
		return
	}
	a.have[name] = true
	if err := a.tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
		a.t.Fatal(err)
	}
	if _, err := a.tw.Write(content); err != nil {
		a.t.Fatal(err)
	}
}

func (a *archive) json(name string, v any) {
	a.t.Helper()
	a.file(name, encode(a.t, v))
}

// blob adds content by its digest and describes it.
func (a *archive) blob(mediaType string, content []byte) m {
	a.t.Helper()
	a.file("blobs/sha256/"+sha(content), content)
	return m{"mediaType": mediaType, "digest": "sha256:" + sha(content), "size": len(content)}
}

func (a *archive) bytes() []byte {
	a.t.Helper()
	if err := a.tw.Close(); err != nil {
		a.t.Fatal(err)
	}
	return a.buf.Bytes()
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// helloProgram builds the program of the images.
var helloProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "hello")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "hello"), "./testdata/hello")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the images' program: %w: %s", err, out)
	}
	return os.ReadFile(filepath.Join(dir, "hello"))
})

// hello returns the layer and the configuration of an image that says what.
func hello(t *testing.T, arch, what string) (layer []byte, config m) {
	t.Helper()
	b, err := helloProgram()
	if err != nil {
		t.Fatal(err)
	}
	l := newArchive(t)
	l.file("hello", b)
	l.file("what", []byte(what)) // no two images share the layer
	layer = l.bytes()
	return layer, m{"architecture": arch, "os": "linux", "rootfs": m{"type": "layers", "diff_ids": []string{"sha256:" + sha(layer)}},
		"config": m{"Entrypoint": []string{"/hello"}, "Env": []string{"HELLO=" + what}}}
}

// dockerArchive is what `docker save` wrote until Docker 25: names in
// manifest.json, layers as they are.
func dockerArchive(t *testing.T, arch, what string, names ...string) []byte {
	t.Helper()
	layer, config := hello(t, arch, what)
	return dockerArchiveOf(t, layer, config, names...)
}

func dockerArchiveOf(t *testing.T, layer []byte, config m, names ...string) []byte {
	t.Helper()
	a := newArchive(t)
	c := encode(t, config)
	a.file(sha(c)+".json", c)
	a.file("0123/layer.tar", layer)
	a.json("manifest.json", []m{{"Config": sha(c) + ".json", "RepoTags": names, "Layers": []string{"0123/layer.tar"}}})
	return a.bytes()
}

// ociArchive is what `docker buildx build -o type=oci` writes: an image index
// with the platforms, and a name if there is one.
func ociArchive(t *testing.T, what, name string, arches ...string) []byte {
	t.Helper()
	a := newArchive(t)
	a.json("oci-layout", m{"imageLayoutVersion": "1.0.0"})
	var manifests []m
	for _, arch := range arches {
		layer, config := hello(t, arch, what)
		manifest := a.blob("application/vnd.oci.image.manifest.v1+json", encode(t, m{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
			"config": a.blob("application/vnd.oci.image.config.v1+json", encode(t, config)),
			"layers": []m{a.blob("application/vnd.oci.image.layer.v1.tar+gzip", gzipped(t, layer))}}))
		manifest["platform"] = m{"architecture": arch, "os": "linux"}
		manifests = append(manifests, manifest)
	}
	index := a.blob("application/vnd.oci.image.index.v1+json", encode(t, m{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}))
	if name != "" {
		index["annotations"] = m{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "1"}
	}
	a.json("index.json", m{"schemaVersion": 2, "manifests": []m{index}})
	return a.bytes()
}

// otherArch is a platform that this machine is not.
func otherArch() string {
	if runtime.GOARCH == "arm64" {
		return "amd64"
	}
	return "arm64"
}
