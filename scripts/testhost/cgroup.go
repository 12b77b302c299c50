package testhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hierarchy is one mounted cgroup hierarchy of the machine.
type hierarchy struct {
	Mount       string `json:"mount"`       // where the machine has it
	Controllers string `json:"controllers"` // mount options that name it, version 1 only
	Version     int    `json:"version"`
}

// hierarchies lists what is mounted under /sys/fs/cgroup.
func hierarchies() ([]hierarchy, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find cgroups: %w", err)
	}
	var out []hierarchy
	for _, line := range strings.Split(string(b), "\n") {
		pre, post, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(pre), strings.Fields(post)
		if !ok || len(f) < 5 || len(g) < 3 {
			continue
		}
		switch g[0] {
		case "cgroup":
			var names []string
			for _, o := range strings.Split(g[2], ",") {
				if o != "rw" && o != "ro" && o != "xattr" && !strings.HasPrefix(o, "release_agent=") {
					names = append(names, o)
				}
			}
			if strings.HasPrefix(strings.Join(names, ","), "name=") {
				names = append([]string{"none"}, names...)
			}
			out = append(out, hierarchy{Mount: f[4], Controllers: strings.Join(names, ","), Version: 1})
		case "cgroup2":
			out = append(out, hierarchy{Mount: f[4], Version: 2})
		}
	}
	if len(out) == 0 {
		return nil, errors.New("find cgroups: none are mounted under /sys/fs/cgroup")
	}
	return out, nil
}

// ownCgroup returns the path of a process' cgroup inside one hierarchy.
func (h hierarchy) ownCgroup(pid int) (string, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return "", fmt.Errorf("find the cgroups of %d: %w", pid, err)
	}
	want := strings.TrimPrefix(h.Controllers, "none,")
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.SplitN(line, ":", 3)
		if len(f) == 3 && (h.Version == 2 && f[0] == "0" || h.Version == 1 && f[0] != "0" && f[1] == want) {
			return filepath.Join(h.Mount, f[2]), nil
		}
	}
	return "", fmt.Errorf("find the cgroup of %d under %s: not in /proc/%d/cgroup", pid, h.Mount, pid)
}

// createCgroups makes a cgroup in every hierarchy, below the one that this
// process is in so that limits set on it hold, and moves pid there. The host
// sees it as the root, and the pods' cgroups are made below.
func createCgroups(name string, pid int) ([]string, error) {
	hs, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var made []string
	for _, h := range hs {
		parent, err := h.ownCgroup(os.Getpid())
		if err != nil {
			return made, err
		}
		if h.Version == 2 && len(hs) == 1 {
			// Version 2 allows no processes beside child cgroups, and a
			// systemd session would: only the root is exempt from that rule.
			parent = h.Mount
		}
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return made, fmt.Errorf("make a cgroup: %w", err)
		}
		made = append(made, dir)
		for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
			// A version 1 cpuset starts empty and takes no process then.
			b, err := os.ReadFile(filepath.Join(parent, f))
			if h.Version == 2 || errors.Is(err, fs.ErrNotExist) {
				continue
			} else if err != nil {
				return made, fmt.Errorf("copy the parent's cpuset: %w", err)
			}
			if err := os.WriteFile(filepath.Join(dir, f), b, 0o644); err != nil {
				return made, fmt.Errorf("copy the parent's cpuset: %w", err)
			}
		}
		if err := h.weigh(dir); err != nil {
			return made, err
		}
		if err := joinCgroup(dir, pid); err != nil {
			return made, err
		}
	}
	return made, nil
}

// weigh lets the host's processes compete with the machine's as if they were
// not grouped. A version 1 group otherwise gets as much CPU as one process
// beside it, and a test on a busy machine would time out.
func (h hierarchy) weigh(dir string) error {
	if h.Version == 2 || h.Controllers != "cpu" && !strings.HasPrefix(h.Controllers, "cpu,") {
		return nil
	}
	const processes = 8
	if err := os.WriteFile(filepath.Join(dir, "cpu.shares"), []byte(strconv.Itoa(processes*1024)), 0o644); err != nil {
		return fmt.Errorf("set the share of CPU: %w", err)
	}
	return nil
}

func joinCgroup(dir string, pid int) error {
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return fmt.Errorf("join a cgroup: %w", err)
	}
	return nil
}

// removeCgroups removes the trees that start at dirs. Processes leave a
// cgroup a moment after they die, so it tries for a while.
func removeCgroups(dirs []string) error {
	var errs []error
	for _, d := range dirs {
		errs = append(errs, eventually(10*time.Second, func() error { return removeTree(d) }))
	}
	return errors.Join(errs...)
}

func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := syscall.Rmdir(dirs[i]); err != nil && !errors.Is(err, syscall.ENOENT) {
			return fmt.Errorf("remove cgroup %s: %w", dirs[i], err)
		}
	}
	return nil
}
