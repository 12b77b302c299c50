// Command agent runs NVIDIA's device plugin on a node, watches over the GPUs and
// tells the appliance about them. DESIGN.md in the folder above says why.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// options say where things are. The defaults are those of the image and of its
// DaemonSet.
type options struct {
	gpuDir     string // the host's folder for GPUs, as mounted
	driverRoot string // the driver's root, as mounted
	kubelet    string // the kubelet's folder, as mounted
	pluginDir  string // where the plugin looks for the kubelet
	temp       string
	plugin     string
	discovery  string
	hook       string
	sim        string
	metrics    string // address
	settling   time.Duration

	hostGPUDir string // what the host calls gpuDir
	hostRoot   string // what the host calls driverRoot
	node       string
	simulated  bool
	load       func(path string) nvml.Interface
}

func main() {
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	opts := options{
		hostGPUDir: os.Getenv("HOST_GPU_DIR"), hostRoot: os.Getenv("DRIVER_ROOT"), node: os.Getenv("NODE_NAME"),
		simulated: os.Getenv("SIMULATED") == "true",
		load:      func(path string) nvml.Interface { return nvml.New(nvml.WithLibraryPath(path)) },
	}
	flag.StringVar(&opts.gpuDir, "gpu-dir", "/gpu", "the `folder` of the host that HOST_GPU_DIR names, as mounted")
	flag.StringVar(&opts.driverRoot, "driver-root", "/driver-root", "the `folder` of the host that DRIVER_ROOT names, as mounted")
	flag.StringVar(&opts.kubelet, "kubelet", "/kubelet", "the kubelet's `folder`, as mounted")
	flag.StringVar(&opts.pluginDir, "plugin-dir", "/var/lib/kubelet/device-plugins", "the `folder` in which the device plugin looks for the kubelet")
	flag.StringVar(&opts.temp, "temp", os.TempDir(), "`folder` for files that need not stay")
	flag.StringVar(&opts.plugin, "device-plugin", "/usr/bin/nvidia-device-plugin", "NVIDIA's device plugin, a `program`")
	flag.StringVar(&opts.discovery, "feature-discovery", "/usr/bin/gpu-feature-discovery", "NVIDIA's GPU Feature Discovery, a `program`")
	flag.StringVar(&opts.hook, "cdi-hook", "/usr/bin/nvidia-cdi-hook", "NVIDIA's CDI hook, a `program`")
	flag.StringVar(&opts.sim, "simulated-files", "/sim", "the `folder` with the simulated driver's files")
	flag.StringVar(&opts.metrics, "metrics", ":9400", "the `address` to serve /metrics at")
	flag.DurationVar(&opts.settling, "settling", settling, "how long a GPU stays unhealthy after an error, at least")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q: there are flags only, see -help", flag.Arg(0))
	}
	for name, v := range map[string]string{"HOST_GPU_DIR": opts.hostGPUDir, "DRIVER_ROOT": opts.hostRoot} {
		if v == "" {
			log.Fatalf("the environment variable %s is missing: expected a folder of the host", name)
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(32 << 20)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	a := newAgent(opts)
	err := a.run(ctx)
	if errors.Is(err, errReplaced) {
		log.Print("the driver was changed: starting anew with its new library")
		err = syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	if err != nil {
		log.Fatal(err)
	}
}

// agent is everything together.
type agent struct {
	opts    options
	driver  *driver
	health  *health
	proxy   *proxy
	plugin  *plugin
	holders *holders
	metrics *exporter

	ctx      context.Context
	stopping <-chan struct{}
	replaced chan struct{} // the driver's library is another

	reservation time.Duration

	opMu       sync.Mutex    // one change of configuration or partitions at a time
	reserved   *time.Timer   // tells the kubelet that a reservation is over; guarded by opMu
	discoverMu sync.Mutex    // one run of GPU Feature Discovery at a time
	watchMu    sync.Mutex    // who waits for events, or needs that nobody does
	events     nvml.EventSet // guarded by watchMu
	discovered time.Time     // the last try after GPU Feature Discovery failed; guarded by watchMu

	mu        sync.Mutex
	conf      config
	labels    map[string]string
	lost      string // problem: the driver does not answer any more
	nodes     string // problem: a device node is missing
	refused   string // problem: the configuration on disk can't be used
	discovery string // problem: the labels are not known
	gen       int64
	changed   chan struct{} // closed when gen grows
}

func newAgent(opts options) *agent {
	a := &agent{opts: opts, reservation: reservation, labels: map[string]string{}, changed: make(chan struct{}), replaced: make(chan struct{}, 1)}
	// A generation of an agent before must not look like one of this agent.
	a.gen = time.Now().UnixMilli()
	root := opts.driverRoot
	if opts.simulated {
		// The same files, but writable: the simulated driver keeps its partitions there.
		root = filepath.Join(opts.gpuDir, "driver")
	}
	a.driver = &driver{root: root, hostRoot: opts.hostRoot, load: opts.load}
	a.health = newHealth(opts.settling)
	a.proxy = newProxy(opts.pluginDir, filepath.Join(opts.kubelet, "device-plugins"), a.health.device, a.bump)
	a.holders = &holders{socket: filepath.Join(opts.kubelet, "pod-resources", "kubelet.sock"), mine: func(name string) bool {
		return strings.HasPrefix(name, "nvidia.com/")
	}}
	a.plugin = &plugin{path: opts.plugin, env: a.childEnv(), proxy: a.proxy, changed: a.bump, settled: a.nameParents, readyTime: readyTime,
		requests: make(chan request), args: a.pluginArgs}
	host := opts.node
	if host == "" {
		host, _ = os.Hostname()
	}
	a.metrics = &exporter{a: a, host: host, samples: map[string]gpmSample{}}
	return a
}

// pluginArgs are the arguments of NVIDIA's device plugin.
func (a *agent) pluginArgs() []string {
	args := []string{
		"--device-list-strategy=cdi-cri",
		"--nvidia-driver-root=" + a.opts.hostRoot,
		"--nvidia-dev-root=" + a.driver.devRoot(),
		"--driver-root-ctr-path=" + a.opts.driverRoot,
		"--nvidia-cdi-hook-path=" + filepath.Join(a.opts.hostGPUDir, hookName),
		"--fail-on-init-error=true",
	}
	if a.config().text != nil {
		args = append(args, "--config-file="+a.configFile())
	}
	return args
}

// bump tells those who wait that something structural changed.
func (a *agent) bump() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gen++
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *agent) generation() (int64, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gen, a.changed
}

// problem reads one of the agent's problems.
func (a *agent) problem(p *string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return *p
}

// setProblem sets one of the agent's problems and says whether it is another.
func (a *agent) setProblem(p *string, text string) bool {
	a.mu.Lock()
	same := *p == text
	*p = text
	a.mu.Unlock()
	if same {
		return false
	}
	if text != "" {
		log.Print(text)
	}
	a.bump()
	return true
}

// run serves until ctx ends. It returns errReplaced if the process has to be
// started anew.
func (a *agent) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	a.ctx, a.stopping = ctx, ctx.Done()
	if err := a.installHook(); err != nil {
		return err
	}
	if a.opts.simulated {
		if err := errors.Join(a.installSimulated(), a.mountProc()); err != nil {
			return err
		}
	}
	if err := a.loadConfig(); err != nil {
		a.setProblem(&a.refused, err.Error())
	}

	sock := filepath.Join(a.opts.gpuDir, "agent.sock")
	lis, err := listen(sock)
	if err != nil {
		return fmt.Errorf("serve the appliance: %w", err)
	}
	if err := os.Chmod(sock, 0o600); err != nil {
		return err
	}
	defer os.Remove(sock)
	serve := func(lis net.Listener, h http.Handler) *http.Server {
		s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		go s.Serve(lis) //nolint:errcheck // it ends by Close
		return s
	}
	defer serve(lis, a.api()).Close()

	metricsLis, err := net.Listen("tcp", a.opts.metrics)
	if err != nil {
		return fmt.Errorf("serve /metrics: %w", err)
	}
	defer serve(metricsLis, a.metricsPage()).Close()

	if err := a.proxy.serve(); err != nil {
		return err
	}
	defer a.proxy.stop()
	ended := make(chan struct{})
	go func() { a.plugin.run(ctx); close(ended) }()
	go a.watch(ctx)
	select {
	case <-ctx.Done():
		err = nil
	case <-a.replaced:
		err = errReplaced
	}
	stop()
	<-ended
	return err
}

func (a *agent) metricsPage() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(a.metrics)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

// replace asks for a new process.
func (a *agent) replace() {
	select {
	case a.replaced <- struct{}{}:
	default:
	}
}

// connect opens the driver and starts what needs it. watchMu is held.
func (a *agent) connect(ctx context.Context) {
	before := a.driver.trouble()
	err := a.driver.connect()
	if errors.Is(err, errReplaced) {
		a.replace()
		return
	}
	if now := a.driver.trouble(); now != before {
		if now != "" {
			log.Print(now)
		}
		a.bump()
	}
	if err != nil {
		return
	}
	a.health.setDown(false)
	a.setProblem(&a.lost, "")
	a.setProblem(&a.nodes, a.driver.missingNodes())
	if err := a.listen(); err != nil {
		log.Print(err)
	}
	if err := a.link(); err != nil {
		log.Print(err)
	}
	a.bump()
	go a.renew(ctx, "the driver is open")
}

func (d *driver) trouble() string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.problem
}

// renew starts the plugin anew and finds out the labels again.
func (a *agent) renew(ctx context.Context, why string) {
	a.opMu.Lock()
	defer a.opMu.Unlock()
	if ctx.Err() != nil {
		return
	}
	log.Printf("%s: starting NVIDIA's device plugin", why)
	if err := a.plugin.start(ctx); err != nil && ctx.Err() == nil {
		log.Print(err)
	}
	a.discoverOrSay()
}

func (a *agent) discoverOrSay() {
	err := a.discover(a.ctx)
	if a.ctx.Err() != nil {
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	a.setProblem(&a.discovery, text)
}

// applyConfig puts a configuration in force, or leaves the one before in force
// and says why. opMu is held.
func (a *agent) applyConfig(c config) error {
	before := a.config()
	if bytes.Equal(before.text, c.text) && a.problem(&a.refused) == "" && a.plugin.status().Running && a.plugin.status().Error == "" {
		return nil
	}
	if !a.driver.ready() {
		return errNoDriver{a.driver.trouble()}
	}
	if err := a.storeConfig(c); err != nil {
		return err
	}
	if err := a.plugin.start(a.ctx); err != nil {
		err = fmt.Errorf("NVIDIA's device plugin does not start with it: %w", err)
		if back := a.storeConfig(before); back != nil {
			return fmt.Errorf("%w; and the configuration before could not be put back: %v", err, back)
		}
		if again := a.plugin.start(a.ctx); again != nil {
			log.Printf("after a configuration failed: %v", again)
		}
		return err
	}
	a.awaitKubelet()
	a.discoverOrSay()
	return nil
}

// awaitKubelet waits until the kubelet has taken over all resources, for a short
// time: it may be restarting.
func (a *agent) awaitKubelet() {
	timeout := time.After(2 * time.Second)
	for {
		_, changed := a.generation()
		if a.proxy.allKnown() {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			return
		case <-a.stopping:
			return
		}
	}
}
