package testhost

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// setUpInside turns the init's new, still inherited mounts into the host's.
// It runs on the thread that is the init's face in /proc, so that those who
// enter by its pid get the cgroup namespace too.
func setUpInside(cfg initConfig) error {
	if err := unix.Sethostname([]byte(cfg.Hostname)); err != nil {
		return fmt.Errorf("set the hostname: %w", err)
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("make a cgroup namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	m := &mounter{root: filepath.Join(cfg.Dir, "root")}
	m.rootfs(cfg)
	m.kernel(cfg.Cgroups)
	m.devices()
	m.disk(cfg.Disk)
	m.bind(Bind{Source: cfg.Exe, Target: AppletPath, ReadOnly: true})
	for _, b := range cfg.Binds {
		m.bind(b)
	}
	m.etc(cfg.Hostname)
	m.pivot()
	return m.err
}

// AppletPath is where a host shows the program that made it.
const AppletPath = "/run/testhost/program"

// mounter mounts under root and remembers the first failure, so that the list
// of mounts reads as a list.
type mounter struct {
	root string
	err  error
}

func (m *mounter) do(what string, f func() error) {
	if m.err == nil {
		if err := f(); err != nil {
			m.err = fmt.Errorf("%s: %w", what, err)
		}
	}
}

func (m *mounter) mount(source, target, fstype string, flags uintptr, data string) {
	m.do("mount "+fstype+" on "+target, func() error {
		if err := os.MkdirAll(m.root+target, 0o755); err != nil {
			return err
		}
		return unix.Mount(source, m.root+target, fstype, flags, data)
	})
}

// rootfs makes / an overlay over the chosen root, with /var on a real
// directory: containerd puts overlays of its own there, and the file system
// it is on must be the one a machine would have.
func (m *mounter) rootfs(cfg initConfig) {
	upper, work, varDir := cfg.Dir+"/upper", cfg.Dir+"/work", cfg.Dir+"/var"
	m.do("make folders", func() error {
		// Over the machine's own root the writes go to memory: a layer cannot
		// lie inside the one below it.
		if cfg.Root == MachineRoot {
			memory := cfg.Dir + "/memory"
			if err := os.MkdirAll(memory, 0o755); err != nil {
				return err
			}
			if err := unix.Mount("tmpfs", memory, "tmpfs", 0, "mode=755"); err != nil {
				return err
			}
			upper, work = memory+"/upper", memory+"/work"
		}
		for _, d := range []string{m.root, upper, work, varDir, varDir + "/lib", varDir + "/log", varDir + "/cache", varDir + "/spool"} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		if err := os.MkdirAll(varDir+"/tmp", 0o1777); err != nil {
			return err
		}
		return os.Chmod(varDir+"/tmp", 0o1777|os.ModeSticky)
	})
	m.do("mount the root file system", func() error {
		return unix.Mount("overlay", m.root, "overlay", 0, "lowerdir="+cfg.Root+",upperdir="+upper+",workdir="+work)
	})
	m.bind(Bind{Source: varDir, Target: "/var"})
	m.mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755")
	m.mount("tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
	m.do("link /var/run", func() error {
		if err := os.Symlink("/run", m.root+"/var/run"); err != nil && !os.IsExist(err) {
			return err
		}
		if err := os.Symlink("/run/lock", m.root+"/var/lock"); err != nil && !os.IsExist(err) {
			return err
		}
		return os.MkdirAll(m.root+"/run/lock", 0o755)
	})
}

// machineSysctls are not per namespace, and a kubelet sets them. The host gets
// files in their place, so that the machine keeps its values.
var machineSysctls = []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"}

func (m *mounter) kernel(hs []hierarchy) {
	m.mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	for _, s := range machineSysctls {
		m.do("shadow sysctl "+s, func() error {
			value, err := os.ReadFile("/proc/sys/" + s)
			if os.IsNotExist(err) {
				return nil
			} else if err != nil {
				return err
			}
			shadow := m.root + "/run/testhost/sysctl/" + strings.ReplaceAll(s, "/", ".")
			if err := os.MkdirAll(filepath.Dir(shadow), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(shadow, value, 0o644); err != nil {
				return err
			}
			return unix.Mount(shadow, m.root+"/proc/sys/"+s, "", unix.MS_BIND, "")
		})
	}
	m.mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if len(hs) == 1 && hs[0].Version == 2 {
		m.mount("cgroup2", "/sys/fs/cgroup", "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		// As an init system does: version 2 hands controllers down only from
		// cgroups without processes.
		m.do("leave the root cgroup", func() error {
			if err := os.Mkdir(m.root+"/sys/fs/cgroup/init.scope", 0o755); err != nil {
				return err
			}
			return joinCgroup(m.root+"/sys/fs/cgroup/init.scope", 0)
		})
		return
	}
	m.mount("tmpfs", "/sys/fs/cgroup", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755")
	for _, h := range hs {
		target := "/sys/fs/cgroup/" + filepath.Base(h.Mount)
		if h.Version == 2 {
			m.mount("cgroup2", target, "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		} else {
			m.mount("cgroup", target, "cgroup", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, h.Controllers)
		}
	}
}

func (m *mounter) devices() {
	m.mount("tmpfs", "/dev", "tmpfs", unix.MS_NOSUID, "mode=755")
	for _, d := range []string{"null", "zero", "full", "random", "urandom", "tty", "kmsg", "fuse", "net/tun", "loop-control"} {
		if _, err := os.Stat("/dev/" + d); err == nil {
			m.bind(Bind{Source: "/dev/" + d, Target: "/dev/" + d})
		}
	}
	m.mount("devpts", "/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")
	m.mount("tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777")
	m.mount("mqueue", "/dev/mqueue", "mqueue", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	for link, to := range map[string]string{"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		m.do("link /dev/"+link, func() error { return os.Symlink(to, m.root+"/dev/"+link) })
	}
}

func (m *mounter) disk(d *attachedDisk) {
	if d == nil {
		return
	}
	if d.Loop == "" {
		m.mount("tmpfs", d.Path, "tmpfs", 0, fmt.Sprintf("size=%d,mode=755", d.Size))
		return
	}
	m.mount(d.Loop, d.Path, "ext4", 0, "")
}

func (m *mounter) bind(b Bind) {
	m.do("show "+b.Source+" at "+b.Target, func() error {
		info, err := os.Stat(b.Source)
		if err != nil {
			return err
		}
		target := m.root + b.Target
		if info.IsDir() {
			err = os.MkdirAll(target, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
			var f *os.File
			if f, err = os.OpenFile(target, os.O_CREATE|os.O_RDONLY, 0o644); err == nil {
				err = f.Close()
			}
		}
		if err != nil {
			return err
		}
		if err := unix.Mount(b.Source, target, "", unix.MS_BIND, ""); err != nil || !b.ReadOnly {
			return err
		}
		return unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	})
}

// etc gives the host an identity of its own, and a resolver that nobody
// answers: the router of an isolated LAN.
func (m *mounter) etc(hostname string) {
	for name, content := range map[string]string{
		"hostname":    hostname + "\n",
		"hosts":       "127.0.0.1 localhost\n127.0.1.1 " + hostname + "\n::1 localhost\n",
		"resolv.conf": "nameserver 192.168.77.1\n",
	} {
		m.do("write /etc/"+name, func() error {
			path := m.root + "/etc/" + name
			if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
				return err
			}
			return os.WriteFile(path, []byte(content), 0o644)
		})
	}
}

// pivot makes the new root the only one.
func (m *mounter) pivot() {
	m.do("switch to the new root", func() error {
		if err := os.Chdir(m.root); err != nil {
			return err
		}
		if err := unix.PivotRoot(".", "."); err != nil {
			return err
		}
		if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
			return err
		}
		if err := os.Chdir("/"); err != nil {
			return err
		}
		// As systemd leaves it, and as kubelet wants it.
		return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
	})
}
