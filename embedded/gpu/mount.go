package gpu

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// bind shows from at to, read-only, once. If it does so already, pods may look at
// it, and it stays.
func bind(from, to string) error {
	a, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("look: %w", err)
	}
	if b, err := os.Stat(to); err == nil && os.SameFile(a, b) {
		return nil
	}
	if err := unbind(to); err != nil {
		return err
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if err := unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return errors.Join(fmt.Errorf("make read-only: %w", err), unbind(to))
	}
	return nil
}

func unbind(to string) error {
	for {
		err := unix.Unmount(to, unix.MNT_DETACH)
		switch {
		case errors.Is(err, unix.EINVAL), errors.Is(err, os.ErrNotExist):
			return nil // nothing is mounted there
		case err != nil:
			return fmt.Errorf("unmount: %w", err)
		}
	}
}

// Propagates reports whether what is mounted below path later can reach pods:
// the mount that path lies on is shared, or gets what another one is shared. Where
// it is not, Kubernetes refuses pods that ask for it.
func Propagates(path string) bool {
	mounts, err := mountinfo.GetMounts(mountinfo.ParentsFilter(path))
	if err != nil {
		return false
	}
	deepest := ""
	optional := ""
	for _, m := range mounts {
		if len(m.Mountpoint) >= len(deepest) { // of two at one place the later is seen
			deepest, optional = m.Mountpoint, m.Optional
		}
	}
	return strings.Contains(optional, "shared:") || strings.Contains(optional, "master:")
}
