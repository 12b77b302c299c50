package testhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// initConfig is what the host's init is told.
type initConfig struct {
	Dir      string        `json:"dir"`
	Hostname string        `json:"hostname"`
	Root     string        `json:"root"`
	Binds    []Bind        `json:"binds"`
	Disk     *attachedDisk `json:"disk,omitempty"`
	Cgroups  []hierarchy   `json:"cgroups"`
	Exe      string        `json:"exe"`
	Detach   bool          `json:"detach"`
	Systemd  bool          `json:"systemd"`
}

// The init's file descriptors beyond the standard ones.
const (
	fdConfig = 3 // reads its configuration
	fdAnswer = 4 // writes "ok" or what went wrong
	fdLAN    = 5 // the LAN's network namespace, which nothing else may hold
)

// startInit starts the host's init in new namespaces. It waits there until
// the returned function tells it to set up the inside; in between, its
// network can be plugged in and its cgroups made.
func (h *Host) startInit(cfg initConfig) (finish func() error, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the host: %w", err)
	}
	cfg.Exe = exe
	configR, configW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the host: %w", err)
	}
	answerR, answerW, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the host: %w", err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{roleInit}
	cmd.Env = []string{"GODEBUG=", "GOMAXPROCS=1"}
	cmd.ExtraFiles = []*os.File{configR, answerW, h.net.lan}
	logFile, err := os.Create(h.dir + "/init.log")
	if err != nil {
		return nil, fmt.Errorf("start the host: %w", err)
	}
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	err = h.startKept(cmd)
	err = errors.Join(err, configR.Close(), answerW.Close(), logFile.Close())
	if err != nil {
		return nil, fmt.Errorf("start the host: %w", errors.Join(err, configW.Close(), answerR.Close()))
	}
	h.init, h.pid = cmd, cmd.Process.Pid
	return func() (err error) {
		defer func() { err = errors.Join(err, configW.Close()) }()
		cfg.Cgroups, err = hierarchies()
		if err != nil {
			return err
		}
		if err := json.NewEncoder(configW).Encode(cfg); err != nil {
			return fmt.Errorf("set up the host: %w", err)
		}
		b, err := io.ReadAll(answerR)
		if err := errors.Join(err, answerR.Close()); err != nil {
			return fmt.Errorf("set up the host: %w", err)
		}
		if s := string(b); s != "ok" {
			if s == "" {
				log, _ := os.ReadFile(h.dir + "/init.log") // best effort: only adds to the message
				s = "its init ended: " + strings.TrimSpace(string(log))
			}
			return fmt.Errorf("set up the host: %s", s)
		}
		return nil
	}, nil
}

// startKept starts the init from a thread that lives as long as the host: the
// init asks to be killed when its parent dies, and a parent is a thread.
func (h *Host) startKept(cmd *exec.Cmd) error {
	h.release = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- cmd.Start()
		<-h.release
	}()
	return <-started
}

// runInit is process 1 of a host.
func runInit() (int, error) {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	config := os.NewFile(fdConfig, "config")
	answer := os.NewFile(fdAnswer, "answer")
	for _, fd := range []int{fdConfig, fdAnswer, fdLAN} {
		unix.CloseOnExec(fd)
	}
	var cfg initConfig
	if err := json.NewDecoder(config).Decode(&cfg); err != nil {
		return 1, fmt.Errorf("read the configuration: %w", err)
	}
	if !cfg.Detach {
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
			return 1, fmt.Errorf("tie the host to its maker: %w", err)
		}
	}
	result := "ok"
	if err := setUpInside(cfg); err != nil {
		result = err.Error()
	}
	if _, err := answer.WriteString(result); err != nil {
		return 1, fmt.Errorf("answer: %w", err)
	}
	if err := answer.Close(); err != nil || result != "ok" {
		return 1, err
	}
	if cfg.Systemd {
		return 1, syscall.Exec("/lib/systemd/systemd", []string{"systemd"}, append(Env, "container=testhost"))
	}
	return reap()
}

// reap waits for orphans for ever: that is what an init is for.
func reap() (int, error) {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.ECHILD) || err == nil && pid == 0:
			<-children
		case err != nil:
			return 1, fmt.Errorf("wait for orphans: %w", err)
		}
	}
}
