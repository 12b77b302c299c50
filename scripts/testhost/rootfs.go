package testhost

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// basePackages make the machine that README asks for: Debian as its installer
// leaves it, without packages that our commands never use.
var basePackages = []string{"base-files", "base-passwd", "bash", "coreutils", "dash", "debianutils", "diffutils", "findutils", "grep", "gzip",
	"hostname", "init-system-helpers", "libc-bin", "login", "mount", "ncurses-bin", "passwd", "perl-base", "procps", "sed", "sysvinit-utils", "tar", "util-linux"}

const suite = "bookworm"

// Rootfs returns the folder of a minimal Debian with the given packages. It
// is made at the first call with mmdebstrap and kept in the user's cache.
func Rootfs(packages []string) (string, error) {
	list := slices.Concat(basePackages, packages)
	slices.Sort(list)
	list = slices.Compact(list)
	sum := sha256.Sum256([]byte(suite + "\n" + strings.Join(list, "\n")))
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for the Debian root file system: %w", err)
	}
	dir := filepath.Join(cache, "benchtop", "testhost")
	root := filepath.Join(dir, hex.EncodeToString(sum[:6]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	// Test packages run at once: one makes it, the others wait.
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("lock the cache: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock the cache: %w", err)
	}
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	partial := root + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", fmt.Errorf("make the Debian root file system: %w", err)
	}
	if err := debootstrap(partial, list); err != nil {
		return "", errors.Join(err, os.RemoveAll(partial))
	}
	if err := os.Rename(partial, root); err != nil {
		return "", fmt.Errorf("keep the Debian root file system: %w", err)
	}
	return root, nil
}

func debootstrap(dir string, packages []string) error {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return errors.New("make the Debian root file system: mmdebstrap is not installed; run: make test-deps")
	}
	// Variant custom installs exactly the list and what it depends on, and
	// runs the packages' scripts: a system, not an archive.
	if _, err := tool("mmdebstrap", "--quiet", "--variant=custom", "--mode=root", "--format=directory",
		"--aptopt=Acquire::Languages \"none\"", "--dpkgopt=path-exclude=/usr/share/{doc,man,info,locale}/*",
		"--include="+strings.Join(packages, ","), suite, dir); err != nil {
		return fmt.Errorf("make the Debian root file system: %w", err)
	}
	return nil
}
