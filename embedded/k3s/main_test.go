package k3s

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

const inside = "BENCHTOP_K3S_TEST_INSIDE"

// TestMain runs the tests again in namespaces of their own: what they clean
// up, kill, mount or connect is theirs, never the machine's.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		if err := prepareNamespaces(); err != nil {
			fmt.Fprintln(os.Stderr, "prepare the namespaces:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests make links, mounts and processes to clean up: run them with sudo")
		os.Exit(1)
	}
	exe, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	cmd := exec.Command(exe, os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	runtime.LockOSThread() // the child must not outlive this thread
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "tests in their own namespaces:", err)
		os.Exit(1)
	}
}

func prepareNamespaces() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// Whatever K3s leaves outside its data dir lies below these.
	for _, dir := range []string{"/run", "/var/lib", "/var/log", "/etc", "/sys/fs/cgroup"} {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
			return fmt.Errorf("cover %s: %w", dir, err)
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}
