package doctor

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const inside = "BENCHTOP_DOCTOR_TEST_INSIDE"

// TestMain runs the tests again in network and mount namespaces of their own:
// there they may make links, routes, mounts and listeners, and cover files of
// the machine with others, and nobody else sees it.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		if err := prepare(); err != nil {
			fmt.Fprintln(os.Stderr, "prepare the namespaces:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests look at a machine as root does: run them with sudo")
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the child must not outlive this thread
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "tests in their own namespaces:", err)
		os.Exit(1)
	}
}

func prepare() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// cover lays content over a file of the machine until the test ends.
func cover(t *testing.T, file, content string) {
	t.Helper()
	mine := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(mine, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	mount(t, mine, file, "", syscall.MS_BIND, "")
}

// mount undoes itself when the test ends.
func mount(t *testing.T, source, target, kind string, flags uintptr, opt string) {
	t.Helper()
	if err := syscall.Mount(source, target, kind, flags, opt); err != nil {
		t.Fatalf("mount %s on %s: %v", source, target, err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(target, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", target, err)
		}
	})
}

// asNobody runs f in a thread without any right.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		// Credentials belong to the thread; it ends with this goroutine.
		runtime.LockOSThread()
		const nobody = 65534
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			done <- errno
			return
		}
		f()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatalf("become nobody: %v", err)
	}
}

func expect(t *testing.T, got, want Finding) {
	t.Helper()
	if got != want {
		t.Errorf("found\n%+v\nexpected\n%+v", got, want)
	}
}

// listen returns a listener and its port.
func listen(t *testing.T, network, addr string) int {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// finding is a finding without the fields that every finding has.
func finding(check string, level Level, detail, fix string) Finding {
	return Finding{Check: check, Level: level, Detail: detail, Fix: fix}
}
