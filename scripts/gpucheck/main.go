// Command gpucheck tries on one machine everything that the lab does with GPUs,
// without Kubernetes: it runs the image gpu (NVIDIA's device plugin, GPU Feature
// Discovery, our agent and exporter) against a kubelet of its own, gives the
// devices to containers of plain runc, and holds all that is said of the GPUs
// against nvidia-smi. It needs root, and changes nothing on the machine: no MIG,
// clocks, power limits or persistence; its mounts are private and its files lie
// in a temporary folder.
//
//	scripts/gpucheck/run                        the machine's GPUs
//	scripts/gpucheck/run -simulate 2xA100-80GB  simulated ones: the same, but for computing
//	scripts/gpucheck/run -prepare               only build what it needs, in dist/gpucheck
//	scripts/gpucheck/run -prepared              only run, where there is neither Go nor a network
//
// It ends with code 0 if nothing failed, 1 if something did, and 2 if it could
// not begin.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// options are those of the command line, with absolute paths.
type options struct {
	Bundle     string        `json:"bundle"`
	Image      string        `json:"image"`
	Runc       string        `json:"runc"`
	Simulate   string        `json:"simulate"`
	DriverRoot string        `json:"driver_root"`
	Python     string        `json:"python"`
	Load       time.Duration `json:"load"`
	Dir        string        `json:"dir"` // temporary, made by the process outside
}

// insideEnv carries the options to the process that has mounts of its own.
const insideEnv = "GPUCHECK_INSIDE"

// A child that is to end with its maker ends with the thread that made it, so
// the first thread makes them all.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if text := os.Getenv(insideEnv); text != "" {
		var o options
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			fatal(err)
		}
		os.Exit(inside(ctx, o))
	}
	var o options
	flag.StringVar(&o.Bundle, "bundle", "dist/benchtop", "`where` image gpu and runc are: a folder that scripts/bundle made, or a built benchtop")
	flag.StringVar(&o.Image, "image", "", "the image gpu as an OCI layout, a `tar`, in place of the bundle's")
	flag.StringVar(&o.Runc, "runc", "", "the `program` runc, in place of the bundle's")
	flag.StringVar(&o.Simulate, "simulate", "", "check simulated GPUs, for example 2xA100-80GB, and not the machine's")
	flag.StringVar(&o.DriverRoot, "driver-root", "", "the `folder` below which NVIDIA's driver is installed (default: it is looked for)")
	flag.StringVar(&o.Python, "python", "python3", "a `program`: if it can import torch, a container computes with it")
	flag.DurationVar(&o.Load, "load", 15*time.Second, "how long to compute")
	timeout := flag.Duration("timeout", 4*time.Minute, "give up after this time")
	flag.Parse()
	if flag.NArg() > 0 {
		fatal(fmt.Errorf("unexpected argument %q: there are flags only, see -help", flag.Arg(0)))
	}
	if os.Geteuid() != 0 {
		fatal(errors.New("this needs root, to mount and to make containers: run it with sudo"))
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	code, err := outside(ctx, o, os.Stdout, os.Stderr)
	if err != nil {
		fatal(err)
	}
	os.Exit(code)
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "gpucheck:", err)
	os.Exit(2)
}

// outside runs the program again with mounts of its own, and clears up after it.
func outside(ctx context.Context, o options, stdout, stderr io.Writer) (code int, err error) {
	for _, path := range []*string{&o.Bundle, &o.Image, &o.Runc} {
		if *path != "" {
			if *path, err = filepath.Abs(*path); err != nil {
				return 0, err
			}
		}
	}
	if o.Dir, err = os.MkdirTemp("", "gpucheck"); err != nil {
		return 0, fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, remove(o.Dir)) }()
	text, err := json.Marshal(o)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), insideEnv+"="+string(text))
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL, Setpgid: true}
	err = cmd.Run()
	if errors.Is(err, syscall.EPERM) && cmd.ProcessState == nil {
		return 0, errors.New("this shell may not make mounts of its own, because it lacks CAP_SYS_ADMIN: run it on the machine itself or in a privileged container")
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// remove removes the temporary folder, unless something is still mounted below:
// it would be emptied too.
func remove(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("leave %s as it is: %w", dir, err)
	}
	if strings.Contains(string(mounts), " "+dir+"/") {
		return fmt.Errorf("leave %s as it is: something is still mounted below it", dir)
	}
	return os.RemoveAll(dir)
}

// inside does all checks and returns the exit code.
func inside(ctx context.Context, o options) int {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		fmt.Fprintln(os.Stderr, "gpucheck: make mounts private:", err)
		return 2
	}
	var t table
	l, err := open(ctx, o, &t)
	if err == nil {
		err = l.checks(ctx, &t)
	}
	if err != nil {
		t.fail("everything else", "%v", err)
		if l != nil {
			fmt.Fprintf(os.Stderr, "\nthe agent's last words:\n%s\n", l.agentLog())
		}
	}
	if l != nil {
		l.close()
	}
	return t.print(os.Stdout)
}
