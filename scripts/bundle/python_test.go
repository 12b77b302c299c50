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
		"x-1.0.data/platlib/x/fast.so": "library", "x-1.0.data/scripts/x": "#!python", "x-1.0.data/scripts/tool": "#!python", "x-1.0.data/headers/x.h": "header", "x-1.0.data/scripts/program": "\x7fELF",
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
	if err := unpackWheel(file, stage, "lib", map[string]string{"tool": "lib/tool.py", "program": "bin/program"}, func(p string) bool { return keep.match(p) || !drop.match(p) }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"lib/x/__init__.py": true, "lib/x/fast.so": true, "lib/x-1.0.dist-info/METADATA": true, "lib/x/tests/data.json": true, "lib/tool.py": true,
		"lib/x/tests/test_x.py": false, "lib/x": true, "lib/x-1.0.data": false, "lib/x.h": false,
	} {
		if _, err := os.Stat(filepath.Join(stage, name)); (err == nil) != want {
			t.Errorf("%s: %v, expected present = %v", name, err, want)
		}
	}
	for name, want := range map[string]os.FileMode{"bin/program": 0o755, "lib/tool.py": 0o644, "lib/x/fast.so": 0o644} {
		if st, err := os.Stat(filepath.Join(stage, name)); err != nil || st.Mode() != want {
			t.Errorf("%s: %v (%v), expected mode %v", name, st.Mode(), err, want)
		}
	}
	evil := filepath.Join(t.TempDir(), "evil.whl")
	writeWheel(t, evil, map[string]string{"../../evil.py": "code"})
	if err := unpackWheel(evil, stage, "lib", nil, func(string) bool { return true }); err == nil || !strings.Contains(err.Error(), "leads out of the image") {
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
	lock := func(report string, licenses map[string]string) (string, error) {
		var rep pipReport
		decode(t, []byte(report), &rep)
		got, err := wheelLock(rep, "example", licenses)
		_, lines, _ := strings.Cut(string(got), "\n")
		return lines, err
	}
	got, err := lock(`{"install": [
		{"metadata": {"name": "Zope", "version": "2"}, "download_info": {"archive_info": {"hashes": {"sha256": "bb"}}}},
		{"metadata": {"name": "abc", "version": "1.0"}, "download_info": {"archive_info": {"hashes": {"sha256": "aa"}}}}
	]}`, map[string]string{"bb": "ZPL-2.1"})
	if want := "abc==1.0 --hash=sha256:aa\nzope==2 --hash=sha256:bb  # ZPL-2.1\n"; err != nil || got != want {
		t.Errorf("lock file:\n%s(%v)\nexpected\n%s", got, err, want)
	}
	for report, want := range map[string]string{
		`{"install": []}`: "nothing to install",
		`{"install": [{"metadata": {"name": "abc"}}]}`: "no sha256 for abc",
	} {
		if _, err := lock(report, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("report %s: error %v, expected %q", report, err, want)
		}
	}
}

func TestWheelLicense(t *testing.T) {
	for metadata, want := range map[string]string{
		"Name: x\nLicense-Expression: MIT\nLicense: something\n\ntext":                                                        "MIT",
		"Name: x\nClassifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: BSD License\nLicense: text\n\n": "BSD License",
		"Name: x\nLicense: ZPL\n\n":                   "ZPL",
		"Name: x\nLicense: Copyright\nno header\n\nx": "Copyright",
		"Name: x\n\n": "see its metadata",
	} {
		file := filepath.Join(t.TempDir(), "x.whl")
		writeWheel(t, file, map[string]string{"x-1.0.dist-info/METADATA": metadata})
		if got, err := wheelLicense(file); err != nil || got != want {
			t.Errorf("metadata %q: licence %q (%v), expected %q", metadata, got, err, want)
		}
	}
}

func TestLockedHashes(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	one, name := lockedHashes([]byte("x==1 --hash=sha256:" + a + "  # MIT\ny==1 --hash=sha256:" + b + "\n"))
	if len(one) != 2 || !one[a] || !one[b] {
		t.Errorf("hashes are %v", one)
	}
	if _, again := lockedHashes([]byte("y==1 --hash=sha256:" + b + "\nx==1 --hash=sha256:" + a)); again != name {
		t.Error("comments and order change the name of the set")
	}
	if _, other := lockedHashes([]byte("x==1 --hash=sha256:" + a)); other == name {
		t.Error("fewer wheels have the same name")
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
