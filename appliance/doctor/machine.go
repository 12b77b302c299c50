package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func checkRoot() Finding {
	if os.Geteuid() != 0 {
		return fail("root", "not running as root", "run it with sudo: Kubernetes mounts volumes and sets up the network")
	}
	return ok("root", "running as root")
}

func checkKernel() Finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return warn("kernel", "version cannot be read: "+err.Error(), "use Linux 5.4 or newer")
	}
	return judgeKernel(unix.ByteSliceToString(u.Release[:]))
}

func judgeKernel(release string) Finding {
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n == 2 && (major < 5 || major == 5 && minor < 4) {
		return fail("kernel", "Linux "+release, "use Linux 5.4 or newer")
	}
	return ok("kernel", "Linux "+release)
}

func checkCgroups() Finding {
	const fix = "enable the cpu, memory and pids controllers (on a Raspberry Pi add `cgroup_memory=1 cgroup_enable=memory` to the kernel's command line; in a container delegate them)"
	have, version := map[string]bool{}, "v1"
	if b, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		version = "v2"
		for _, c := range strings.Fields(string(b)) {
			have[c] = true
		}
	} else {
		for _, c := range []string{"cpu", "memory", "pids", "cpuset"} {
			if _, err := os.Stat(filepath.Join("/sys/fs/cgroup", c)); err == nil {
				have[c] = true
			}
		}
	}
	var missing []string
	for _, c := range []string{"cpu", "memory", "pids"} {
		if !have[c] {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		return fail("cgroups", version+" without "+strings.Join(missing, ", "), fix)
	}
	return ok("cgroups", version+" with cpu, memory and pids")
}

// The appliance and its pods need this much while idle, and to train.
const (
	memoryNeeded = 1 << 30
	memoryGood   = 2 << 30
	diskNeeded   = 2 << 30
	diskGood     = 8 << 30
)

func checkMemory() Finding {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return warn("memory", "cannot be read: "+err.Error(), "have 2 GiB or more")
	}
	return judgeMemory(info.Totalram * uint64(info.Unit))
}

func judgeMemory(total uint64) Finding {
	detail := fmt.Sprintf("%d MiB", total>>20)
	switch {
	case total < memoryNeeded:
		return fail("memory", detail, "use a machine with 2 GiB or more")
	case total < memoryGood:
		return warn("memory", detail, "trainings may be killed; 2 GiB or more is better")
	}
	return ok("memory", detail)
}

func checkDisk(dir string) Finding {
	// The data dir may not exist yet; its nearest parent lies on its disk.
	at := dir
	for {
		if _, err := os.Stat(at); err == nil || at == "/" {
			break
		}
		at = filepath.Dir(at)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return fail("disk", "cannot read "+at+": "+err.Error(), "choose another --data-dir")
	}
	free := st.Bavail * uint64(st.Bsize)
	detail := fmt.Sprintf("%d MiB free for %s", free>>20, dir)
	// A data dir that is in use has its images already.
	if _, err := os.Stat(filepath.Join(dir, "k3s", "kubeconfig.yaml")); err == nil {
		if (mlops.DiskSpace{Free: free, Total: (st.Blocks - st.Bfree + st.Bavail) * uint64(st.Bsize)}).NearlyFull() {
			return warn("disk", detail, "free some space: trainings and uploads will fail")
		}
		return ok("disk", detail)
	}
	switch {
	case free < diskNeeded:
		return fail("disk", detail, "free at least 2 GiB (images, volumes and artifacts), or choose another --data-dir")
	case free < diskGood:
		return warn("disk", detail, "8 GiB or more leaves room for artifacts")
	}
	return ok("disk", detail)
}

func checkOverlay() Finding {
	b, err := os.ReadFile("/proc/filesystems")
	if err == nil && strings.Contains(string(b), "overlay") {
		return ok("overlayfs", "the kernel has it")
	}
	// It may be a module that is loaded at first use.
	dir, err := os.MkdirTemp("", "benchtop-doctor-")
	if err == nil {
		defer os.RemoveAll(dir)
		if err = tryOverlay(dir); err == nil {
			return ok("overlayfs", "the kernel has it")
		}
	}
	return warn("overlayfs", fmt.Sprintf("cannot be mounted: %v", err), "containers will copy their images instead, which takes more disk; load the module overlay if you can")
}

func tryOverlay(dir string) error {
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			return err
		}
	}
	opt := "lowerdir=" + dir + "/lower,upperdir=" + dir + "/upper,workdir=" + dir + "/work"
	if err := syscall.Mount("overlay", dir+"/merged", "overlay", 0, opt); err != nil {
		return err
	}
	return syscall.Unmount(dir+"/merged", 0)
}

func checkMount() Finding {
	f, err := os.CreateTemp("", "benchtop-doctor-")
	if err != nil {
		return fail("mounts", "no temporary file: "+err.Error(), "make /tmp writable")
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := syscall.Mount(f.Name(), f.Name(), "", syscall.MS_BIND, ""); err != nil {
		return fail("mounts", "mounting is not allowed: "+err.Error(), "in a container, run it privileged (LXC: features nesting=1; Docker: --privileged)")
	}
	if err := syscall.Unmount(f.Name(), 0); err != nil {
		return warn("mounts", "unmounting failed: "+err.Error(), "run `umount "+f.Name()+"`")
	}
	return ok("mounts", "allowed")
}
