package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/gpu"
	"github.com/benchtop-lab/benchtop/embedded/gpu/simulated"
)

// lab is what runs in place of a lab: a kubelet and the agent, set up as the
// DaemonSet of embedded/cluster/manifests/gpu.yaml sets it up.
type lab struct {
	opts    options
	image   string // the image's files, which nobody changes
	runc    string
	host    gpu.Host
	unit    *gpu.Unit
	kubelet *kubelet
	agent   *gpu.Agent
	process *exec.Cmd
	ended   chan error
	metrics string // address
	stops   []func()
	started time.Time // of the agent
	overlay int       // how many there are
	// rootless is runc's flag: "auto", or "true" where cgroups can't be written.
	rootless string
}

// dir is a folder in the temporary one.
func (l *lab) dir(name string) string { return filepath.Join(l.opts.Dir, name) }

// open finds the driver and starts everything. The lab that it returns has to be
// closed, also after an error.
func open(ctx context.Context, o options, t *table) (*lab, error) {
	l := &lab{opts: o, image: filepath.Join(o.Dir, "image"), rootless: "auto"}
	// Of memory, because an overlay can't be written into another overlay, which
	// the machine's own root may be.
	if err := os.Mkdir(l.dir("scratch"), 0o700); err != nil {
		return l, err
	}
	if err := unix.Mount("tmpfs", l.dir("scratch"), "tmpfs", 0, "mode=0755"); err != nil {
		return l, fmt.Errorf("mount a tmpfs, which needs the capability SYS_ADMIN: %w", err)
	}
	var err error
	if l.runc, err = fetch(o, l.image, l.dir("bin")); err != nil {
		return l, err
	}
	cfg := gpu.Config{Dir: l.dir("gpu"), Use: func(context.Context) (map[gpu.PodName]gpu.PodUse, error) { return nil, nil }}
	if o.Simulate != "" {
		if cfg.Simulate, err = simulated.Parse(o.Simulate); err != nil {
			return l, err
		}
		t.pass("driver", "simulated: %s", cfg.Simulate)
	} else {
		if l.host, err = gpu.Look("/", o.DriverRoot); err != nil {
			return l, err
		}
		if l.host.Driver.Root == "" {
			return l, errors.New(l.host.Lacks())
		}
		cfg.Driver = l.host.Driver
		t.check(l.host.Usable(), "driver", "%s below %s, libraries in %s, module %s, %d cards on the PCI bus, nodes %s", cfg.Driver.Version, cfg.Driver.Root, cfg.Driver.Folder, l.host.Module, len(l.host.Cards), strings.Join(l.host.Nodes, " "))
		for _, f := range l.host.Check() {
			if f.Level != mlops.LevelOK {
				t.skip("doctor would say", "%s", f.Detail)
			}
		}
	}
	l.unit = gpu.NewUnit(cfg)
	if err := l.run(ctx, l.unit); err != nil {
		return l, err
	}
	if l.kubelet, err = startKubelet(ctx, l.dir("kubelet")); err != nil {
		return l, err
	}
	l.stops = append(l.stops, l.kubelet.stop)
	return l, l.startAgent()
}

// run runs the appliance's part until the lab is closed.
func (l *lab) run(ctx context.Context, u *gpu.Unit) error {
	ctx, cancel := context.WithCancel(ctx)
	h, ready := supervise.NewHandle(os.Stderr)
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx, h) }()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		return err
	}
	l.stops = append(l.stops, func() { cancel(); <-done })
	return nil
}

// startAgent runs the image's entrypoint with the mounts of its pod.
func (l *lab) startAgent() error {
	root, err := l.overlayOf(l.image)
	if err != nil {
		return err
	}
	for _, d := range []string{"cdi", "own/device-plugins", "own/tmp"} {
		if err := os.MkdirAll(l.dir(d), 0o755); err != nil {
			return err
		}
	}
	const plain, recursive, readOnly = unix.MS_BIND, unix.MS_BIND | unix.MS_REC, unix.MS_BIND | unix.MS_REC | unix.MS_RDONLY
	for _, m := range []struct {
		from, to string
		flags    uintptr
	}{
		{l.unit.DriverRoot(), "driver-root", readOnly},
		{"/proc", "proc", recursive}, {"/sys", "sys", recursive}, {"/dev", "dev", recursive},
		{l.unit.Dir(), "gpu", recursive},
		{l.dir("kubelet"), "kubelet", plain},
		{l.dir("cdi"), "var/run/cdi", plain},
		{l.dir("own/device-plugins"), "var/lib/kubelet/device-plugins", plain},
		{l.dir("own/tmp"), "tmp", plain},
	} {
		to := filepath.Join(root, m.to)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.from, to, "", m.flags&^unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("show the agent %s at /%s: %w", m.from, m.to, err)
		}
		if m.flags&unix.MS_RDONLY != 0 {
			if err := unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
				return fmt.Errorf("show the agent %s read-only: %w", m.from, err)
			}
		}
	}
	// Not 9400: the machine may have an exporter.
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	l.metrics = lis.Addr().String()
	lis.Close()

	log, err := os.Create(l.dir("agent.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("/usr/bin/gpu-agent", "-metrics", l.metrics)
	cmd.Env = []string{"PATH=/usr/bin", "HOST_GPU_DIR=" + l.unit.Dir(), "DRIVER_ROOT=" + l.unit.DriverRoot(), "NODE_NAME=gpucheck"}
	if l.unit.Simulated() {
		cmd.Env = append(cmd.Env, "SIMULATED=true")
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Pdeathsig: syscall.SIGKILL}
	l.started = time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	l.process, l.agent, l.ended = cmd, l.unit.Agent(), make(chan error, 1)
	go func() { l.ended <- cmd.Wait() }()
	return nil
}

func (l *lab) agentLog() string {
	b, err := os.ReadFile(l.dir("agent.log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// close ends all processes; the mounts end with this one.
func (l *lab) close() {
	if l.process != nil {
		l.process.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		select {
		case <-l.ended:
		case <-time.After(5 * time.Second):
			l.process.Process.Kill() //nolint:errcheck // it may have ended
			<-l.ended
		}
	}
	for _, stop := range l.stops {
		stop()
	}
}

// overlayOf returns a folder that looks like another and can be written to.
func (l *lab) overlayOf(lower string) (string, error) {
	l.overlay++
	dir := l.dir(fmt.Sprintf("scratch/%d", l.overlay))
	for _, d := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return "", err
		}
	}
	root := filepath.Join(dir, "root")
	err := unix.Mount("overlay", root, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, filepath.Join(dir, "upper"), filepath.Join(dir, "work")))
	if err != nil {
		return "", fmt.Errorf("lay an overlay over %s: %w", lower, err)
	}
	return root, nil
}

// scrape reads the exporter's page.
func (l *lab) scrape(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.metrics+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("scrape the exporter: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("scrape the exporter: %s: %.200s", resp.Status, b)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the exporter's page: %w", err)
	}
	return families, nil
}

// series returns the value of a metric for a GPU and its labels.
func series(families map[string]*dto.MetricFamily, name, uuid string) (value float64, labels map[string]string, ok bool) {
	for _, m := range families[name].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["UUID"] == uuid {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue(), labels, true
		}
	}
	return 0, nil, false
}
