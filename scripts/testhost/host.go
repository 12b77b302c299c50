package testhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MachineRoot as Options.Root gives the host the machine's own programs, with
// private writes, instead of a clean Debian.
const MachineRoot = "/"

// Bind shows a file or directory of the machine inside the host.
type Bind struct {
	Source   string `json:"source"` // absolute path on the machine
	Target   string `json:"target"` // absolute path inside; created if missing
	ReadOnly bool   `json:"read_only,omitempty"`
}

// Options describe a host. The zero value is a clean host with a default
// route.
type Options struct {
	// Name is the hostname, "testhost" if empty.
	Name string
	// Root is a directory to use as a read-only root file system, or
	// MachineRoot. Empty means a minimal Debian, made by Rootfs.
	Root string
	// Packages are added to the minimal Debian.
	Packages []string
	// Address is the host's address on its LAN, 192.168.77.20/24 if zero.
	// The client and router takes the first address of the same network.
	Address netip.Prefix
	// NoDefaultRoute leaves the host with the LAN's route only.
	NoDefaultRoute bool
	// Binds are mounted in order.
	Binds []Bind
	// SmallDisk mounts a file system of its own at Path. Zero means none.
	SmallDisk SmallDisk
	// DropCapabilities are removed from everything that runs inside, for
	// example "CAP_SYS_RESOURCE".
	DropCapabilities []string
	// Dir is an existing empty directory for the host's files, which must be
	// on a real disk because overlayfs cannot stack on itself. A temporary
	// one if empty.
	Dir string
	// Systemd makes systemd the host's init. It cannot be combined with
	// Detach or a Root of one's own.
	Systemd bool
	// Detach lets the host outlive the process that makes it; Attach and
	// Close end it later. Otherwise it dies with its maker, even by kill -9.
	Detach bool
}

// Host is a running private host.
type Host struct {
	dir     string
	ownsDir bool
	pid     int // of its init, as the machine sees it
	init    *exec.Cmd
	release chan struct{} // closed when the init has no more need of its keeper
	drop    []string
	net     network
	cgroups []string
	loops   []string
}

// record is what Attach needs to know, kept as host.json in the host's folder.
type record struct {
	PID     int          `json:"pid"`
	Started string       `json:"started"` // start time of PID, against reuse
	Address netip.Prefix `json:"address"`
	Route   bool         `json:"route"` // whether it has a default route
	Drop    []string     `json:"drop,omitempty"`
	Cgroups []string     `json:"cgroups"`
	Loops   []string     `json:"loops,omitempty"`
}

// New makes and starts a host.
func New(opts Options) (_ *Host, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("make a private host: needs root, run with sudo")
	}
	sweep()
	if opts.Name == "" {
		opts.Name = "testhost"
	}
	if !opts.Address.IsValid() {
		opts.Address = netip.MustParsePrefix("192.168.77.20/24")
	}
	if opts.Systemd {
		if opts.Detach || opts.Root != "" {
			return nil, errors.New("make a private host: Systemd goes with neither Detach nor Root")
		}
		opts.Packages = append(slices.Clone(opts.Packages), "systemd")
	}
	if opts.Root == "" {
		if opts.Root, err = Rootfs(opts.Packages); err != nil {
			return nil, err
		}
	}
	h := &Host{dir: opts.Dir, drop: opts.DropCapabilities}
	if h.dir == "" {
		if h.dir, err = os.MkdirTemp("", dirPrefix); err != nil {
			return nil, fmt.Errorf("make a folder for the host: %w", err)
		}
		h.ownsDir = true
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if err := h.net.createLAN(); err != nil {
		return nil, err
	}
	setup := initConfig{Dir: h.dir, Hostname: opts.Name, Root: opts.Root, Binds: opts.Binds, Detach: opts.Detach, Systemd: opts.Systemd}
	if opts.SmallDisk.Path != "" {
		d, err := opts.SmallDisk.attach(h.dir)
		if err != nil {
			return nil, err
		}
		if d.Loop != "" {
			h.loops = append(h.loops, d.Loop)
		}
		setup.Disk = &d
	}
	finish, err := h.startInit(setup)
	if err != nil {
		return nil, err
	}
	if h.cgroups, err = createCgroups(filepath.Base(h.dir), h.pid); err != nil {
		return nil, err
	}
	if err := h.net.plugIn(h.pid, opts.Address, opts.NoDefaultRoute); err != nil {
		return nil, err
	}
	if err := finish(); err != nil {
		return nil, err
	}
	return h, h.save()
}

func (h *Host) save() error {
	started, err := startTime(h.pid)
	if err != nil {
		return err
	}
	b, err := json.Marshal(record{PID: h.pid, Started: started, Address: h.net.address, Route: h.net.route, Drop: h.drop, Cgroups: h.cgroups, Loops: h.loops})
	if err != nil {
		return fmt.Errorf("write the host's record: %w", err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "host.json"), b, 0o600); err != nil {
		return fmt.Errorf("write the host's record: %w", err)
	}
	return nil
}

// Attach returns the detached host whose files lie in dir.
func Attach(dir string) (*Host, error) {
	b, err := os.ReadFile(filepath.Join(dir, "host.json"))
	if err != nil {
		return nil, fmt.Errorf("attach to host: %w", err)
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("attach to host in %s: %w", dir, err)
	}
	h := &Host{dir: dir, ownsDir: true, drop: r.Drop, cgroups: r.Cgroups, loops: r.Loops}
	if started, err := startTime(r.PID); err != nil || started != r.Started {
		return h, fmt.Errorf("attach to host in %s: %w", dir, ErrGone)
	}
	h.pid, h.net.route = r.PID, r.Route
	if err := h.net.attach(h.pid, r.Address); err != nil {
		return nil, err
	}
	return h, nil
}

const dirPrefix = "benchtop-testhost-"

// sweep removes what hosts left whose maker was killed: such a host died too,
// but its folder and cgroups stayed.
func sweep() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	if err != nil {
		return
	}
	for _, d := range dirs {
		h, err := Attach(d)
		switch {
		case err == nil:
			_ = h.net.close()
		case errors.Is(err, ErrGone):
			_ = h.Close() // the next one tries again
		}
	}
}

// ErrGone says that a detached host's init no longer runs. The Host that
// Attach returns with it can only be closed.
var ErrGone = errors.New("the host no longer runs")

// Dir is the host's folder on the machine.
func (h *Host) Dir() string { return h.dir }

// PID is the process id of the host's init as the machine sees it.
func (h *Host) PID() int { return h.pid }

// Address is the host's address on its LAN.
func (h *Host) Address() netip.Addr { return h.net.address.Addr() }

// Router is the address that the LAN has in the host's network.
func (h *Host) Router() netip.Addr { return router(h.net.address).Addr() }

// Path returns where on the machine a path under the host's /var lies. Only
// /var is a plain directory; everything else is mounted inside the host.
func (h *Host) Path(inside string) string {
	return filepath.Join(h.dir, filepath.Clean("/"+inside))
}

// Close ends every process of the host and removes what it left on the
// machine. It goes on past failures and returns them joined.
func (h *Host) Close() error {
	var errs []error
	if h.pid != 0 {
		if err := killAndWait(h.pid, h.init); err != nil {
			errs = append(errs, err)
		}
		h.pid, h.init = 0, nil
		if h.release != nil {
			close(h.release)
		}
	}
	errs = append(errs, h.net.close(), removeCgroups(h.cgroups))
	for _, l := range h.loops {
		errs = append(errs, detachLoop(l, h.dir))
	}
	if h.ownsDir {
		if err := os.RemoveAll(h.dir); err != nil {
			errs = append(errs, fmt.Errorf("remove the host's folder: %w", err))
		}
	}
	return errors.Join(errs...)
}

// killAndWait kills a host's init. The kernel kills the rest of its pid
// namespace, and the init is gone only when all of them are.
func killAndWait(pid int, cmd *exec.Cmd) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("find the host's init: %w", err)
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the host's init: %w", err)
	}
	if cmd != nil {
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			return fmt.Errorf("wait for the host's init: %w", err)
		}
		return nil
	}
	return eventually(15*time.Second, func() error {
		if _, err := startTime(pid); err == nil {
			return fmt.Errorf("the host's init (pid %d) does not end", pid)
		}
		return nil
	})
}

// startTime returns the start time of a live process in clock ticks since
// boot, as /proc prints it.
func startTime(pid int) (string, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", fmt.Errorf("look at process %d: %w", pid, err)
	}
	// The command's name may hold anything, parentheses too: fields are
	// counted from its last one.
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 20 || f[0] == "Z" {
		return "", fmt.Errorf("look at process %d: it has ended", pid)
	}
	return f[19], nil
}

// eventually repeats f until it succeeds, and returns its last error when it
// has not within d.
func eventually(d time.Duration, f func() error) error {
	deadline := time.Now().Add(d)
	for {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
