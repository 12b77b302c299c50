package testhost

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// initConfig is what the host's init is told on its lifeline.
type initConfig struct {
	Dir      string        `json:"dir"`
	Hostname string        `json:"hostname"`
	Root     string        `json:"root"`
	Binds    []Bind        `json:"binds"`
	Disk     *attachedDisk `json:"disk,omitempty"`
	Cgroups  []hierarchy   `json:"cgroups"`
	Exe      string        `json:"exe"`
	Detach   bool          `json:"detach"`
}

// The init's file descriptors beyond the standard ones.
const (
	fdLifeline = 3 // reads its configuration; end of file ends the host
	fdAnswer   = 4 // writes "ok" or what went wrong
	fdLAN      = 5 // the LAN's network namespace, which nothing else may hold
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
	lineR, lineW, err := os.Pipe()
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
	cmd.ExtraFiles = []*os.File{lineR, answerW, h.net.lan}
	logFile, err := os.Create(h.dir + "/init.log")
	if err != nil {
		return nil, fmt.Errorf("start the host: %w", err)
	}
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	err = cmd.Start()
	err = errors.Join(err, lineR.Close(), answerW.Close(), logFile.Close())
	if err != nil {
		return nil, fmt.Errorf("start the host: %w", errors.Join(err, lineW.Close(), answerR.Close()))
	}
	h.init, h.pid, h.lifeline = cmd, cmd.Process.Pid, lineW
	return func() error {
		cfg.Cgroups, err = hierarchies()
		if err != nil {
			return err
		}
		if err := json.NewEncoder(lineW).Encode(cfg); err != nil {
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

// runInit is process 1 of a host.
func runInit() (int, error) {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	lifeline := os.NewFile(fdLifeline, "lifeline")
	answer := os.NewFile(fdAnswer, "answer")
	for _, fd := range []int{fdLifeline, fdAnswer, fdLAN} {
		unix.CloseOnExec(fd)
	}
	var cfg initConfig
	if err := json.NewDecoder(lifeline).Decode(&cfg); err != nil {
		return 1, fmt.Errorf("read the configuration: %w", err)
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
	if !cfg.Detach {
		go func() {
			_, _ = io.Copy(io.Discard, lifeline) // any end of it ends the host
			os.Exit(0)
		}()
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
