package testhost

import (
	"bufio"
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newHost makes a host that must also close without complaint.
func newHost(t *testing.T, opts Options) *Host {
	t.Helper()
	h, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close the host: %v", err)
		}
	})
	return h
}

func run(t *testing.T, h *Host, name string, args ...string) string {
	t.Helper()
	out, err := h.Run(t.Context(), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func TestCleanHostHasItsOwnEverything(t *testing.T) {
	h := newHost(t, Options{Name: "spare"})
	if got := run(t, h, "hostname"); got != "spare" {
		t.Errorf("hostname is %q, want spare", got)
	}
	if got := run(t, h, "ls", "/sys/class/net"); got != "eth0\nlo" {
		t.Errorf("links are %q, want eth0 and lo", got)
	}
	if got := run(t, h, "sh", "-c", "ls -d /proc/[0-9]* | wc -l"); got != "3" && got != "4" {
		t.Errorf("sees %s processes, want its init, sh, ls and wc at most", got)
	}
	if out, err := h.Run(t.Context(), "go", "version"); err == nil {
		t.Errorf("the machine's Go is visible: %s", out)
	}
	run(t, h, "sh", "-c", "echo hello > /etc/private-mark; echo 1 > /proc/sys/vm/overcommit_memory; hostname other")
	if _, err := os.Stat("/etc/private-mark"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file written inside shows on the machine: %v", err)
	}
	if name, err := os.Hostname(); err != nil || name == "other" {
		t.Errorf("the machine took the host's name %q, %v", name, err)
	}
	if got := run(t, h, "sh", "-c", "cut -d: -f3 /proc/self/cgroup | grep -v '^/\\(init.scope\\)*$' || true"); got != "" {
		t.Errorf("the host's own cgroups are not its roots: %s", got)
	}
}

func TestMachineRootKeepsTheMachineUntouched(t *testing.T) {
	h := newHost(t, Options{Root: MachineRoot})
	run(t, h, "losetup", "--version")
	run(t, h, "touch", "/usr/private-mark", "/var/lib/private-mark")
	for _, p := range []string{"/usr/private-mark", "/var/lib/private-mark"} {
		if _, err := os.Stat(p); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s, written inside, shows on the machine: %v", p, err)
		}
	}
	if _, err := os.Stat(h.Path("/var/lib/private-mark")); err != nil {
		t.Errorf("the host's /var is not where Path says: %v", err)
	}
}

func TestVarTakesOverlays(t *testing.T) {
	// containerd does this all day, and it fails where /var is an overlay.
	h := newHost(t, Options{})
	got := run(t, h, "sh", "-ec", `cd /var/lib; mkdir low up work top; echo deep > low/file
		mount -t overlay overlay -o lowerdir=low,upperdir=up,workdir=work top; cat top/file; umount top`)
	if got != "deep" {
		t.Errorf("read %q through an overlay in /var, want deep", got)
	}
}

func TestExitStatusIsTheCommands(t *testing.T) {
	h := newHost(t, Options{})
	for _, c := range []struct {
		want int
		args []string
	}{{0, []string{"true"}}, {3, []string{"sh", "-c", "exit 3"}}, {137, []string{"sh", "-c", "kill -9 $$"}}, {127, []string{"no-such-program"}}} {
		err := h.Command(t.Context(), c.args[0], c.args[1:]...).Run()
		var exit *exec.ExitError
		if got := 0; errors.As(err, &exit) {
			if got = exit.ExitCode(); got != c.want {
				t.Errorf("%v: exit status %d, want %d", c.args, got, c.want)
			}
		} else if err != nil || c.want != 0 {
			t.Errorf("%v: %v, want exit status %d", c.args, err, c.want)
		}
	}
}

func TestSignalsReachTheCommand(t *testing.T) {
	h := newHost(t, Options{})
	cmd := h.Command(t.Context(), "sh", "-c", `trap 'echo stopping; exit 7' TERM; echo ready; while :; do sleep 0.1; done`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("got %q, want ready", lines.Text())
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != "stopping" {
		t.Errorf("got %q, want stopping", lines.Text())
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("ended with %v, want exit status 7", err)
	}
}

func TestKillSparesWhatTheCommandStarted(t *testing.T) {
	// An appliance dies by kill -9 and its pods live on.
	h := newHost(t, Options{})
	cmd := h.Command(t.Context(), "sh", "-c", `setsid sleep 1111 & echo $!; exec sleep 2222`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	grandchild := lines.Text()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed: that it failed is the point
	if err := eventually(5*time.Second, func() error {
		if got := run(t, h, "sh", "-c", "pgrep -af 'sleep 2222' || true"); got != "" && !strings.Contains(got, "pgrep") {
			return errors.New("the killed command still runs: " + got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if got := run(t, h, "cat", "/proc/"+grandchild+"/cmdline"); !strings.Contains(got, "1111") {
		t.Errorf("process %s is %q, want the grandchild's sleep", grandchild, got)
	}
	if got := run(t, h, "sh", "-c", "cut -d' ' -f4 /proc/"+grandchild+"/stat"); got != "1" {
		t.Errorf("the orphan's parent is %s, want init", got)
	}
	run(t, h, "kill", grandchild)
	if err := eventually(5*time.Second, func() error {
		_, err := h.Run(context.Background(), "test", "!", "-e", "/proc/"+grandchild)
		return err
	}); err != nil {
		t.Errorf("init does not reap: %v", err)
	}
}

func TestDroppedCapabilityIsGone(t *testing.T) {
	h := newHost(t, Options{DropCapabilities: []string{"CAP_SYSLOG"}})
	const syslogBit = 34
	field := run(t, h, "sh", "-c", "grep CapEff /proc/self/status | cut -f2")
	var all uint64
	for _, c := range field {
		all = all<<4 | uint64(strings.IndexRune("0123456789abcdef", c))
	}
	if all>>syslogBit&1 != 0 || all&1 == 0 {
		t.Errorf("capabilities %s: want all but CAP_SYSLOG", field)
	}
}

func TestSmallDiskFills(t *testing.T) {
	h := newHost(t, Options{SmallDisk: SmallDisk{Path: "/var/lib/small", Size: 16 << 20}})
	out, err := h.Command(t.Context(), "dd", "if=/dev/zero", "of=/var/lib/small/all", "bs=1M", "count=64").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "No space left on device") {
		t.Errorf("64 MB fit into 16: %v: %s", err, out)
	}
	run(t, h, "touch", "/var/lib/beside") // the disk around it is not full
}

func TestMistakesAreExplained(t *testing.T) {
	for want, o := range map[string]Options{
		"/no/such/file":              {Binds: []Bind{{Source: "/no/such/file", Target: "/x"}}},
		"mount the root file system": {Root: "/no/such/root"},
	} {
		h, err := New(o)
		if err == nil {
			t.Errorf("%+v: made a host", o)
			_ = h.Close()
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %q", err, want)
		}
	}
	h := newHost(t, Options{DropCapabilities: []string{"CAP_UNKNOWN"}})
	if out, err := h.Command(t.Context(), "true").CombinedOutput(); err == nil || !strings.Contains(string(out), "CAP_UNKNOWN") {
		t.Errorf("unknown capability: %v: %s", err, out)
	}
	if _, err := Attach(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("attach to an empty folder: %v", err)
	}
}

func TestDetachedHostIsFoundAgain(t *testing.T) {
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(Options{Dir: dir, Detach: true, NoDefaultRoute: true, Address: netip.MustParsePrefix("10.9.8.7/24")})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Attach(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.Address() != h.Address() || again.net.route {
		t.Errorf("found %v (default route %v), want %v without", again.Address(), again.net.route, h.Address())
	}
	run(t, again, "true")
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := again.net.close(); err != nil {
		t.Error(err)
	}
	if _, err := Attach(dir); err == nil {
		t.Error("found a host that was closed")
	}
}

func TestSystemdRunsUnits(t *testing.T) {
	h := newHost(t, Options{Systemd: true})
	err := eventually(30*time.Second, func() error {
		_, err := h.Run(t.Context(), "systemctl", "start", "multi-user.target")
		return err
	})
	if err != nil {
		out, _ := h.Command(t.Context(), "journalctl", "--no-pager").CombinedOutput()
		b, _ := os.ReadFile(h.Dir() + "/init.log")
		t.Fatalf("%v\n%s\n%s", err, out, b)
	}
	run(t, h, "sh", "-ec", `printf '[Service]\nExecStart=/bin/sleep 1234\n' > /etc/systemd/system/nap.service; systemctl daemon-reload; systemctl start nap`)
	if got := run(t, h, "systemctl", "is-active", "nap"); got != "active" {
		t.Errorf("the unit is %s", got)
	}
	if got := run(t, h, "pgrep", "-c", "sleep"); got != "1" {
		t.Errorf("%s sleeps run, want 1", got)
	}
}
