package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFilesStep(t *testing.T) {
	b, r := testBuilder(t), recipeDir(t, map[string]string{"run.sh": "#!/bin/sh\n"})
	stage := stageFiles(t, map[string]string{"usr/lib/x86_64-linux-gnu/libx.so": "x", "usr/sbin/a": "a", "usr/sbin/b": "b", "doc/x/readme": "x"},
		[]string{"usr/lib/x86_64-linux-gnu/libx.so", "usr/sbin/a", "usr/sbin/b", "doc/x/readme"})
	step := &FilesStep{
		Drop: []string{"**/readme"}, Dirs: []string{"tmp"}, Text: map[string][]string{"etc/passwd": {"root", "lab"}},
		Links: map[string]string{"bin": "usr/bin"}, Copy: map[string]string{"run.sh": "run.sh"},
		Move: []Move{{"usr/lib/*-linux-gnu*", "lib"}, {"usr/sbin/*", "lib/"}},
	}
	if err := step.run(b, r, stage); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"lib/libx.so": "x", "lib/a": "a", "lib/b": "b", "etc/passwd": "root\nlab\n", "run.sh": "#!/bin/sh\n"} {
		if data, err := os.ReadFile(filepath.Join(stage, name)); err != nil || string(data) != want {
			t.Errorf("%s holds %q (%v), expected %q", name, data, err, want)
		}
	}
	if st, err := os.Stat(filepath.Join(stage, "run.sh")); err != nil || st.Mode() != 0o755 {
		t.Errorf("the script's mode is %v (%v), expected 0755", st.Mode(), err)
	}
	if to, err := os.Readlink(filepath.Join(stage, "bin")); err != nil || to != "usr/bin" {
		t.Errorf("bin points at %q (%v)", to, err)
	}
	if _, err := os.Stat(filepath.Join(stage, "doc/x/readme")); !os.IsNotExist(err) {
		t.Errorf("the dropped file is there (%v)", err)
	}
	for want, step := range map[string]*FilesStep{
		"it matches 0 files":    {Move: []Move{{"nothing*", "x"}}},
		"it matches 2 files":    {Move: []Move{{"lib/?", "x"}}},
		"leads out of the":      {Text: map[string][]string{"../x": {"x"}}},
		"which is no directory": {Text: map[string][]string{"bin/x": {"x"}}},
		"no such file":          {Copy: map[string]string{"x": "missing.sh"}},
	} {
		if err := step.run(b, r, stage); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, expected %q", step, err, want)
		}
	}
}

func TestLinksBesideFilesBecomeNames(t *testing.T) {
	stage := stageFiles(t, map[string]string{"lib/libx.so.1.2": "x", "lib/libx.so.1": "-> libx.so.1.2", "tool": "t"}, []string{"lib/libx.so.1.2", "lib/libx.so.1", "tool"})
	r := &Recipe{Name: "x", Links: map[string][]string{"tool": {"alias"}}}
	meta, err := collectBins(t.TempDir(), r, stage)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range meta.Files {
		got[f.Name] = strings.Join(f.Links, " ")
	}
	if len(got) != 2 || got["lib/libx.so.1.2"] != "libx.so.1" || got["tool"] != "alias" {
		t.Errorf("programs and their names: %v", got)
	}
	for content, want := range map[string]string{"-> gone": "links to files that are not there: gone", "-> ../elsewhere": "expected a link to a file beside it"} {
		stage := stageFiles(t, map[string]string{"link": content}, []string{"link"})
		if _, err := collectBins(t.TempDir(), r, stage); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("link %s: error %v, expected %q", content, err, want)
		}
	}
}

func TestLicenseText(t *testing.T) {
	dirs := map[string]string{}
	for module, files := range map[string]map[string]string{
		"a v1": {"LICENSE": "text of MIT\n", "main.go": "code"}, "b v2": {"License.txt": "text of MIT"}, "c v3": {"COPYING": "text of GPL", "license.go": "code"},
	} {
		dirs[module] = t.TempDir()
		for name, content := range files {
			overwrite(t, filepath.Join(dirs[module], name), content)
		}
	}
	got, err := licenseText(dirs)
	want := "==== a v1\n==== b v2\n\ntext of MIT\n\n==== c v3\n\ntext of GPL\n\n"
	if err != nil || string(got) != want {
		t.Errorf("licences (%v):\n%s\nexpected\n%s", err, got, want)
	}
	if _, err := licenseText(map[string]string{"gone v1": "/nonexistent"}); err == nil || !strings.Contains(err.Error(), "read licence of gone v1") {
		t.Errorf("a module that is not there: error %v", err)
	}
}
