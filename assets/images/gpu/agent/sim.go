package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// copyFile puts a file in place by rename, so nobody sees half of it, and a
// program that runs the old one keeps it. It does nothing if the content is the
// same already.
func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if same(in, to, mode) {
		return nil
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	_, err = io.Copy(out, in)
	err = errors.Join(err, out.Chmod(mode), out.Close())
	if err != nil {
		return err
	}
	return os.Rename(out.Name(), to)
}

func same(in *os.File, to string, mode os.FileMode) bool {
	old, err := os.Open(to)
	if err != nil {
		return false
	}
	defer old.Close()
	a, errA := in.Stat()
	b, errB := old.Stat()
	if errA != nil || errB != nil || a.Size() != b.Size() || b.Mode().Perm() != mode {
		return false
	}
	bufA, bufB := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(in, bufA)
		m, errB := io.ReadFull(old, bufB)
		if n != m || string(bufA[:n]) != string(bufB[:m]) {
			return false
		}
		if errA != nil || errB != nil {
			return errors.Is(errA, io.EOF) || errors.Is(errA, io.ErrUnexpectedEOF)
		}
	}
}

// hookName is the program that CDI specifications name: it runs on the host when
// a container with a GPU starts.
const hookName = "nvidia-cdi-hook"

// installHook copies the hook to the host.
func (a *agent) installHook() error {
	if err := copyFile(a.opts.hook, filepath.Join(a.opts.gpuDir, hookName), 0o755); err != nil {
		return fmt.Errorf("copy %s to the host: %w", hookName, err)
	}
	return nil
}

// triplet is the name of the folder of libraries for this processor.
func triplet() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64-linux-gnu"
	}
	return "x86_64-linux-gnu"
}

// installSimulated copies the simulated driver's files into its root. The
// version is that of the driver's state, lib/firmware/nvidia/<version>.
func (a *agent) installSimulated() error {
	root := filepath.Join(a.opts.gpuDir, "driver")
	versions, err := filepath.Glob(filepath.Join(root, "lib/firmware/nvidia/*/gsp_*.bin"))
	if err != nil {
		return err
	}
	if len(versions) != 1 {
		return fmt.Errorf("the simulated driver in %s has %d state files lib/firmware/nvidia/<version>/gsp_*.bin, expected 1", root, len(versions))
	}
	version := filepath.Base(filepath.Dir(versions[0]))
	libs := filepath.Join(root, "usr/lib", triplet())
	for _, lib := range []string{"libnvidia-ml.so", "libcuda.so"} {
		if err := copyFile(filepath.Join(a.opts.sim, lib), filepath.Join(libs, lib+"."+version), 0o755); err != nil {
			return fmt.Errorf("copy the simulated driver: %w", err)
		}
		// Another version may have been there: one library of each kind stays.
		old, _ := filepath.Glob(filepath.Join(libs, lib+".*.*"))
		for _, o := range old {
			if !strings.HasSuffix(o, lib+"."+version) {
				os.Remove(o)
			}
		}
		if err := relink(lib+"."+version, filepath.Join(libs, lib+".1")); err != nil {
			return fmt.Errorf("link the simulated driver: %w", err)
		}
	}
	if err := copyFile(filepath.Join(a.opts.sim, "nvidia-smi"), filepath.Join(root, "usr/bin/nvidia-smi"), 0o755); err != nil {
		return fmt.Errorf("copy the simulated driver: %w", err)
	}
	return nil
}

// procDriver is where NVIDIA's programs read what the kernel module says,
// whatever the driver's root is.
const procDriver = "/proc/driver"

// mountProc lays what the simulated driver says over that folder of the
// container. The host's own stays as it is.
func (a *agent) mountProc() error {
	from := filepath.Join(a.opts.gpuDir, "driver", procDriver)
	ours, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("the simulated driver is not complete: %w", err)
	}
	if now, err := os.Stat(procDriver); err == nil && os.SameFile(now, ours) {
		return nil // by the process before this
	}
	if err := unix.Mount(from, procDriver, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("lay %s over %s, which only a privileged container may: %w", from, procDriver, err)
	}
	return nil
}

// relink points a symbolic link at a target, by rename.
func relink(target, link string) error {
	if now, err := os.Readlink(link); err == nil && now == target {
		return nil
	}
	tmp := link + ".new"
	os.Remove(tmp)
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, link)
}
