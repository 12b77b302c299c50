package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	godigest "github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

var imageRecipe = &Recipe{
	Name: "example", Kind: kindImage, Title: "Example", Version: "1.2.3", Licenses: "MIT", Source: "https://example.org",
	Entrypoint: []string{"/tool"}, User: "65532:65532", Env: []string{"HOME=/tmp"}, WorkingDir: "/tmp",
}

var imageKey = strings.Repeat("0123456789abcdef", 4)

func writeExample(t *testing.T) (Meta, map[string][]byte) {
	t.Helper()
	dir := t.TempDir()
	stage := stageFiles(t, layerFiles, sortedKeys(layerFiles))
	meta, err := writeImage(dir, imageRecipe, imageKey, "amd64", stage, nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "example.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files left beside the image, expected none", len(left)-1)
	}
	return meta, untarAll(t, data)
}

func untarAll(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	tr := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
}

func TestImageLayout(t *testing.T) {
	meta, files := writeExample(t)
	for name, data := range files {
		if sum, ok := strings.CutPrefix(name, "blobs/sha256/"); ok && sum != "" && godigest.FromBytes(data).Encoded() != sum {
			t.Errorf("blob %s has the digest %s", name, godigest.FromBytes(data))
		}
	}
	var idx v1.Index
	decode(t, files["index.json"], &idx)
	top := idx.Manifests[0]
	want := "benchtop.local/example:1.2.3-0123456789ab"
	for _, key := range []string{"org.opencontainers.image.ref.name", "io.containerd.image.name"} {
		if top.Annotations[key] != want {
			t.Errorf("annotation %s is %q, expected %q", key, top.Annotations[key], want)
		}
	}
	if top.Digest.String() != meta.Digest {
		t.Errorf("the index names manifest %s, the build said %s", top.Digest, meta.Digest)
	}
	var man v1.Manifest
	decode(t, files[blobPath(top.Digest)], &man)
	var config v1.Image
	decode(t, files[blobPath(man.Config.Digest)], &config)
	if config.Config.User != "65532:65532" || config.Config.Entrypoint[0] != "/tool" || config.Config.WorkingDir != "/tmp" ||
		config.Config.Labels["org.opencontainers.image.version"] != "1.2.3" || config.Architecture != "amd64" {
		t.Errorf("config is %+v", config)
	}
	layer := files[blobPath(man.Layers[0].Digest)]
	if int64(len(layer)) != man.Layers[0].Size || godigest.FromBytes(decompress(t, layer)) != config.RootFS.DiffIDs[0] {
		t.Error("the layer does not match its descriptor or the config's diff id")
	}
}

// TestImageBytes pins the bytes that a known stage becomes. When it fails because the builder, or the compressor in
// go.mod, changed on purpose: raise formatVersion in key.go, so that caches are not mistaken, and write the new digest.
func TestImageBytes(t *testing.T) {
	const want = "sha256:f6717daa23c9f5952e35def0a29984e7718f6d94f1e84973833d23a39e0701ed"
	if meta, _ := writeExample(t); meta.Digest != want {
		t.Errorf("image digest is %s, expected %s", meta.Digest, want)
	}
}

func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("decode %q: %v", data, err)
	}
}
