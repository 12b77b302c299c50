package testhost

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// namespaces lists the namespaces that only the host's own processes are in.
func namespaces(t *testing.T, h *Host) []string {
	t.Helper()
	var out []string
	for _, n := range []string{"net", "mnt", "pid", "uts", "ipc", "cgroup"} {
		id, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", h.PID(), n))
		if err != nil {
			t.Fatal(err)
		}
		if own, err := os.Readlink("/proc/self/ns/" + n); err != nil || own == id {
			t.Errorf("the host shares the machine's %s namespace", n)
		}
		out = append(out, id)
	}
	return out
}

// users lists the processes in any of the namespaces.
func users(namespaces []string) (out []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/ns/*")
	for _, l := range links {
		if id, err := os.Readlink(l); err == nil && slices.Contains(namespaces, id) {
			out = append(out, l)
		}
	}
	return out
}

// machine describes what a host could leave behind: mounts, links, loop devices
// and machine-wide settings.
func machine(t *testing.T) []string {
	t.Helper()
	var out []string
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, strings.Split(string(mounts), "\n")...)
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		out = append(out, "link "+l.Attrs().Name)
	}
	loops, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	out = append(out, loops...)
	for _, s := range append([]string{"net/ipv4/ip_forward"}, machineSysctls...) {
		if b, err := os.ReadFile("/proc/sys/" + s); err == nil {
			out = append(out, s+" = "+string(b))
		}
	}
	return out
}

func TestCloseLeavesNothing(t *testing.T) {
	before := machine(t)
	h, err := New(Options{SmallDisk: SmallDisk{Path: "/mnt/small", Size: 8 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, h, "sh", "-ec", `
		mount -t tmpfs tmpfs /srv
		for c in /sys/fs/cgroup/*/cgroup.procs; do mkdir -p ${c%cgroup.procs}kubepods/burstable/pod1; done
		(cd /mnt/small; setsid nohup sleep 1000 >/dev/null 2>&1 &)
		echo 1 > /proc/sys/vm/overcommit_memory; echo 7 > /proc/sys/kernel/panic; echo 1 > /proc/sys/net/ipv4/ip_forward`)
	inside := namespaces(t, h)
	if len(users(inside)) < 2*len(inside) {
		t.Errorf("expected init and sleep in the host's namespaces, found %v", users(inside))
	}
	cgroups, dir := h.cgroups, h.Dir()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(cgroups, dir) {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("left %s behind: %v", path, err)
		}
	}
	if err := eventually(5*time.Second, func() error {
		if left := users(inside); len(left) > 0 {
			return fmt.Errorf("processes are left in the host's namespaces: %v", left)
		}
		for _, s := range machine(t) {
			if !slices.Contains(before, s) {
				return fmt.Errorf("new on the machine: %s", s)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := h.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

func TestHostDiesWithItsMaker(t *testing.T) {
	if os.Getenv("TESTHOST_MAKER") != "" {
		h, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("host %d %s\n", h.PID(), h.Dir())
		time.Sleep(time.Minute)
		return
	}
	maker := exec.Command(os.Args[0], "-test.run=^TestHostDiesWithItsMaker$")
	maker.Env = append(os.Environ(), "TESTHOST_MAKER=1")
	out, err := maker.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := maker.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var dir string
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "host %d %s", &pid, &dir) // other lines are the test's own
	}
	if dir == "" {
		t.Fatal("the maker made no host")
	}
	if err := maker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = maker.Wait() // killed: that it failed is the point
	if err := eventually(5*time.Second, func() error {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
			return fmt.Errorf("the host's init %d outlives its maker", pid)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	newHost(t, Options{}) // sweeps
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the next host did not remove %s: %v", dir, err)
	}
}
