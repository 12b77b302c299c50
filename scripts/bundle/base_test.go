package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/benchtop-lab/benchtop/embedded/images"
)

// imageRecipes writes recipes of images that need no tool; each value is what a recipe has besides the usual fields.
func imageRecipes(t *testing.T, with map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, fields := range with {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		overwrite(t, filepath.Join(dir, name, "recipe.json"), `{"kind": "image", "title": "Example", "version": "1.0", "licenses": "MIT", "source": "https://example.org",
			"entrypoint": ["/tool"], "user": "1:1", `+fields+`}`)
	}
	return dir
}

const (
	lower = `"steps": [{"files": {"text": {"usr/bin/tool": ["tool"], "etc/passwd": ["root"]}}}]`
	upper = `"base": "lower", "env": ["A=b"], "steps": [{"files": {"text": {"etc/passwd": ["root", "lab"], "usr/bin/more": ["more"]}}}]`
)

func TestBase(t *testing.T) {
	b := testBuilder(t)
	recipes, err := loadRecipes(imageRecipes(t, map[string]string{"lower": lower, "upper": upper}))
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if err := b.buildBundle(recipes, out, nil); err != nil {
		t.Fatal(err)
	}
	idx, err := readIndex(out)
	if err != nil {
		t.Fatal(err)
	}
	if idx.Images[1].Base != "lower" || idx.Images[0].Base != "" {
		t.Errorf("the index says %+v, expected that upper has the base lower", idx.Images)
	}
	below, err := readLayers(filepath.Join(out, images.ImageDir, "lower.tar"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(out, images.ImageDir, "upper.tar")
	layers, err := readLayers(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(below) != 1 || len(layers) != 2 || layers[0] != below[0] || layers[1] == below[0] {
		t.Errorf("layers are %+v on %+v", layers, below)
	}
	if err := readBlob(file, blobPath(layers[0].Digest), nil); err == nil || !strings.Contains(err.Error(), "has no blobs/sha256/") {
		t.Errorf("the layer of the base is in the archive: %v", err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := untarAll(t, data)
	own := untarAll(t, decompress(t, files[blobPath(layers[1].Digest)]))
	if len(own) != 5 || string(own["etc/passwd"]) != "root\nlab\n" || own["usr/bin/more"] == nil {
		t.Errorf("the own layer holds %q, expected its own two files", sortedKeys(own))
	}
	var config v1.Image
	for name, blob := range files {
		if strings.Contains(string(blob), `"diff_ids"`) {
			decode(t, files[name], &config)
		}
	}
	if len(config.History) != 2 || !slices.Contains(config.Config.Env, "A=b") {
		t.Errorf("config is %+v", config)
	}
}

func TestBaseIsPartOfTheKey(t *testing.T) {
	b := testBuilder(t)
	key := func(lower string) string {
		recipes, err := loadRecipes(imageRecipes(t, map[string]string{"lower": lower, "upper": upper}))
		if err != nil {
			t.Fatal(err)
		}
		return keyOf(t, b, recipes[1])
	}
	if a, b := key(lower), key(strings.Replace(lower, "root", "other", 1)); a == b {
		t.Error("another base gives the same key")
	}
}

func TestUnpackBase(t *testing.T) {
	b := testBuilder(t)
	recipes, err := loadRecipes(imageRecipes(t, map[string]string{"lower": lower, "upper": upper}))
	if err != nil {
		t.Fatal(err)
	}
	stage := filepath.Join(t.TempDir(), "stage")
	for range 2 {
		root, err := b.unpackBase(recipes[1], stage)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(filepath.Join(root, "usr/bin/tool")); err != nil || string(data) != "tool\n" {
			t.Errorf("the base's tool holds %q (%v)", data, err)
		}
	}
}

func TestBaseErrors(t *testing.T) {
	for what, with := range map[string]map[string]string{
		"nothing":       {"upper": upper},
		"itself a base": {"lower": `"base": "third", ` + lower, "third": lower, "upper": upper},
	} {
		if _, err := loadRecipes(imageRecipes(t, with)); err == nil || !strings.Contains(err.Error(), "expected the name of an image that has no base itself") {
			t.Errorf("a base that is %s: error %v", what, err)
		}
	}
	dir := imageRecipes(t, map[string]string{"lower": lower})
	overwrite(t, filepath.Join(dir, "lower", "recipe.json"), `{"kind": "bin", "title": "Example", "version": "1.0", "licenses": "MIT", "source": "https://example.org", "base": "x", `+lower+`}`)
	if _, err := loadRecipes(dir); err == nil || !strings.Contains(err.Error(), "only images have one") {
		t.Errorf("a program with a base: error %v", err)
	}
}
