package testhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Env is the environment of commands inside a host unless they set their own.
var Env = []string{"PATH=" + searchPath, "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"}

const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// enterConfig is what the entering process is told as its first argument.
type enterConfig struct {
	PID     int      `json:"pid"` // the host's init
	Drop    []string `json:"drop,omitempty"`
	NetOnly bool     `json:"net_only,omitempty"` // join the network and nothing else
	NetNS   string   `json:"netns"`
}

// Command prepares a command that will run inside the host as root, with Env as
// its environment unless Env is set on the returned command. name is looked up
// inside. SIGINT, SIGTERM, SIGHUP, SIGQUIT and the user signals sent to it
// reach the command. Killing it kills the command by SIGKILL, and nothing else:
// processes that the command started live on in the host.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return h.command(ctx, enterConfig{PID: h.pid, Drop: h.drop, NetNS: fmt.Sprintf("/proc/%d/ns/net", h.pid)}, name, args)
}

// InNetwork prepares a command with the machine's files, processes and
// environment that sees the host's network as its own: a browser that must
// not be installed in the host.
func (h *Host) InNetwork(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := h.command(ctx, enterConfig{PID: h.pid, NetOnly: true, NetNS: fmt.Sprintf("/proc/%d/ns/net", h.pid)}, name, args)
	cmd.Env = os.Environ()
	return cmd
}

// OnLAN prepares a command like InNetwork's, on the client machine.
func (h *Host) OnLAN(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := h.command(ctx, enterConfig{PID: h.pid, NetOnly: true, NetNS: h.net.lanPath(h.pid)}, name, args)
	cmd.Env = os.Environ()
	return cmd
}

func (h *Host) command(ctx context.Context, cfg enterConfig, name string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	b, err := json.Marshal(cfg)
	if err != nil {
		cmd.Err = fmt.Errorf("enter the host: %w", err)
	}
	cmd.Args = append([]string{roleEnter, string(b), name}, args...)
	cmd.Env = Env
	return cmd
}

// Run runs a command inside and returns what it wrote to its standard output.
// The error of a failed command carries what it wrote to the other one.
func (h *Host) Run(ctx context.Context, name string, args ...string) (string, error) {
	out, err := h.Command(ctx, name, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(exit.Stderr)))
	} else if err != nil {
		return string(out), fmt.Errorf("run %s: %w", name, err)
	}
	return string(out), nil
}

// runEnter joins a host's namespaces and runs a command there.
func runEnter() (int, error) {
	var cfg enterConfig
	if len(os.Args) < 3 {
		return 125, errors.New("enter a host: no command given")
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &cfg); err != nil {
		return 125, fmt.Errorf("enter the host: %w", err)
	}
	if err := enter(cfg); err != nil {
		return 125, fmt.Errorf("enter the host: %w", err)
	}
	for _, name := range cfg.Drop {
		c, err := capability(name)
		if err != nil {
			return 125, err
		}
		// A capability outside of the bounding set cannot come back when a
		// program is executed.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return 125, fmt.Errorf("drop %s: %w", name, err)
		}
	}
	path, err := exec.LookPath(os.Args[2])
	if err != nil {
		return 127, err
	}
	// Listen before the start, so that no signal is lost in between.
	signals := make(chan os.Signal, 8)
	forward := []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err != nil {
		// A terminal sends these to the command itself.
		forward = append(forward, syscall.SIGINT, syscall.SIGQUIT)
	} else {
		signal.Ignore(syscall.SIGINT, syscall.SIGQUIT)
	}
	signal.Notify(signals, forward...)
	// The command must die with this process. The kernel offers that to a
	// child that asks for it, and Go's own way to ask takes the parent for
	// dead when it cannot see it, across pid namespaces.
	program := AppletPath
	if cfg.NetOnly {
		program = "/proc/self/exe"
	}
	p, err := os.StartProcess(program, append([]string{roleExec, path}, os.Args[2:]...), &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return 126, err
	}
	go func() {
		for s := range signals {
			_ = p.Signal(s) // it may just have ended
		}
	}()
	state, err := p.Wait()
	if err != nil {
		return 125, err
	}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return state.ExitCode(), nil
}

// runExec becomes the command that its arguments name.
func runExec() (int, error) {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return 125, fmt.Errorf("tie the command to its parent: %w", err)
	}
	if len(os.Args) < 3 {
		return 125, errors.New("no command given")
	}
	return 126, syscall.Exec(os.Args[1], os.Args[2:], os.Environ())
}

func enter(cfg enterConfig) error {
	join := func(path string, kind int) error {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", path, err)
		}
		if err := unix.Setns(fd, kind); err != nil {
			return fmt.Errorf("join %s: %w", path, err)
		}
		return unix.Close(fd)
	}
	if cfg.NetOnly {
		return join(cfg.NetNS, unix.CLONE_NEWNET)
	}
	hs, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range hs {
		dir, err := h.ownCgroup(cfg.PID)
		if err != nil {
			return err
		}
		if err := joinCgroup(dir, 0); err != nil {
			return err
		}
	}
	// The thread shares its root directory with its siblings until told
	// otherwise, and such threads may not change mounts.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("part from the other threads: %w", err)
	}
	base := "/proc/" + strconv.Itoa(cfg.PID) + "/ns/"
	for _, ns := range []struct {
		name string
		kind int
	}{{"uts", unix.CLONE_NEWUTS}, {"ipc", unix.CLONE_NEWIPC}, {"net", unix.CLONE_NEWNET}, {"cgroup", unix.CLONE_NEWCGROUP}, {"pid", unix.CLONE_NEWPID}, {"mnt", unix.CLONE_NEWNS}} {
		if err := join(base+ns.name, ns.kind); err != nil {
			return err
		}
	}
	return nil
}

// capability returns the number of a capability from its name.
func capability(name string) (uintptr, error) {
	known := map[string]uintptr{"CAP_SYS_RESOURCE": unix.CAP_SYS_RESOURCE, "CAP_SYS_MODULE": unix.CAP_SYS_MODULE,
		"CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, "CAP_NET_ADMIN": unix.CAP_NET_ADMIN, "CAP_SYS_TIME": unix.CAP_SYS_TIME,
		"CAP_SYS_BOOT": unix.CAP_SYS_BOOT, "CAP_SYSLOG": unix.CAP_SYSLOG, "CAP_NET_RAW": unix.CAP_NET_RAW}
	c, ok := known[name]
	if !ok {
		return 0, fmt.Errorf("drop capability %s: not one this package knows", name)
	}
	return c, nil
}
