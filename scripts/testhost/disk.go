package testhost

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// SmallDisk is a file system of its own inside a host, small enough to fill.
type SmallDisk struct {
	Path string // where the host mounts it, for example /var/lib/benchtop
	Size int64  // bytes
}

// attachedDisk is a small disk that the machine has made ready for mounting:
// an ext4 on a loop device, or memory where there are no loop devices.
type attachedDisk struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	Loop string `json:"loop,omitempty"`
}

func (d SmallDisk) attach(dir string) (attachedDisk, error) {
	out := attachedDisk{Path: d.Path, Size: d.Size}
	if _, err := os.Stat("/dev/loop-control"); errors.Is(err, os.ErrNotExist) {
		return out, nil
	}
	image := dir + "/disk.ext4"
	f, err := os.Create(image)
	if err != nil {
		return out, fmt.Errorf("make a small disk: %w", err)
	}
	if err := errors.Join(f.Truncate(d.Size), f.Close()); err != nil {
		return out, fmt.Errorf("make a small disk: %w", err)
	}
	if _, err := tool("mkfs.ext4", "-q", "-m", "0", image); err != nil {
		return out, fmt.Errorf("make a small disk: %w", err)
	}
	if out.Loop, err = tool("losetup", "--find", "--show", image); err != nil {
		return out, fmt.Errorf("make a small disk: %w", err)
	}
	return out, nil
}

// detachLoop frees a loop device if its image still lies in dir. Its file
// system is unmounted when the host's last process ends, which the kernel
// finishes a moment later.
func detachLoop(device, dir string) error {
	backing := "/sys/block/" + strings.TrimPrefix(device, "/dev/") + "/loop/backing_file"
	return eventually(10*time.Second, func() error {
		b, err := os.ReadFile(backing)
		if err != nil || !strings.HasPrefix(string(b), dir+"/") {
			return nil // free, or somebody else's by now
		}
		if _, err := tool("losetup", "--detach", device); err != nil {
			return err
		}
		return fmt.Errorf("detach %s: still holds %s", device, strings.TrimSpace(string(b)))
	})
}

// tool runs a program of the machine and returns its trimmed output.
func tool(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}
