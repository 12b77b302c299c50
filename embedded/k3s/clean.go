package k3s

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Clean removes what pods and K3s leave on the machine outside their memory:
// the pods' processes, mounts, network and cgroups, and K3s' folders outside
// its data dir. The server must have stopped. It returns how many pods it
// ended, and may find nothing to do.
func Clean(dir, binDir, runDir string) (pods int, err error) {
	pods, err = killPods()
	if err != nil {
		return pods, err
	}
	var errs []error
	for _, prefix := range []string{"/run/k3s", "/var/lib/kubelet", "/run/netns/cni-", "/run/containerd/s", dir} {
		errs = append(errs, unmountBelow(prefix))
	}
	errs = append(errs, RemoveInterfaces(), cleanIptables(binDir), cleanIPSets(binDir), removeCgroups())
	netns, _ := filepath.Glob("/run/netns/cni-*")
	for _, path := range append(netns, "/run/k3s", "/run/flannel", "/run/containerd", "/run/nri", "/var/lib/kubelet", "/var/lib/cni",
		"/var/log/pods", "/var/log/containers", "/etc/rancher/node", runDir) {
		if err := os.RemoveAll(path); err != nil {
			errs = append(errs, fmt.Errorf("delete %s: %w", path, err))
		}
	}
	// K3s links its usual kubeconfig to ours, whatever its flags say.
	if link, err := os.Readlink(linkedKubeconfig); err == nil && strings.HasPrefix(link, dir) {
		errs = append(errs, os.Remove(linkedKubeconfig))
	}
	for _, shared := range []string{"/etc/rancher/k3s", "/etc/rancher", "/run/netns"} {
		_ = os.Remove(shared) // only if it is empty: others may use it
	}
	return pods, errors.Join(errs...)
}

// linkedKubeconfig is where kubectl of a K3s machine looks.
const linkedKubeconfig = "/etc/rancher/k3s/k3s.yaml"

// killPods ends every shim of K3s' containerd with all that runs below it.
func killPods() (int, error) {
	procs, err := processes()
	if err != nil {
		return 0, err
	}
	children := map[int][]int{}
	for _, p := range procs {
		children[p.parent] = append(children[p.parent], p.pid)
	}
	shims := map[int]bool{}
	for _, p := range procs {
		if filepath.Base(p.args[0]) == "containerd-shim-runc-v2" && slices.Contains(p.args, containerdSocket) {
			shims[p.pid] = true
		}
	}
	var doomed []int
	pods := 0
	for _, p := range procs {
		// A shim below a shim is a child between fork and exec: it still shows
		// its parent's arguments, and it is no pod of its own.
		if !shims[p.pid] || shims[p.parent] {
			continue
		}
		pods++
		queue := []int{p.pid}
		for len(queue) > 0 {
			pid := queue[0]
			queue = append(queue[1:], children[pid]...)
			doomed = append(doomed, pid)
		}
	}
	for _, pid := range doomed {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			return pods, fmt.Errorf("end process %d: %w", pid, err)
		}
	}
	// Mounts are busy until the kernel has let go of the processes.
	for _, pid := range doomed {
		for range 100 {
			p, err := procfs.NewProc(pid)
			if err != nil {
				break
			}
			if stat, err := p.Stat(); err != nil || stat.State == "Z" {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return pods, nil
}

type process struct {
	pid, parent int
	args        []string
}

func processes() ([]process, error) {
	procs, err := procfs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var out []process
	for _, p := range procs {
		stat, err1 := p.Stat()
		args, err2 := p.CmdLine()
		if errors.Join(err1, err2) != nil || len(args) == 0 {
			continue // it ended, or is the kernel's
		}
		out = append(out, process{p.PID, stat.PPID, args})
	}
	return out, nil
}

// unmountBelow unmounts what is mounted at a path that begins with prefix,
// innermost first.
func unmountBelow(prefix string) error {
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return !strings.HasPrefix(m.Mountpoint, prefix), false
	})
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	var errs []error
	for _, m := range slices.Backward(mounts) {
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", m.Mountpoint, err))
		}
	}
	return errors.Join(errs...)
}

// cleanIptables drops the rules of kube-proxy, network policies, flannel and the CNI plugins
// and keeps all others.
func cleanIptables(binDir string) error {
	path := os.Getenv("PATH") + string(os.PathListSeparator) + BundledIptables(binDir)
	var errs []error
	for _, tool := range []string{"iptables", "ip6tables"} {
		save, restore := lookPath(path, tool+"-save"), lookPath(path, tool+"-restore")
		if save == "" || restore == "" {
			continue // without the tool there are no rules of ours
		}
		out, err := exec.Command(save).Output()
		if err != nil {
			continue // the kernel lacks this family
		}
		var keep []string
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(line, "KUBE-") && !strings.Contains(line, "CNI-") && !strings.Contains(line, "FLANNEL-") {
				keep = append(keep, line)
			}
		}
		cmd := exec.Command(restore)
		cmd.Stdin = strings.NewReader(strings.Join(keep, ""))
		if out, err := cmd.CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("restore %s rules: %w: %s", tool, err, bytes.TrimSpace(out)))
		}
	}
	return errors.Join(errs...)
}

// cleanIPSets destroys the sets that rules of network policies used.
func cleanIPSets(binDir string) error {
	ipset := lookPath(os.Getenv("PATH")+string(os.PathListSeparator)+BundledIptables(binDir), "ipset")
	if ipset == "" {
		return nil // without the tool there are no sets of ours
	}
	names, err := exec.Command(ipset, "list", "-n").Output()
	if err != nil {
		return nil //nolint:nilerr // the kernel has no sets
	}
	var errs []error
	for name := range strings.FieldsSeq(string(names)) {
		if !strings.HasPrefix(name, "KUBE-SRC-") && !strings.HasPrefix(name, "KUBE-DST-") {
			continue
		}
		if out, err := exec.Command(ipset, "destroy", name).CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("destroy ipset %s: %w: %s", name, err, bytes.TrimSpace(out)))
		}
	}
	return errors.Join(errs...)
}

func lookPath(path, tool string) string {
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, tool)
		if st, err := os.Stat(file); err == nil && st.Mode()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// removeCgroups removes the empty cgroups of pods.
func removeCgroups() error {
	for _, pattern := range []string{"/sys/fs/cgroup/kubepods*", "/sys/fs/cgroup/*/kubepods*"} {
		roots, _ := filepath.Glob(pattern)
		for _, root := range roots {
			var dirs []string
			_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					dirs = append(dirs, path)
				}
				return nil
			})
			for _, d := range slices.Backward(dirs) {
				if err := os.Remove(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("remove cgroup %s: %w", d, err)
				}
			}
		}
	}
	return nil
}
