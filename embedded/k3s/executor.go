package k3s

import (
	"context"
	"fmt"

	"github.com/k3s-io/k3s/pkg/cli/cmds"
	daemonconfig "github.com/k3s-io/k3s/pkg/daemons/config"
	"github.com/k3s-io/k3s/pkg/executor/embed"
	"github.com/k3s-io/k3s/pkg/signals"
)

// executor is K3s' embedded executor with three differences: the CNI
// configuration is ours, containerd runs inside this process, and what every
// pod needs of the bundled images is there before the kubelet starts one.
type executor struct {
	embed.Embedded
	cniConf      string
	runcAlias    string
	bootstrapped func()                                                  // K3s has taken over the signals by now
	imported     func(ctx context.Context, cfg *daemonconfig.Node) error // containerd serves
	stop         func()                                                  // stops containerd
}

func (e *executor) Bootstrap(ctx context.Context, n *daemonconfig.Node, cfg cmds.Agent) error {
	if err := e.Embedded.Bootstrap(ctx, n, cfg); err != nil {
		return fmt.Errorf("prepare K3s agent: %w", err)
	}
	// The flag for this file is not wired in K3s' embedded executor.
	n.Flannel.CNIConfFile = e.cniConf
	e.bootstrapped()
	return nil
}

func (e *executor) Containerd(ctx context.Context, n *daemonconfig.Node) error {
	stop, err := runContainerd(ctx, n, e.runcAlias, func(err error) { signals.RequestShutdown(err) })
	if err != nil {
		return err
	}
	e.stop = stop
	if err := e.imported(ctx, n); err != nil {
		return err
	}
	// CRI waits for the runtime that was configured as an external one.
	external := *n
	external.ContainerRuntimeEndpoint = n.Containerd.Address
	return e.CRI(ctx, &external)
}
