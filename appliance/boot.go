package appliance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/heap"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/embedded/prometheus"
)

// step is one unit of the boot graph. Order is the order of the list.
type step struct {
	unit supervise.Unit
	opt  supervise.Options
	then func() error // runs when the unit is ready
}

func (a *Appliance) steps() []step {
	steps := []step{
		// First, so that the command line can ask and stop at any time.
		{unit: a.control, opt: supervise.Options{Restart: true, StopTimeout: 2 * time.Second}},
		// The browser shows the boot from its first second.
		{unit: a.web, opt: supervise.Options{StopTimeout: 3 * time.Second}},
		// MinIO before K3s: containerd would inherit MinIO's environment.
		{unit: a.minio, opt: supervise.Options{StopTimeout: 5 * time.Second}},
		{unit: a.registry, opt: supervise.Options{Restart: true, StopTimeout: 3 * time.Second}, then: a.loadKeys},
		{unit: a.packages, opt: supervise.Options{Restart: true, StopTimeout: 3 * time.Second}},
		{unit: a.prometheus, opt: supervise.Options{Restart: true, StopTimeout: 10 * time.Second}, then: func() error {
			return a.prometheus.SetTarget(prometheus.Target{Job: "minio", Address: a.minio.Loopback(), Path: "/minio/v2/metrics/cluster"})
		}},
		// Before K3s: the kubelet wants its resolv.conf.
		{unit: a.dns, opt: supervise.Options{Restart: true, StopTimeout: time.Second}},
		{unit: a.k3s, opt: supervise.Options{StopTimeout: 8 * time.Second}, then: func() error {
			// Discovery that starts before the API exists fails for good.
			return a.prometheus.UseKubeconfig(a.paths.Kubeconfig())
		}},
		{unit: a.loop, opt: supervise.Options{Restart: true, StopTimeout: 2 * time.Second}},
		{unit: a.labs, opt: supervise.Options{Restart: true, StopTimeout: 2 * time.Second}},
	}
	if a.gpus.any() {
		// Before K3s: the plugin's pod mounts what it makes.
		at := slices.IndexFunc(steps, func(s step) bool { return s.unit == a.k3s })
		steps = slices.Insert(steps, at, step{unit: a.gpus.unit, opt: supervise.Options{Restart: true, StopTimeout: time.Second}, then: func() error {
			return a.prometheus.SetTarget(prometheus.Target{Job: "gpu", Address: net.JoinHostPort(mlops.GPUMetrics, "9400"), HonorLabels: true})
		}})
	}
	return steps
}

// serve starts the units, waits for the end and stops them in reverse.
func (a *Appliance) serve(ctx context.Context, term *Terminal) (err error) {
	steps := a.steps()
	for _, s := range steps {
		a.units.Announce(s.unit, s.opt)
	}
	stopTerm := term.Follow(a.units)
	defer stopTerm()
	defer func() {
		start := time.Now()
		if serr := a.units.Stop(); serr != nil {
			err = errors.Join(err, serr)
		}
		if rerr := os.Remove(a.paths.Unclean()); rerr != nil {
			err = errors.Join(err, fmt.Errorf("remove marker: %w", rerr))
		}
		a.log.Info("stopped", "took", time.Since(start).Round(time.Millisecond), "err", err)
		term.Note("stopped in %s; pods go on serving", time.Since(start).Round(100*time.Millisecond))
	}()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() {
		select {
		case s := <-a.signals:
			ended <- nil
			cancel(fmt.Errorf("asked to stop by %s", s))
		case <-a.quit:
			ended <- nil
			cancel(errors.New("asked to stop by `benchtop down`"))
		case err := <-a.units.Failed():
			ended <- err
			cancel(err)
		case <-ctx.Done():
			ended <- nil
		}
	}()
	begin := time.Now()
	for _, s := range steps {
		err := a.units.Start(ctx, s.unit.Name())
		if err == nil && s.then != nil {
			err = s.then()
		}
		if err != nil {
			select {
			case why := <-ended:
				// Asked to stop while starting is no failure.
				return why
			case <-time.After(100 * time.Millisecond):
				return err
			}
		}
	}
	a.log.Info("all units are ready", "took", time.Since(begin).Round(time.Millisecond))
	go a.announce(ctx, term, begin)
	go heap.Keep(ctx)
	return <-ended
}
