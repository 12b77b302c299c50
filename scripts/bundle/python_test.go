package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeWheel(t *testing.T, file string, files map[string]string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zw := zip.NewWriter(f)
	for _, name := range sortedKeys(files) {
		w, err := zw.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestUnpackWheel(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x-1.0-py3-none-any.whl")
	writeWheel(t, file, map[string]string{
		"x/__init__.py": "code", "x/tests/test_x.py": "test", "x/tests/data.json": "data", "x-1.0.dist-info/METADATA": "Name: x",
		"x-1.0.data/platlib/x/fast.so": "library", "x-1.0.data/scripts/x": "#!python", "x-1.0.data/headers/x.h": "header",
	})
	drop, err := compileGlobs([]string{"**/tests"})
	if err != nil {
		t.Fatal(err)
	}
	keep, err := compileGlobs([]string{"lib/x/tests/data.json"})
	if err != nil {
		t.Fatal(err)
	}
	stage := t.TempDir()
	if err := unpackWheel(file, stage, "lib", func(p string) bool { return keep.match(p) || !drop.match(p) }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"lib/x/__init__.py": true, "lib/x/fast.so": true, "lib/x-1.0.dist-info/METADATA": true, "lib/x/tests/data.json": true,
		"lib/x/tests/test_x.py": false, "lib/x": true, "lib/x-1.0.data": false, "lib/x.h": false,
	} {
		if _, err := os.Stat(filepath.Join(stage, name)); (err == nil) != want {
			t.Errorf("%s: %v, expected present = %v", name, err, want)
		}
	}
	evil := filepath.Join(t.TempDir(), "evil.whl")
	writeWheel(t, evil, map[string]string{"../../evil.py": "code"})
	if err := unpackWheel(evil, stage, "lib", func(string) bool { return true }); err == nil || !strings.Contains(err.Error(), "leads out of the image") {
		t.Errorf("a wheel that leaves the image: error %v", err)
	}
}

func TestVerifiedWheels(t *testing.T) {
	dir := t.TempDir()
	overwrite(t, filepath.Join(dir, "a.whl"), "a")
	good := map[string]bool{sum([]byte("a")): true}
	if files, err := verifiedWheels(dir, good); err != nil || len(files) != 1 {
		t.Errorf("the locked wheel: %v, %v", files, err)
	}
	if _, err := verifiedWheels(dir, map[string]bool{sum([]byte("b")): true}); err == nil || !strings.Contains(err.Error(), "a.whl has sha256") {
		t.Errorf("a wheel with another hash: error %v", err)
	}
	overwrite(t, filepath.Join(dir, "b.whl"), "b")
	if _, err := verifiedWheels(dir, good); err == nil || !strings.Contains(err.Error(), "2 wheels") {
		t.Errorf("a wheel too many: error %v", err)
	}
}

func TestWheelLock(t *testing.T) {
	report := `{"install": [
		{"metadata": {"name": "Zope", "version": "2", "license": "ZPL\nlong text"}, "download_info": {"archive_info": {"hashes": {"sha256": "bb"}}}},
		{"metadata": {"name": "abc", "version": "1.0", "license_expression": "MIT", "license": "x"}, "download_info": {"archive_info": {"hashes": {"sha256": "aa"}}}},
		{"metadata": {"name": "def", "version": "1.0", "classifier": ["License :: OSI Approved", "License :: OSI Approved :: BSD License"]}, "download_info": {"archive_info": {"hashes": {"sha256": "cc"}}}}
	]}`
	got, err := wheelLock([]byte(report), "example")
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(got), "\n")
	want := "abc==1.0 --hash=sha256:aa  # MIT\ndef==1.0 --hash=sha256:cc  # BSD License\nzope==2 --hash=sha256:bb  # ZPL\n"
	if lines != want {
		t.Errorf("lock file:\n%s\nexpected\n%s", lines, want)
	}
	for report, want := range map[string]string{
		`{`:               "read pip's report",
		`{"install": []}`: "nothing to install",
		`{"install": [{"metadata": {"name": "abc"}}]}`: "no sha256 for abc",
	} {
		if _, err := wheelLock([]byte(report), "example"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("report %s: error %v, expected %q", report, err, want)
		}
	}
}

func TestPipTarget(t *testing.T) {
	args, err := pipTarget("arm64", "3.11")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(args, " ")
	for _, want := range []string{"--abi cp311", "--platform manylinux_2_28_aarch64", "--platform any"} {
		if !strings.Contains(all, want) {
			t.Errorf("pip is asked for %s, expected %s in it", all, want)
		}
	}
	if _, err := pipTarget("riscv64", "3.11"); err == nil || !strings.Contains(err.Error(), "expected amd64 or arm64") {
		t.Errorf("an unknown architecture: error %v", err)
	}
}
