package appliance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/access"
	"github.com/benchtop-lab/benchtop/appliance/heap"
	"github.com/benchtop-lab/benchtop/appliance/loop"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/nameservers"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/cluster"
	"github.com/benchtop-lab/benchtop/embedded/images"
	"github.com/benchtop-lab/benchtop/embedded/k3s"
	"github.com/benchtop-lab/benchtop/embedded/minio"
	"github.com/benchtop-lab/benchtop/embedded/packages"
	"github.com/benchtop-lab/benchtop/embedded/prometheus"
	"github.com/benchtop-lab/benchtop/embedded/registry"
	"github.com/benchtop-lab/benchtop/lab/content"
	"github.com/benchtop-lab/benchtop/lab/engine"
	"github.com/benchtop-lab/benchtop/lab/workloads"
	"github.com/benchtop-lab/benchtop/ui"
	"github.com/benchtop-lab/benchtop/ui/machine"
	"github.com/benchtop-lab/benchtop/ui/ports"
	"github.com/benchtop-lab/benchtop/ui/sessionfile"
)

// Appliance is one running Benchtop. Its fields are the wiring: what is above
// starts earlier and stops later.
type Appliance struct {
	cfg     Config
	paths   Paths
	version string
	secrets Secrets
	node    string
	log     *slog.Logger
	logs    *logs
	units   *supervise.Group
	tokens  *loginTokens
	signals chan os.Signal
	quit    chan struct{} // closed when `benchtop down` asks for the end

	keys       *access.Keys
	control    *control
	web        *ui.Server
	registry   *registry.Unit
	minio      *minio.Unit
	packages   *packages.Unit
	prometheus *prometheus.Unit
	dns        *nameservers.Unit
	k3s        *k3s.Unit
	cluster    *cluster.Cluster
	network    network
	gpus       *gpus
	loop       *loopUnit
	labs       labsUnit
	pushes     pushes

	loopPort loopPort
}

// DefaultProject is the project that commands mean when none is named, and
// the sample that a lab begins with unless it is told otherwise.
const DefaultProject = "iris"

// artifactBucket holds the registry's artifacts.
const artifactBucket = "mlflow"

// Run brings an appliance up and keeps it running until it is asked to stop.
// What went wrong on the way is returned after everything that had started
// has stopped.
func Run(ctx context.Context, cfg Config, version string, term *Terminal) (err error) {
	if cfg.DataDir, err = abs(cfg.DataDir); err != nil {
		return err
	}
	a := &Appliance{cfg: cfg, paths: Paths{Data: cfg.DataDir}, version: version,
		tokens: newLoginTokens(), signals: make(chan os.Signal, 4), quit: make(chan struct{})}
	if err := a.paths.create(); err != nil {
		return err
	}
	// The lock comes before every other write: a second instance must not
	// touch the first one's files.
	lock, err := AcquireLock(a.paths)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	if err := a.prepare(term); err != nil {
		return err
	}
	if err := a.build(); err != nil {
		return err
	}
	defer a.keys.Close()
	return a.serve(ctx, term)
}

func (a *Appliance) prepare(term *Terminal) (err error) {
	if a.secrets, err = LoadSecrets(a.paths); err != nil {
		return err
	}
	if a.node, err = a.cfg.nodeName(a.paths); err != nil {
		return err
	}
	last, err := markRunning(a.paths)
	if err != nil {
		return err
	}
	if last != "" {
		term.Note("%s; recovering", last)
	}
	if a.logs, err = openLogs(a.paths); err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.cfg.LogLevel)); err != nil {
		return fmt.Errorf("parse log level: %w", err)
	}
	a.log = slog.New(slog.NewTextHandler(a.logs, &slog.HandlerOptions{Level: level}))
	slog.SetDefault(a.log)
	a.units = supervise.New(a.logs, level)
	heap.Stay()
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	signal.Notify(a.signals, syscall.SIGINT, syscall.SIGTERM)
	return nil
}

// memoryLimit is a soft limit for the Go heap; below it MinIO's preallocated
// buffers make the collector run all the time.
const memoryLimit = 640 << 20

// reachable reports whether pods reach a server that listens on addr.
func (c Config) reachable(addr string) bool {
	host, _, _ := net.SplitHostPort(addr) // checked with the configuration
	ip := net.ParseIP(host)
	return host == "" || ip.IsUnspecified() || ip.Equal(net.ParseIP(c.NodeAddress))
}

func portOf(addr string) int {
	_, p, _ := net.SplitHostPort(addr) // checked with the configuration
	n, _ := strconv.Atoi(p)
	return n
}

// build makes every unit; none runs yet.
func (a *Appliance) build() error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own executable: %w", err)
	}
	bundle, err := images.Open(exe)
	if err != nil {
		return err
	}
	a.keys = access.New(access.Config{
		Secret: a.secrets.AccessKeys, Own: []string{loop.DatasetBucket, artifactBucket, mlops.CodeBucket, mlops.EnvironmentBucket, packages.Bucket}, Artifacts: artifactBucket, Log: a.log,
		Rows: func() access.Rows {
			if s := a.registry.Store(); s != nil {
				return keyRowsOf(s)
			}
			return nil
		},
		Objects: func() access.Objects { return a.minio },
	})
	auth := NewAuth(a.secrets, a.keys)

	if a.minio, err = minio.New(minio.Config{
		Dir: a.paths.Dir("minio"), Addr: a.cfg.S3Addr, PublicURL: a.cfg.S3PublicURL, PodURL: mlops.S3Door,
		RootUser: a.secrets.S3Root.Access, RootPassword: a.secrets.S3Root.Secret,
		Buckets:     []minio.Bucket{{Name: loop.DatasetBucket, Versioned: true}, {Name: artifactBucket}, {Name: mlops.CodeBucket, Gives: true}, {Name: mlops.EnvironmentBucket, Takes: true}, {Name: packages.Bucket}},
		Door:        a.keys,
		MemoryLimit: memoryLimit,
	}); err != nil {
		return err
	}
	a.registry = registry.NewUnit(registry.UnitConfig{
		Path: a.paths.Registry(), Addr: a.cfg.RegistryAddr, Auth: auth, Options: registry.Options{Artifacts: a.minio.Bucket(artifactBucket)},
		Deployments: askDeployments(func(ctx context.Context) ([]mlops.Deployment, error) { return a.loopPort.Deployments(ctx) }),
	})
	if a.packages, err = newPackages(a.cfg, bundle.PackageIndex(), a.minio.Bucket(packages.Bucket), a.paths.Scratch(), a.log.With("unit", "packages")); err != nil {
		return err
	}
	if a.gpus, err = newGPUs(a.cfg, a.paths, a.node, func() *cluster.Cluster { return a.cluster }); err != nil {
		return err
	}
	a.log.Info("GPUs", "found", a.gpus)
	if a.prometheus, err = prometheus.New(prometheus.Config{
		Dir: a.paths.Dir("prometheus"), RetentionTime: a.cfg.retentionTime(), RetentionBytes: a.cfg.retentionBytes(),
		ScrapeInterval: 5 * time.Second, // the pages are live; Kubernetes itself is asked less often
		Self: prometheus.NewSelf(func() []supervise.Status { return a.units.Status(0) },
			// One of its own: the share of the cores is that since the look before.
			scrapedMachine(a.cfg.DataDir), a.gpus.waiting()),
	}); err != nil {
		return err
	}
	a.dns = nameservers.NewUnit(nameservers.Config{
		Node: netip.MustParseAddr(a.cfg.NodeAddress), ClusterDNS: netip.MustParseAddr(mlops.ClusterDNS), File: RunDir + "/resolv.conf",
	})
	a.buildKubernetes(bundle)
	a.loop = &loopUnit{build: func(h *supervise.Handle) *loop.Loop { return a.newLoop(h.Log(), bundle) }}
	a.loopPort = loopPort{registry: a.registry, cluster: a.cluster, loop: a.loop, domain: a.cfg.Domain, dataDir: a.cfg.DataDir,
		ingress: ingressClient{base: "http://" + net.JoinHostPort(a.cfg.NodeAddress, strconv.Itoa(a.cfg.HTTPPort)), http: &http.Client{Timeout: 30 * time.Second}}}
	a.pushes = pushes{port: a.loopPort, objects: a.minio.Bucket(mlops.CodeBucket), scratch: a.paths.Scratch(), now: time.Now, spec: a.projectSpec(bundle),
		address: func() string { return a.ingressURL(hostAddress(a.cfg.NodeAddress)) }}
	a.labs = labsUnit{engine.Open(a.labPorts(bundle), content.Labs, a.log.With("unit", "labs"))}

	sessions, err := sessionfile.Open(a.paths.Secrets() + "/sessions.json")
	if err != nil {
		return err
	}
	mlflow := registryHandler(a.registry, auth, a.log)
	if a.web, err = ui.New(ui.Config{
		Address: a.cfg.HTTPAddr, PublicURL: a.cfg.publicURL(), TrustedProxies: a.cfg.trustedProxies(), Version: a.version, Components: Components(),
		Mounts: map[string]ui.Mount{
			"/api/2.0/": {Handler: mlflow}, "/api/3.0/": {Handler: mlflow}, "/ajax-api/": {Handler: mlflow}, "/api/lineage/": {Handler: mlflow}, "/v1/": {Handler: mlflow},
			"/health": {Handler: mlflow}, "/version": {Handler: mlflow}, "/get-artifact": {Handler: mlflow}, "/model-versions/get-artifact": {Handler: mlflow},
			"/prometheus/": {Handler: http.StripPrefix("/prometheus", a.prometheus.Handler()), Needs: mlops.Read, Metrics: true},
		},
		Auth: uiAuth{auth, a.tokens, a.keys}, Keys: keysPort{a.keys}, Sessions: sessions, Loop: a.loopPort,
		Registry: func() (ports.Registry, error) { return openRegistry(a.registry) },
		Steps:    func() (ports.Steps, error) { return a.loopPort.steps() },
		Pushes:   func() (ports.Pushes, error) { return a.pushes, nil },
		Cluster:  func() (ports.Cluster, error) { return connected(a.cluster) },
		GPUs:     a.gpuPort,
		Labs:     func() (ports.Labs, error) { return a.labs.Engine, nil },
		Metrics:  a.prometheus, Machine: machine.New(a.cfg.DataDir), Units: a.units,
		Retention: a.cfg.retentionTime(), Examples: examples(), Samples: uiSamples(), IngressPort: a.cfg.HTTPPort, S3Port: portOf(a.cfg.S3Addr),
	}); err != nil {
		return err
	}
	a.control = newControl(a)
	return nil
}

// projectSpec says what trains a project: the lab's own trainer, or what runs
// pushed code.
func (a *Appliance) projectSpec(bundle *images.Bundle) func(mlops.Project, mlops.Dataset) mlops.ProjectSpec {
	return func(p mlops.Project, d mlops.Dataset) mlops.ProjectSpec {
		s := mlops.ProjectSpec{Project: p, Dataset: d, Image: bundle.Ref("lab-python"),
			Trainer: workloads.Trainer(), TrainerMain: workloads.TrainerMain, TrainerSHA: workloads.TrainerDigest()}
		if p.Code != nil {
			s.Trainer, s.TrainerMain, s.TrainerSHA = workloads.Runner(), workloads.RunnerMain, workloads.RunnerDigest()
		}
		return s
	}
}

func (a *Appliance) newLoop(log *slog.Logger, bundle *images.Bundle) *loop.Loop {
	return loop.New(loop.Config{
		Store: loopRowsOf(a.registry.Store()), Objects: a.minio.Bucket(loop.DatasetBucket), Cluster: a.cluster.Client(), Keys: a.keys, Log: log,
		Samples: samples(), First: a.cfg.firstSample(), Defaults: a.cfg.projectDefaults(), Check: func(p mlops.Project) error { return checkProject(p, machineRoom()) }, Node: a.node,
		Environments: &environments{code: a.minio.Bucket(mlops.CodeBucket), layers: a.minio.Bucket(mlops.EnvironmentBucket), images: a.cluster.Client(),
			base: bundle.Ref("lab-python"), builder: bundle.Ref("lab-build"), index: packagesDoor, log: log, made: make(chan struct{}, 1), making: map[string]bool{}, failed: map[string]error{}},
		Spec: a.projectSpec(bundle),
		DeploymentSpec: func(d mlops.Deployment, node string) mlops.DeploymentSpec {
			return mlops.DeploymentSpec{
				Deployment: a.loopPort.addressed(d), Image: bundle.Ref("lab-python"), Node: node,
				Server: workloads.Server(), ServerMain: workloads.ServerMain, ServerSHA: workloads.ServerDigest(),
				Bring: workloads.Trainer(), BringMain: workloads.BringMain, MeasureMain: workloads.MeasureMain, BringSHA: workloads.TrainerDigest(),
			}
		},
	})
}

// takeSignals takes SIGINT and SIGTERM back from the libraries: stopping has
// an order that only the appliance knows.
func (a *Appliance) takeSignals() {
	signal.Reset(syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(a.signals, syscall.SIGINT, syscall.SIGTERM)
}
