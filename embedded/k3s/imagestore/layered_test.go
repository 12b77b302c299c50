package imagestore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

var layerText = strings.Repeat("a layer", 1000)

func testAddition() addition {
	return addition{base: "benchtop.local/lab-python:1", diff: digest.FromString(layerText), size: int64(len(layerText)), env: map[string]string{"B": "2", "A": "1", "PATH": "/opt/environment/bin"}}
}

func TestCompose(t *testing.T) {
	first := digest.FromString("first")
	config := `{"created": "2026-01-02T03:04:05Z", "architecture": "amd64", "os": "linux", "variant": "kept",
		"config": {"Env": ["LANG=C.UTF-8", "PATH=/usr/bin"], "Healthcheck": {"Test": ["NONE"]}, "User": "10001"},
		"rootfs": {"type": "layers", "diff_ids": ["` + first.String() + `"]}, "history": [{"created_by": "ADD", "odd": 1}]}`
	for name, c := range map[string]struct{ config, manifest, layer string }{
		"OCI's":    {ocispec.MediaTypeImageConfig, ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageLayer},
		"Docker's": {images.MediaTypeDockerSchema2Config, images.MediaTypeDockerSchema2Manifest, images.MediaTypeDockerSchema2Layer},
	} {
		base := ocispec.Manifest{Config: ocispec.Descriptor{MediaType: c.config}, Layers: []ocispec.Descriptor{{MediaType: c.layer + "+gzip", Digest: "sha256:1", Size: 7}}}
		got, err := compose(base, []byte(config), testAddition())
		if err != nil {
			t.Fatal(err)
		}
		if again, err := compose(base, []byte(config), testAddition()); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s: the same is another image: %v", name, err)
		}
		if len(base.Layers) != 1 {
			t.Errorf("%s: the base has changed", name)
		}
		var has map[string]any
		if err := json.Unmarshal(got.config, &has); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"created": "2026-01-02T03:04:05Z", "architecture": "amd64", "os": "linux", "variant": "kept",
			"config":  map[string]any{"Env": []any{"LANG=C.UTF-8", "A=1", "B=2", "PATH=/opt/environment/bin"}, "Healthcheck": map[string]any{"Test": []any{"NONE"}}, "User": "10001"},
			"rootfs":  map[string]any{"type": "layers", "diff_ids": []any{first.String(), testAddition().diff.String()}},
			"history": []any{map[string]any{"created_by": "ADD", "odd": float64(1)}, map[string]any{"created": "2026-01-02T03:04:05Z", "created_by": "benchtop environment on benchtop.local/lab-python:1"}}}
		if !reflect.DeepEqual(has, want) {
			t.Errorf("%s: its configuration is\n%v\nexpected\n%v", name, has, want)
		}
		var m ocispec.Manifest
		if err := json.Unmarshal(got.manifest, &m); err != nil {
			t.Fatal(err)
		}
		from := ocispec.Descriptor{MediaType: c.config, Digest: digest.FromBytes(got.config), Size: int64(len(got.config))}
		layers := []ocispec.Descriptor{base.Layers[0], {MediaType: c.layer, Digest: testAddition().diff, Size: 7000}}
		if m.SchemaVersion != 2 || m.MediaType != c.manifest || !reflect.DeepEqual(m.Config, from) || !reflect.DeepEqual(m.Layers, layers) {
			t.Errorf("%s: its manifest is %s", name, got.manifest)
		}
		if got.target.MediaType != c.manifest || got.target.Digest != digest.FromBytes(got.manifest) || got.target.Size != int64(len(got.manifest)) {
			t.Errorf("%s: it is described as %+v", name, got.target)
		}
	}
}

// A base may say next to nothing.
func TestComposeOnLittle(t *testing.T) {
	for _, config := range []string{`{}`, `{"config": null}`, `{"config": {}}`} {
		got, err := compose(ocispec.Manifest{}, []byte(config), testAddition())
		if err != nil || !strings.Contains(string(got.config), `"Env":["A=1","B=2","PATH=/opt/environment/bin"]`) || strings.Contains(string(got.config), `"created"`) {
			t.Errorf("on %s: %s, %v", config, got.config, err)
		}
	}
	for config, want := range map[string]string{"{": "read its configuration", `{"config": {"Env": "A=1"}}`: "read what its configuration runs", "null": "expected an object"} {
		if _, err := compose(ocispec.Manifest{}, []byte(config), testAddition()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("on %s: error is %v, expected %q", config, err, want)
		}
	}
}

// newBase returns a content store with one image of this machine, in an index.
func newBase(t *testing.T) (context.Context, content.Store, images.Image) {
	t.Helper()
	ctx, store := newContent(t)
	l := &layout{}
	b := l.archive(t, named(l.index(with(l.image("linux", arch(), "a"), m{"platform": m{"os": "linux", "architecture": arch()}})), "base:1"))
	index, err := archive.ImportIndex(ctx, ingester{store, "base"}, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	found, err := choose(ctx, store, index, "")
	if err != nil || len(found) != 1 {
		t.Fatalf("the base is %+v, %v", found, err)
	}
	return ctx, store, found[0]
}

func TestLayerOn(t *testing.T) {
	ctx, store, base := newBase(t)
	diff := digest.FromString(layerText)
	var targets []ocispec.Descriptor
	for _, load := range []string{"first", "second"} { // all of the second is here already
		target, err := layerOn(ctx, ingester{store, load}, base, strings.NewReader(layerText), diff, map[string]string{"BENCHTOP_ENVIRONMENT_PATH": "/opt/environment"})
		if err != nil {
			t.Fatal(err)
		}
		if err := keep(ctx, store, target); err != nil {
			t.Error(err)
		}
		if err := checkLayers(ctx, store, target); err != nil {
			t.Error(err)
		}
		targets = append(targets, target)
	}
	if !reflect.DeepEqual(targets[0], targets[1]) {
		t.Errorf("the same layer makes %+v", targets)
	}
	manifest, err := images.Manifest(ctx, store, targets[0], platforms.Default())
	if err != nil || len(manifest.Layers) != 2 || manifest.Layers[1].Digest != diff {
		t.Fatalf("its manifest is %+v, %v", manifest, err)
	}
	diffs, err := images.RootFS(ctx, store, manifest.Config)
	if err != nil || len(diffs) != 2 || diffs[1] != diff {
		t.Errorf("its layers are %v, %v", diffs, err)
	}
	// As long as the image is there, so is what it is made of.
	info, err := store.Info(ctx, targets[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	held := false
	for _, d := range info.Labels {
		held = held || d == diff.String()
	}
	if !held {
		t.Errorf("nothing keeps the layer: %v", info.Labels)
	}
}

func TestLayerThatIsWrong(t *testing.T) {
	broken := errors.New("the object store went away")
	for name, c := range map[string]struct {
		layer io.Reader
		diff  digest.Digest
		want  string
		code  mlops.Code
	}{
		"changed":   {strings.NewReader(layerText + "x"), digest.FromString(layerText), "is not " + short(digest.FromString(layerText)) + ", which it was announced as", mlops.Invalid},
		"cut off":   {strings.NewReader(layerText[1:]), digest.FromString(layerText), "changed or cut off", mlops.Invalid},
		"not there": {iotest.ErrReader(broken), digest.FromString(layerText), "write layer: the object store went away", mlops.Internal},
	} {
		ctx, store, base := newBase(t)
		_, err := layerOn(ctx, ingester{store, "a load"}, base, c.layer, c.diff, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || mlops.CodeOf(err) != c.code {
			t.Errorf("%s: error is %v, expected %q", name, err, c.want)
		}
		if _, err := store.Info(ctx, c.diff); err == nil {
			t.Errorf("%s: the layer is there", name)
		}
	}
}

// What an environment may be called is asked before containerd is.
func TestLayeredIsAskedWrong(t *testing.T) {
	s := &Store{Address: "/nowhere"}
	hex := strings.Repeat("0c", 32)
	for name, c := range map[string]struct{ image, base, diff, want string }{
		"another name":   {"myapp:1", "base:1", hex, "docker.io/library/myapp:1 is not the name of an environment: expected benchtop.local/environment:TAG"},
		"no name":        {"A B", "base:1", hex, "is not an image reference"},
		"no base":        {mlops.EnvironmentRepository + ":1", "", hex, "is not an image reference"},
		"no digest":      {mlops.EnvironmentRepository + ":1", "base:1", "latest", `"latest" is not the digest of a layer`},
		"another digest": {mlops.EnvironmentRepository + ":1", "base:1", "sha512:" + hex, "is not the digest of a layer"},
	} {
		if _, err := s.Layered(t.Context(), c.image, c.base, strings.NewReader(""), c.diff, nil); mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), c.want) {
			t.Errorf("%s: error is %v, expected %q", name, err, c.want)
		}
	}
}

// Nobody replaces or removes an environment by hand.
func TestEnvironmentsAreTheLabs(t *testing.T) {
	s := &Store{Bundled: []string{"benchtop.local/lab-python:1"}}
	for ref, want := range map[string]string{
		mlops.EnvironmentRepository + ":0123456789ab": "is an environment of pushed code",
		"benchtop.local/lab-python:1":                 "runs the lab itself",
		"benchtop.local/environments:1":               "",
		"docker.io/library/environment:1":             "",
	} {
		err := s.mayChange(ref)
		if (err == nil) != (want == "") || err != nil && (mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error is %v, expected %q", ref, err, want)
		}
	}
	if _, err := s.Removable(t.Context(), mlops.EnvironmentRepository+":0123456789ab"); mlops.CodeOf(err) != mlops.InvalidState {
		t.Errorf("it can be removed: %v", err)
	}
}
