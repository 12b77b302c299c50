package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const snapshotTime = "20261121T000000Z"

// noApt puts an apt-get first on PATH that knows no package, as after the mirror has moved on.
func noApt(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "apt-get"), []byte("#!/bin/sh\necho 'E: Version not found' >&2\nexit 100\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

func TestDebFromSnapshot(t *testing.T) {
	noApt(t)
	content := []byte("a package")
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path != "/debian-security/"+snapshotTime+"/pool/updates/main/x/x_1.0_amd64.deb" {
			http.NotFound(w, r)
			return
		}
		w.Write(content)
	}))
	defer srv.Close()
	b := testBuilder(t)
	b.Snapshot = srv.URL
	lock := debLock{Snapshot: snapshotTime}
	d := deb{Name: "x", Version: "1.0", SHA256: sum(content), Archive: "debian-security", Path: "pool/updates/main/x/x_1.0_amd64.deb"}
	for range 2 {
		file, err := b.fetchDeb(lock, d)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, content) {
			t.Errorf("the package holds %q (%v)", got, err)
		}
	}
	if asked != 1 {
		t.Errorf("the archive was asked %d times, expected once: the cache has the package", asked)
	}
	d.SHA256 = sum([]byte("another package"))
	if _, err := b.fetchDeb(lock, d); err == nil || !strings.Contains(err.Error(), "the lock file says "+d.SHA256) {
		t.Errorf("a package that differs from the lock file: error %v", err)
	}
	d.Path = "pool/gone.deb"
	if _, err := b.fetchDeb(lock, d); err == nil || !strings.Contains(err.Error(), "404") || !strings.Contains(err.Error(), "Version not found") ||
		!strings.Contains(err.Error(), "bundle lock") {
		t.Errorf("a package that nobody has: error %v, expected both causes and what to do", err)
	}
}

func TestReadDebLock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "debian.amd64.lock")
	overwrite(t, file, "# comment\nsnapshot 20261121T000000Z\nlibc6 2.36 abc debian pool/main/g/glibc/libc6.deb\n")
	lock, err := readDebLock(file)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := lock.find("libc6"); err != nil || d.Version != "2.36" || d.Path != "pool/main/g/glibc/libc6.deb" {
		t.Errorf("libc6 is %+v (%v)", d, err)
	}
	if _, err := lock.find("libc7"); err == nil || !strings.Contains(err.Error(), "libc7 is not in the lock file") {
		t.Errorf("an unknown package: error %v", err)
	}
	for content, want := range map[string]string{
		"snapshot x\nlibc6 2.36\n":         ":2: expected `package version",
		"libc6 2.36 abc debian pool/x.deb": "the line `snapshot TIME` is missing",
	} {
		overwrite(t, file, content)
		if _, err := readDebLock(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("lock file %q: error %v, expected %q", content, err, want)
		}
	}
}

func TestParseAptURI(t *testing.T) {
	got, err := parseAptURI(`'http://mirror.example/debian-security/pool/updates/main/l/lib/libstdc%2b%2b6_12.2%2bdeb12u1_amd64.deb' libstdc++6_1%3a12.2+deb12u1_amd64.deb 612604 SHA256:5cd3`)
	want := deb{Name: "libstdc++6", Version: "1:12.2+deb12u1", SHA256: "5cd3", Archive: "debian-security", Path: "pool/updates/main/l/lib/libstdc++6_12.2+deb12u1_amd64.deb"}
	if err != nil || got != want {
		t.Errorf("got %+v (%v), expected %+v", got, err, want)
	}
	for line, want := range map[string]string{
		"": "run apt-get update",
		"'http://x/debian/a.deb' a.deb 1 SHA256:5": "no pool/",
		"'http://x/pool/a.deb' a.deb 1 SHA256:5":   "expected package_version_architecture.deb",
	} {
		if _, err := parseAptURI(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, expected %q", line, err, want)
		}
	}
}

func TestUnpackDeb(t *testing.T) {
	src := filepath.Join(t.TempDir(), "pkg")
	for name, content := range map[string]string{"DEBIAN/control": "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n",
		"lib/x/libx.so.1": "library", "usr/share/man/x.1": "manual", "bin/x": "program"} {
		if err := writeStaged(src, name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(src, "bin/x"), 0o4755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("libx.so.1", filepath.Join(src, "lib/x/libx.so")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "x.deb")
	if out, err := exec.Command("dpkg-deb", "--build", "--root-owner-group", src, file).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v\n%s", err, out)
	}
	stage := t.TempDir()
	if err := unpackDeb(file, stage, func(p string) bool { return p != "usr/share/man/x.1" }); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(stage, "usr/lib/x/libx.so")); err != nil || string(data) != "library" {
		t.Errorf("the library is %q (%v); expected it below /usr, through its link", data, err)
	}
	if st, err := os.Stat(filepath.Join(stage, "usr/bin/x")); err != nil || st.Mode() != 0o755 {
		t.Errorf("the program is %v (%v), expected mode 0755 without setuid", st.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(stage, "usr/share")); !os.IsNotExist(err) {
		t.Errorf("an unwanted file was unpacked (%v)", err)
	}
	overwrite(t, file, "not a package")
	if err := unpackDeb(file, stage, func(string) bool { return true }); err == nil || !strings.Contains(err.Error(), "dpkg-deb") {
		t.Errorf("a damaged package: error %v", err)
	}
}

func TestUntarStaysInTheStage(t *testing.T) {
	for what, headers := range map[string][]*tar.Header{
		"parent":       {{Name: "../evil", Typeflag: tar.TypeReg}},
		"through link": {{Name: "etc", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}, {Name: "etc/evil", Typeflag: tar.TypeReg}},
		"device":       {{Name: "dev/sda", Typeflag: tar.TypeBlock}},
	} {
		var buf bytes.Buffer
		tw := tar.NewWriter(&buf)
		for _, h := range headers {
			if err := tw.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
		}
		tw.Close()
		if err := untar(&buf, t.TempDir(), func(string) bool { return true }); err == nil {
			t.Errorf("%s: unpacked without an error", what)
		}
	}
}
