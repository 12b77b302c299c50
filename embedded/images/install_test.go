package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func install(t *testing.T, dir string, s spec) {
	t.Helper()
	if err := open(t, s).InstallBins(dir); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, file, want string) os.FileInfo {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil || string(data) != want {
		t.Errorf("%s holds %q (%v), expected %q", file, data, err, want)
	}
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

var version1 = spec{
	bins:  map[string]string{"runc": "runc 1", "shim": "shim 1", "aux/iptables-multi": "iptables 1"},
	links: map[string][]string{"aux/iptables-multi": {"iptables", "iptables-save"}},
}

func TestInstallBins(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "bin")
	install(t, dir, version1)
	if st := expect(t, filepath.Join(dir, "runc"), "runc 1"); st.Mode() != 0o755 {
		t.Errorf("runc's mode is %v, expected 0755", st.Mode())
	}
	expect(t, filepath.Join(dir, "aux/iptables-save"), "iptables 1")
	if to, err := os.Readlink(filepath.Join(dir, "aux/iptables")); err != nil || to != "iptables-multi" {
		t.Errorf("iptables points at %q (%v), expected a relative link", to, err)
	}
}

func TestInstallLeavesWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, version1)
	before := expect(t, filepath.Join(dir, "runc"), "runc 1")
	install(t, dir, version1)
	if after := expect(t, filepath.Join(dir, "runc"), "runc 1"); !os.SameFile(before, after) {
		t.Error("runc was installed again although nothing changed")
	}
}

func TestInstallReplacesByRename(t *testing.T) {
	dir := t.TempDir()
	install(t, dir, version1)
	write(t, filepath.Join(dir, "mine"), "not ours")
	running, err := os.Open(filepath.Join(dir, "shim"))
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	install(t, dir, spec{bins: map[string]string{"runc": "runc 1", "shim": "shim 2"}})
	expect(t, filepath.Join(dir, "shim"), "shim 2")
	old := make([]byte, 16)
	if n, _ := running.Read(old); string(old[:n]) != "shim 1" {
		t.Errorf("a running shim's file now holds %q, expected its old bytes", old[:n])
	}
	for _, gone := range []string{"aux/iptables-multi", "aux/iptables", "aux/iptables-save"} {
		if _, err := os.Lstat(filepath.Join(dir, gone)); !os.IsNotExist(err) {
			t.Errorf("%s of the earlier version is still there (%v)", gone, err)
		}
	}
	expect(t, filepath.Join(dir, "mine"), "not ours")
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestInstallMendsDamage(t *testing.T) {
	for what, damage := range map[string]func(t *testing.T, dir string){
		"truncated": func(t *testing.T, dir string) { write(t, filepath.Join(dir, "runc"), "") },
		"same size": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "runc"), "RUNC 1")
			touch(t, filepath.Join(dir, "runc"))
		},
		"removed":        func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "runc")) },
		"not executable": func(t *testing.T, dir string) { os.Chmod(filepath.Join(dir, "runc"), 0o644) },
		"bad marker": func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, markerFile), "{")
			write(t, filepath.Join(dir, "runc"), "x")
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			install(t, dir, version1)
			damage(t, dir)
			install(t, dir, version1)
			if st := expect(t, filepath.Join(dir, "runc"), "runc 1"); st.Mode() != 0o755 {
				t.Errorf("mode is %v, expected 0755", st.Mode())
			}
		})
	}
}

func TestInstallErrors(t *testing.T) {
	bad := spec{bins: map[string]string{"runc": "runc 1"}, edit: func(idx *Index) { idx.Bins[0].SHA256 = strings.Repeat("0", 64) }}
	dir := t.TempDir()
	if err := open(t, bad).InstallBins(dir); err == nil || !strings.Contains(err.Error(), "the binary is damaged, download or build it again") {
		t.Errorf("a program that differs from the index: error %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	file := filepath.Join(dir, "file")
	write(t, file, "x")
	if err := open(t, version1).InstallBins(file); err == nil || !strings.Contains(err.Error(), "install programs") {
		t.Errorf("a file in the directory's place: error %v", err)
	}
}

// touch gives the file a time of its own: tests write faster than a filesystem's clock ticks.
func touch(t *testing.T, file string) {
	t.Helper()
	if err := os.Chtimes(file, time.Now(), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
}
