// Package k3s runs a K3s server inside this process and projects Benchtop's
// rows onto its Kubernetes API. See DESIGN.md.
package k3s

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/k3s-io/k3s/pkg/cli/cmds"
	"github.com/k3s-io/k3s/pkg/cli/server"
	daemonconfig "github.com/k3s-io/k3s/pkg/daemons/config"
	k3sexecutor "github.com/k3s-io/k3s/pkg/daemons/executor"
	"github.com/k3s-io/k3s/pkg/signals"
	"github.com/k3s-io/k3s/pkg/version"
	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"
	"k8s.io/klog/v2"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/k3s/imagestore"
)

// Version is the K3s version that go.mod pins; K3s reports it as its own.
const Version = "v1.35.1+k3s1"

// Unit is the K3s server as a supervised unit. It can run once per process.
type Unit struct {
	cfg  Config
	once sync.Once

	ready  chan struct{} // closed when client is set
	client *Client

	started atomic.Bool // the node has been ready for a while
}

// NewUnit returns a unit that has not started.
func NewUnit(cfg Config) *Unit { return &Unit{cfg: cfg, ready: make(chan struct{})} }

// Name implements supervise.Unit.
func (u *Unit) Name() string { return "k3s" }

// Client returns the Kubernetes side, or nil while the API does not answer.
func (u *Unit) Client() *Client {
	select {
	case <-u.ready:
		return u.client
	default:
		return nil
	}
}

// Run implements supervise.Unit. The unit is ready when the node is, and the
// system pods (DNS, ingress) have been applied.
func (u *Unit) Run(ctx context.Context, h *supervise.Handle) error {
	err := errors.New("K3s can start only once per process: restart benchtop")
	u.once.Do(func() { err = u.run(ctx, h) })
	return err
}

func (u *Unit) run(ctx context.Context, h *supervise.Handle) error {
	h.Progress("preparing the node")
	if err := u.cfg.Bundle.InstallBins(u.cfg.BinDir); err != nil {
		return fmt.Errorf("install bundled programs: %w", err)
	}
	// K3s, containerd and kube-proxy look their helpers up on PATH. runc, the
	// shim and the CNI plugins must be ours. iptables must be the machine's if
	// it has one, because the backend must match the rules that are there.
	path := []string{u.cfg.BinDir, os.Getenv("PATH"), BundledIptables(u.cfg.BinDir)}
	if err := os.Setenv("PATH", strings.Join(path, string(os.PathListSeparator))); err != nil {
		return fmt.Errorf("set PATH: %w", err)
	}
	if err := ensureNodeAddress(u.cfg.NodeAddress); err != nil {
		return err
	}
	snapshotter, err := u.cfg.prepare()
	if err != nil {
		return err
	}
	h.Log().Info("node prepared", "address", u.cfg.NodeAddress, "interface", nodeInterface, "snapshotter", snapshotter)

	names, err := u.cfg.certNames()
	if err != nil {
		return err
	}

	fatal := make(chan error, 1)
	interceptExits(fatal)
	// logrus keeps the output it is given; klog's settings are undone by the
	// components, so it is caught at standard error.
	logrus.SetOutput(filter{io.MultiWriter(h.Writer(), u.cfg.Log), &u.started})
	why := &shutdownCause{}
	logrus.AddHook(why)
	u.cfg.CaptureStderr(filter{io.MultiWriter(h.Writer(), u.cfg.Log), &u.started})
	registerKine(u.cfg.Dir)
	version.Version = Version
	version.UpstreamGolang, _, _ = strings.Cut(runtime.Version(), " ")

	images := newImporter(u.cfg.Bundle, h.Progress)
	exec := &executor{
		cniConf:      u.cfg.cniConf(),
		bootstrapped: u.cfg.TakeSignals,
		imported: func(ctx context.Context, n *daemonconfig.Node) error {
			// The kubelet need not wait for more than what every pod has in
			// common: a manifest is applied when its images are there.
			start := time.Now()
			go func() {
				if err := images.run(ctx, n, snapshotter); err != nil {
					signals.RequestShutdown(err)
					return
				}
				h.Log().Info("bundled images are in containerd", "took", time.Since(start).Round(time.Millisecond))
			}()
			return images.wait(ctx, "pause")
		},
	}
	k3sexecutor.Set(exec)
	store := u.cfg.imageStore(snapshotter)

	app := cmds.NewApp()
	// The library would exit the process on a command-line error.
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.DisableSliceFlagSeparator = true
	app.Commands = []*cli.Command{cmds.NewServerCommand(server.Run)}
	done := make(chan error, 1)
	h.Progress("starting the Kubernetes API")
	go func() { done <- app.Run(u.cfg.args(snapshotter, names)) }()

	upCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	up := make(chan error, 1)
	go func() { up <- u.bringUp(upCtx, h, images, store) }()
	for {
		select {
		case <-ctx.Done():
			return u.stop(h, exec, done)
		case err := <-fatal:
			signals.RequestShutdown(err)
			return fmt.Errorf("K3s gave up: %w", err)
		case err := <-done:
			return fmt.Errorf("K3s stopped: %w", why.of(err))
		case err := <-up:
			if err != nil && ctx.Err() == nil {
				return errors.Join(err, u.stop(h, exec, done))
			}
			up = nil
		}
	}
}

// stop asks K3s to shut down and waits for it; the supervisor bounds the wait.
// What K3s says then is noted and no failure: a component that was still
// starting complains of whatever it was waiting for.
func (u *Unit) stop(h *supervise.Handle, exec *executor, done <-chan error) error {
	// Asked again and again: a request before K3s listens for one is lost.
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	var err error
	for stopped := false; !stopped; {
		signals.RequestShutdown(nil)
		select {
		case err = <-done:
			stopped = true
		case <-again.C:
		}
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		h.Log().Info("K3s ended", "err", err)
	}
	if exec.stop != nil {
		exec.stop()
	}
	return nil
}

// bringUp waits for the API, then applies what a fresh node lacks.
func (u *Unit) bringUp(ctx context.Context, h *supervise.Handle, images *importer, store *imagestore.Store) error {
	client, err := connect(ctx, u.cfg)
	if err != nil {
		return err
	}
	runControllers(ctx, h.Log(), u.cfg.Controllers, client.rest)
	// Flannel waits for a role that K3s' packaged manifests would bring, so
	// this comes before the node can be ready.
	if err := client.applySystem(ctx, "rbac.yaml"); err != nil {
		return err
	}
	if err := client.retire(ctx); err != nil {
		return err
	}
	go u.serveVolumes(ctx, h, client)
	go u.serveMetrics(ctx, h, client)
	for _, step := range []struct {
		manifest string
		images   []string
	}{
		{"ports.yaml", nil},
		{"local-path.yaml", nil},
		{"coredns.yaml", []string{"coredns"}},
		{"traefik.yaml", []string{"traefik"}},
		{"services.yaml", nil},
	} {
		if len(step.images) > 0 {
			if err := images.wait(ctx, step.images...); err != nil {
				return err
			}
		}
		if err := client.applySystem(ctx, step.manifest); err != nil {
			return err
		}
	}
	// A pod of the last start reads a changed configuration now, not in a minute.
	if err := client.refreshDNS(ctx); err != nil {
		return err
	}
	h.Progress("waiting for the node to be ready")
	if err := client.waitNodeReady(ctx, u.cfg.NodeName); err != nil {
		return err
	}
	if err := images.wait(ctx); err != nil {
		return err
	}
	if err := store.Recover(ctx); err != nil {
		return err
	}
	client.images = store
	u.client = client
	close(u.ready)
	h.Ready()
	// After a restart the node is called ready before its kubelet has started,
	// and after a first start the API of resource metrics comes later.
	time.AfterFunc(2*laterAfter, func() { u.started.Store(true) })
	go client.followCertNames(ctx, h.Log())
	go client.watchPulls(ctx, h.Log())
	go func() {
		folder := imagestore.Folder{Dir: u.cfg.ImagesDir, Load: store.Load, Log: h.Log()}
		if err := folder.Run(ctx); err != nil {
			h.Log().Error("images that are put into the folder are not loaded until the next start", "dir", u.cfg.ImagesDir, "err", err)
		}
	}()
	go u.showFront(ctx, h, client)
	for {
		select {
		case <-u.cfg.Resolver.Changed():
			if err := client.applyNameservers(ctx); err != nil && ctx.Err() == nil {
				h.Log().Error("names outside the lab are asked where they were before, until the next change or start", "err", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// showFront applies the ingress' front page, which only people look at, when
// the first model has had time to be served.
func (u *Unit) showFront(ctx context.Context, h *supervise.Handle, client *Client) {
	select {
	case <-time.After(laterAfter):
	case <-ctx.Done():
		return
	}
	apply := client.applySystem
	if !u.cfg.FrontPage {
		apply = client.removeSystem
	}
	if err := apply(ctx, "front.yaml"); err != nil && ctx.Err() == nil {
		h.Log().Error("the ingress' front page is not as configured until the next start", "err", err)
	}
}

// shutdownCause remembers why K3s asked itself to shut down. K3s' Run returns
// only that its context was cancelled; the cause is in its log.
type shutdownCause struct {
	mu   sync.Mutex
	text string
}

func (*shutdownCause) Levels() []logrus.Level { return []logrus.Level{logrus.ErrorLevel} }

func (c *shutdownCause) Fire(e *logrus.Entry) error {
	if cause, ok := strings.CutPrefix(e.Message, "Shutdown request received: "); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.text = strings.Trim(cause, `"`)
	}
	return nil
}

// of returns the remembered cause, else err.
func (c *shutdownCause) of(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.text != "":
		return errors.New(c.text)
	case err == nil:
		return errors.New("the server ended; its last lines say why")
	}
	return err
}

// interceptExits turns exits that libraries call into a reported failure. The
// goroutine that wanted to exit ends; the rest of the process stops in order.
func interceptExits(fatal chan<- error) {
	exit := func(who string) func(int) {
		return func(code int) {
			select {
			case fatal <- fmt.Errorf("%s exited with code %d; its last lines say why", who, code):
			default:
			}
			runtime.Goexit()
		}
	}
	logrus.StandardLogger().ExitFunc = exit("a K3s component")
	klog.OsExit = exit("a Kubernetes component")
}
