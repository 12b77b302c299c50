package localpath

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Mode()
}

func TestOnlyRootReachesTheFolders(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "volumes")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := openFolders(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if got := mode(t, dir); got != os.ModeDir|0o700 {
		t.Errorf("the folder of volumes is %v", got)
	}
}

func TestCreateIgnoresTheUmaskAndTakesWhatIsThere(t *testing.T) {
	p := newProvisioner(t)
	defer syscall.Umask(syscall.Umask(0o077))
	for range 2 {
		path, err := p.folders.create("pvc-1_a_b")
		if err != nil {
			t.Fatal(err)
		}
		if got := mode(t, path); got != os.ModeDir|0o777 {
			t.Errorf("the volume is %v", got)
		}
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	long, err := p.folders.create("pvc-2_" + strings.Repeat("n", 63) + "_" + strings.Repeat("c", 253))
	if err != nil || len(filepath.Base(long)) != 255 {
		t.Errorf("a long name became %q (%v)", long, err)
	}
	if err := os.WriteFile(filepath.Join(p.folders.dir, "pvc-3"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = p.folders.create("pvc-3")
	expectError(t, err, filepath.Join(p.folders.dir, "pvc-3")+" is in the way and no folder: remove it")
}

func TestRemoveFollowsNoLinks(t *testing.T) {
	p := newProvisioner(t)
	outside := t.TempDir()
	victim := filepath.Join(outside, "victim")
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := p.folders.create("pvc-1")
	if err != nil {
		t.Fatal(err)
	}
	other, err := p.folders.create("pvc-2")
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"out": outside, "file": victim, "neighbour": other} {
		if err := os.Symlink(target, filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
	}
	// A volume whose path leads through a link in another is not removed.
	if err := p.folders.remove(filepath.Join(path, "out", "victim")); err == nil {
		t.Error("a path through a link was removed")
	}
	if err := p.folders.remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
	// The volume itself may be a link too.
	if err := os.Symlink(outside, path); err != nil {
		t.Fatal(err)
	}
	if err := p.folders.remove(path); err != nil {
		t.Fatal(err)
	}
	for _, stays := range []string{victim, other} {
		if _, err := os.Lstat(stays); err != nil {
			t.Error(err)
		}
	}
}

func TestFullDiskIsSaid(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("mounting a small file system needs root: run this with sudo")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,nr_inodes=2"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Unmount(dir, 0) }()
	f, err := openFolders(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if _, err := f.create("first"); err != nil {
		t.Fatal(err)
	}
	_, err = f.create("second")
	expectError(t, err, "the disk is full, free space on the file system of "+dir+"; it is tried again by itself: mkdirat second: no space left on device")
}

func TestVolumesOfEarlierVersionsAreOpened(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("changing owners needs root: run this with sudo")
	}
	p := newProvisioner(t)
	folder := func(name string, uid, gid int, m os.FileMode) string {
		path := filepath.Join(p.folders.dir, name)
		for _, err := range []error{os.Mkdir(path, 0o700), os.Chown(path, uid, gid), os.Chmod(path, m)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	const former = os.ModeSetgid | 0o770
	want := map[string]os.FileMode{
		folder("old", 0, 10001, former):                0o777,
		folder("old/sub", 0, 10001, former):            0o777,
		folder("old/own", 10001, 10001, former):        former, // a pod's own business
		folder("new", 0, 0, 0o777):                     0o777,
		folder("kept-closed", 0, 0, 0o700):             0o700,
		folder("new/like-old-below", 0, 10001, former): former,
	}
	if err := os.Symlink(p.folders.dir, filepath.Join(p.folders.dir, "old", "link")); err != nil {
		t.Fatal(err)
	}
	if err := p.folders.widen(); err != nil {
		t.Fatal(err)
	}
	for path, m := range want {
		if got := mode(t, path); got != os.ModeDir|m {
			t.Errorf("%s is %v, expected %v", path, got, os.ModeDir|m)
		}
	}
}
