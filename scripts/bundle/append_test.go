package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/embedded/images"
)

// exampleBundle builds a bundle of one program and one image and returns its directory.
func exampleBundle(t *testing.T) string {
	t.Helper()
	b := newBuilder(t.TempDir(), t.TempDir(), io.Discard)
	b.Arch = runtime.GOARCH
	bin, img := recipeDir(t, nil), recipeDir(t, map[string]string{"recipe.json": `{"kind": "image", "title": "Example", "version": "2.0", "licenses": "MIT",
		"source": "https://example.org", "steps": [{"files": {"text": {"hello": ["hello"]}}}], "entrypoint": ["/hello"], "user": "1:1"}`})
	img.Name = "hello"
	out := t.TempDir()
	if err := b.buildBundle([]*Recipe{bin, img}, out, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAppendAndReadBack(t *testing.T) {
	dir := exampleBundle(t)
	core, out := filepath.Join(t.TempDir(), "core"), filepath.Join(t.TempDir(), "benchtop")
	program := bytes.Repeat([]byte("\x7fELF PK\x03\x04 "), 10_000)
	if err := os.WriteFile(core, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := appendBundle(core, dir, out, nil); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(out)
	if err != nil || !bytes.HasPrefix(whole, program) {
		t.Fatalf("the result does not begin with the program (%v)", err)
	}
	if st, err := os.Stat(out); err != nil || st.Mode() != 0o755 {
		t.Errorf("mode is %v (%v), expected 0755", st.Mode(), err)
	}
	b, err := images.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r, err := b.OpenImage("hello")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(dir, "images/hello.tar"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the image read back differs from the one built (%v)", err)
	}
	if ref := b.Ref("hello"); !strings.HasPrefix(ref, "benchtop.local/hello:2.0-") || len(ref) != len("benchtop.local/hello:2.0-")+12 {
		t.Errorf("reference is %q", ref)
	}
	bins := t.TempDir()
	if err := b.InstallBins(bins); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(bins, "alias")); err != nil || string(data) != "#!/bin/sh\necho tool\n" {
		t.Errorf("the installed program, by its other name, is %q (%v)", data, err)
	}
	// The same again makes the same file.
	again := filepath.Join(t.TempDir(), "benchtop")
	if err := appendBundle(core, dir, again, nil); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(again); err != nil || !bytes.Equal(data, whole) {
		t.Errorf("appending twice made two different files (%v)", err)
	}

	var report bytes.Buffer
	if err := reportSize(&report, out, true); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"program", "images/hello", "bin/tool", "total", "545.0 MB", "325.0 MB"} {
		if !strings.Contains(report.String(), want) {
			t.Errorf("the size report lacks %q:\n%s", want, report.String())
		}
	}
}

func TestAppendErrors(t *testing.T) {
	dir := exampleBundle(t)
	tmp := t.TempDir()
	core, out := filepath.Join(tmp, "core"), filepath.Join(tmp, "benchtop")
	overwrite(t, core, "program")
	if err := appendBundle(core, dir, out, nil); err != nil {
		t.Fatal(err)
	}
	if err := appendBundle(out, dir, filepath.Join(tmp, "twice"), nil); err == nil || !strings.Contains(err.Error(), "already carries a bundle") {
		t.Errorf("appending to a finished binary: error %v", err)
	}
	if err := appendBundle(core, t.TempDir(), out, nil); err == nil || !strings.Contains(err.Error(), "bundle build") {
		t.Errorf("without a bundle: error %v", err)
	}
	recipes := []*Recipe{{Name: "hello"}, {Name: "example"}, {Name: "lab-python"}}
	if err := appendBundle(core, dir, out, recipes); err == nil || !strings.Contains(err.Error(), "lacks lab-python; run") {
		t.Errorf("a bundle without one of the components: error %v", err)
	}
	overwrite(t, filepath.Join(dir, "bin/tool"), "changed since")
	if err := appendBundle(core, dir, filepath.Join(tmp, "third"), nil); err == nil || !strings.Contains(err.Error(), "bin/tool differs from the index") {
		t.Errorf("a changed program: error %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "*.new")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := images.Open(core); !errors.Is(err, images.ErrNoBundle) {
		t.Errorf("opening a bare program: error %v", err)
	}
}

func TestBuildRemovesLeftovers(t *testing.T) {
	out := exampleBundle(t)
	old := filepath.Join(out, "images/old.tar")
	overwrite(t, old, "x")
	b := newBuilder(t.TempDir(), t.TempDir(), io.Discard)
	if err := b.buildBundle([]*Recipe{recipeDir(t, nil)}, out, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("an image that no recipe makes is still there (%v)", err)
	}
	if _, err := os.Stat(filepath.Join(out, "images/hello.tar")); !os.IsNotExist(err) {
		t.Errorf("so is the image whose recipe is gone (%v)", err)
	}
	if err := b.buildBundle([]*Recipe{recipeDir(t, nil)}, out, []string{"traefic"}); err == nil || !strings.Contains(err.Error(), `"traefic"; there are: example`) {
		t.Errorf("-only with an unknown name: error %v", err)
	}
}

func TestBuildOnly(t *testing.T) {
	b := newBuilder(t.TempDir(), t.TempDir(), io.Discard)
	one, two := recipeDir(t, nil), recipeDir(t, nil)
	one.Name, two.Name = "one", "two"
	two.Steps = []Step{{Files: &FilesStep{Text: map[string][]string{"other": {"other"}}}}}
	two.Links = nil
	out := t.TempDir()
	if err := b.buildBundle([]*Recipe{one, two}, out, nil); err != nil {
		t.Fatal(err)
	}
	before, err := readIndex(out)
	if err != nil {
		t.Fatal(err)
	}
	// The recipe of two changes, but only one is asked for: two stays as it was.
	overwrite(t, filepath.Join(two.Dir, "go.sum"), "changed")
	var log bytes.Buffer
	b.Log, b.Fresh = &log, true
	if err := b.buildBundle([]*Recipe{one, two}, out, []string{"one"}); err != nil {
		t.Fatal(err)
	}
	after, err := readIndex(out)
	if err != nil || !reflect.DeepEqual(before, after) {
		t.Errorf("the index is %+v (%v), expected %+v", after, err, before)
	}
	if strings.Contains(log.String(), "two") || !strings.Contains(log.String(), "building one") {
		t.Errorf("built: %s", log.String())
	}
	if _, err := os.Stat(filepath.Join(out, "bin/other")); err != nil {
		t.Errorf("the other component's program is gone: %v", err)
	}
}
