package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"tags.cncf.io/container-device-interface/pkg/cdi"
)

// container is one that runc runs.
type container struct {
	root  string // its files; it gets a copy that it may write to
	binds []string
	args  []string
	env   []string
	// devices are the names of CDI devices.
	devices []string
	// files gives it all that the CDI spec has for every device, and no device.
	files bool
}

// result is what a container did.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("code %d, %.300s %.600s", r.code, strings.TrimSpace(r.stdout), strings.TrimSpace(r.stderr))
}

// cache reads the CDI specs that the device plugin has written.
func (l *lab) cache() (*cdi.Cache, error) {
	c, err := cdi.NewCache(cdi.WithSpecDirs(l.dir("cdi")), cdi.WithAutoRefresh(false))
	if err != nil {
		return nil, fmt.Errorf("read the CDI specs: %w", err)
	}
	for path, errs := range c.GetErrors() {
		return nil, fmt.Errorf("read the CDI spec %s: %w", path, errors.Join(errs...))
	}
	return c, nil
}

// cdiSpecs are those of the plugin.
func cdiSpecs(c *cdi.Cache) (out []*cdi.Spec) {
	for _, vendor := range c.ListVendors() {
		out = append(out, c.GetVendorSpecs(vendor)...)
	}
	return out
}

// spec describes a container as containerd would: the devices' CDI edits over a
// plain container. It has no limits, so that it also runs where cgroups can't be
// written.
func (l *lab) spec(c container, root string) (*specs.Spec, error) {
	caps := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID", "CAP_KILL"}
	s := &specs.Spec{
		Version: specs.Version,
		Process: &specs.Process{
			Args: c.args, Cwd: "/", NoNewPrivileges: true,
			Env:          append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/tmp"}, c.env...),
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		},
		Root: &specs.Root{Path: root},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "mode=1777"}},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}},
			Resources:  &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
		},
	}
	for _, b := range c.binds {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: b, Type: "bind", Source: b, Options: []string{"rbind", "ro"}})
	}
	cache, err := l.cache()
	if err != nil {
		return nil, err
	}
	if c.files {
		for _, spec := range cdiSpecs(cache) {
			if err := (&cdi.ContainerEdits{ContainerEdits: &spec.ContainerEdits}).Apply(s); err != nil {
				return nil, fmt.Errorf("apply the CDI spec's edits for all devices: %w", err)
			}
		}
	}
	if len(c.devices) > 0 {
		if missing, err := cache.InjectDevices(s, c.devices...); err != nil {
			return nil, fmt.Errorf("apply the CDI devices (missing: %v): %w", missing, err)
		}
	}
	return s, nil
}

// start runs a container. The function that it returns waits for its end.
func (l *lab) start(ctx context.Context, c container) (wait func() (result, error), err error) {
	root, err := l.overlayOf(c.root)
	if err != nil {
		return nil, err
	}
	// NVIDIA's hook refuses containers that lack it. The image gpu does.
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		return nil, err
	}
	s, err := l.spec(c, root)
	if err != nil {
		return nil, err
	}
	// The id names the bundle's folder and the container's cgroup.
	id := fmt.Sprintf("%s-%d", filepath.Base(l.opts.Dir), l.overlay)
	bundle := l.dir("bundle/" + id)
	if err := os.MkdirAll(bundle, 0o711); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o600); err != nil {
		return nil, err
	}
	run := func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, l.runc, append([]string{"--root", l.dir("runc"), "--rootless=" + l.rootless}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	var stdout, stderr bytes.Buffer
	cmd := run(ctx, "run", "--bundle", bundle, id)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // runc passes it on
	cmd.WaitDelay = 3 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start runc: %w", err)
	}
	return func() (result, error) {
		err := cmd.Wait()
		// What is left of it, if runc itself was killed.
		run(context.WithoutCancel(ctx), "delete", "--force", id).Run() //nolint:errcheck // it has ended as a rule
		r := result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return r, fmt.Errorf("run a container: %w", err)
		}
		return r, ctx.Err()
	}, nil
}

// runToEnd runs a container and waits for its end.
func (l *lab) runToEnd(ctx context.Context, c container) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	wait, err := l.start(ctx, c)
	if err != nil {
		return result{}, err
	}
	return wait()
}

// tryRunc finds out whether runc works here at all.
func (l *lab) tryRunc(ctx context.Context, t *table) error {
	// The hook of the image stands for any program: it says its version.
	c := container{root: l.image, args: []string{"/usr/bin/nvidia-cdi-hook", "--version"}}
	r, err := l.runToEnd(ctx, c)
	if err == nil && r.code != 0 && strings.Contains(r.stderr, "cgroup") {
		t.skip("cgroups", "can't be written here, so containers run without: %s", r)
		l.rootless = "true"
		r, err = l.runToEnd(ctx, c)
	}
	if err == nil && r.code != 0 {
		err = fmt.Errorf("runc can't run a container on this machine: %s", r)
	}
	return err
}
