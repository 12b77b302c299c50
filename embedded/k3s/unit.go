// Package k3s runs a K3s server inside this process. See DESIGN.md.
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

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/k3s/imagestore"
)

// Version is the K3s version that go.mod pins; K3s reports it as its own.
const Version = "v1.35.1+k3s1"

// Unit is the K3s server as a supervised unit. It can run once per process.
type Unit struct {
	cfg  Config
	once sync.Once

	started atomic.Bool // the node has been ready for a while
}

// NewUnit returns a unit that has not started.
func NewUnit(cfg Config) *Unit { return &Unit{cfg: cfg} }

// Name implements supervise.Unit.
func (u *Unit) Name() string { return "k3s" }

// Run implements supervise.Unit. The unit is ready when Config.Up says so.
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
	h.Log().Info("node prepared", "address", u.cfg.NodeAddress, "interface", mlops.NodeInterface, "snapshotter", snapshotter)

	names, err := u.cfg.AllCertNames()
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

	images := Images{u.cfg.imageStore(snapshotter), newImporter(containerdSocket, snapshotter, u.cfg.Bundle, u.cfg.Unused, u.cfg.Late, u.cfg.OnDemand, h.Progress)}
	exec := &executor{
		cniConf:      u.cfg.cniConf(),
		runcAlias:    u.cfg.RuncAlias,
		bootstrapped: u.cfg.TakeSignals,
		imported: func(ctx context.Context, _ *daemonconfig.Node) error {
			// The kubelet waits only for the image that every pod shares. A
			// manifest is applied when its own images are there.
			start := time.Now()
			go func() {
				if err := images.bundled.run(ctx); err != nil {
					signals.RequestShutdown(err)
					return
				}
				h.Log().Info("bundled images are in containerd", "took", time.Since(start).Round(time.Millisecond))
			}()
			// Before anything can load images.
			if err := images.Recover(ctx); err != nil {
				return err
			}
			return images.Wait(ctx, "pause")
		},
	}
	k3sexecutor.Set(exec)

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
	go func() { up <- u.bringUp(upCtx, h, images) }()
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
// It logs what K3s reports then, and does not fail: a component that was still
// starting complains of what it was waiting for.
func (u *Unit) stop(h *supervise.Handle, exec *executor, done <-chan error) error {
	// It asks repeatedly: K3s loses a request that comes before it listens for
	// one.
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

// bringUp runs Config.Up until ctx ends, and starts the rest when the node is
// ready.
func (u *Unit) bringUp(ctx context.Context, h *supervise.Handle, images Images) error {
	return u.cfg.Up(ctx, h, images, func() {
		h.Ready()
		// After a restart the node is called ready before its kubelet has started,
		// and after a first start the API of resource metrics comes later.
		time.AfterFunc(settlesAfter, func() { u.started.Store(true) })
		go func() {
			folder := imagestore.Folder{Dir: u.cfg.ImagesDir, Load: images.Load, Log: h.Log()}
			if err := folder.Run(ctx); err != nil {
				h.Log().Error("images that are put into the folder are not loaded until the next start", "dir", u.cfg.ImagesDir, "err", err)
			}
		}()
	})
}

// settlesAfter is how long components may complain of each other after the node
// is ready.
const settlesAfter = 40 * time.Second

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
