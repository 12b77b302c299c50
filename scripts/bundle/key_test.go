package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// recipeDir writes a recipe that needs no tool, with the files given beside it.
func recipeDir(t *testing.T, files map[string]string) *Recipe {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "example")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"recipe.json": `{"kind": "bin", "title": "Example", "version": "1.0", "licenses": "MIT", "source": "https://example.org",
		"steps": [{"files": {"text": {"tool": ["#!/bin/sh", "echo tool"]}}}], "links": {"tool": ["alias"]}}`}
	for name, content := range files {
		all[name] = content
	}
	for name, content := range all {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := loadRecipe(filepath.Join(dir, "recipe.json"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func testBuilder(t *testing.T) *Builder {
	t.Helper()
	b := newBuilder(t.TempDir(), t.TempDir(), io.Discard)
	b.Arch = "amd64"
	return b
}

func keyOf(t *testing.T, b *Builder, r *Recipe) string {
	t.Helper()
	key, err := b.key(r)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKeyFollowsTheRecipe(t *testing.T) {
	b := testBuilder(t)
	base := map[string]string{"go.sum": "one", "requirements.arm64.lock": "x"}
	key := keyOf(t, b, recipeDir(t, base))
	if again := keyOf(t, b, recipeDir(t, base)); again != key {
		t.Errorf("the same recipe in another place has another key")
	}
	for what, files := range map[string]map[string]string{
		"a file's content":  {"go.sum": "two", "requirements.arm64.lock": "x"},
		"a file's name":     {"go.sam": "one", "requirements.arm64.lock": "x"},
		"a new file":        {"go.sum": "one", "requirements.arm64.lock": "x", "main.go": ""},
		"a lock for amd64":  {"go.sum": "one", "requirements.arm64.lock": "x", "requirements.amd64.lock": "x"},
		"the recipe itself": {"go.sum": "one", "requirements.arm64.lock": "x", "recipe.json": `{"kind": "bin", "title": "Example", "version": "1.1", "licenses": "MIT", "source": "https://example.org", "steps": [{"files": {"dirs": ["x"]}}]}`},
	} {
		if keyOf(t, b, recipeDir(t, files)) == key {
			t.Errorf("%s changed, the key did not", what)
		}
	}
	other := map[string]string{"go.sum": "one", "requirements.arm64.lock": "y"}
	if keyOf(t, b, recipeDir(t, other)) != key {
		t.Error("the lock file of another architecture changed the key")
	}
	b.Arch = "arm64"
	if keyOf(t, b, recipeDir(t, base)) == key {
		t.Error("the architecture does not change the key")
	}
}

func TestKeyFollowsTheCompiler(t *testing.T) {
	b := testBuilder(t)
	r := recipeDir(t, nil)
	r.Steps = []Step{{Go: &GoStep{Programs: map[string]string{"tool": "."}}}}
	// A tool that answers in the compiler's place.
	fake := func(version string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\necho "+version+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	}
	fake("go1.26.8")
	key := keyOf(t, b, r)
	fake("go1.26.9")
	if keyOf(t, b, r) == key {
		t.Error("another Go version has the same key")
	}
}
