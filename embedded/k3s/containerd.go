package k3s

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"github.com/containerd/containerd/v2/cmd/containerd/server"
	srvconfig "github.com/containerd/containerd/v2/cmd/containerd/server/config"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/pkg/sys"
	daemonconfig "github.com/k3s-io/k3s/pkg/daemons/config"
)

// runContainerd serves containerd inside this process, with the configuration
// file that K3s generated, and with a second name of runc. It returns once both endpoints accept connections;
// failed is called if one of them stops serving later. Containerd's own
// command is not used because it installs signal handlers and exits.
func runContainerd(ctx context.Context, cfg *daemonconfig.Node, runcAlias string, failed func(error)) (stop func(), err error) {
	conf := &srvconfig.Config{
		Version: 3,
		Root:    cfg.Containerd.Root,
		State:   cfg.Containerd.State,
		GRPC:    srvconfig.GRPCConfig{Address: cfg.Containerd.Address},
	}
	if err := srvconfig.LoadConfig(ctx, cfg.Containerd.Config, conf); err != nil {
		return nil, fmt.Errorf("read containerd configuration: %w", err)
	}
	if err := aliasRunc(conf, runcAlias); err != nil {
		return nil, err
	}
	// The flags that K3s would pass on the command line win over the file.
	conf.Root, conf.State, conf.GRPC.Address = cfg.Containerd.Root, cfg.Containerd.State, cfg.Containerd.Address
	if conf.TTRPC.Address == "" {
		conf.TTRPC.Address = conf.GRPC.Address + ".ttrpc"
	}
	if err := server.CreateTopLevelDirectories(conf); err != nil {
		return nil, fmt.Errorf("create containerd directories: %w", err)
	}
	if err := mount.SetTempMountLocation(filepath.Join(conf.Root, "tmpmounts")); err != nil {
		return nil, fmt.Errorf("set containerd mount location: %w", err)
	}
	// Mounts that a killed predecessor left behind; what cannot be unmounted
	// now is of no consequence.
	_, _ = mount.CleanupTempMounts(0)

	srv, err := server.New(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("start containerd: %w", err)
	}
	serve := func(addr string, f func(net.Listener) error) error {
		l, err := sys.GetLocalListener(addr, 0, 0)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", addr, err)
		}
		go func() {
			if err := f(l); err != nil && ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				failed(fmt.Errorf("containerd stopped serving %s: %w", addr, err))
			}
		}()
		return nil
	}
	if err := serve(conf.TTRPC.Address, srv.ServeTTRPC); err != nil {
		srv.Stop()
		return nil, err
	}
	if err := serve(conf.GRPC.Address, srv.ServeGRPC); err != nil {
		srv.Stop()
		return nil, err
	}
	return srv.Stop, nil
}

// aliasRunc gives runc a second name. Where another runtime is installed under
// that name, K3s has put it into the file; runc takes its place, so that what
// pods get does not depend on what a machine has.
func aliasRunc(conf *srvconfig.Config, name string) error {
	if name == "" {
		return nil
	}
	at := conf.Plugins
	for _, key := range []string{"io.containerd.cri.v1.runtime", "containerd", "runtimes"} {
		next, ok := at[key].(map[string]any)
		if !ok {
			return fmt.Errorf("containerd's configuration has no table %s: it can't have the runtime %s", key, name)
		}
		at = next
	}
	if at["runc"] == nil {
		return fmt.Errorf("containerd's configuration has no runtime runc: it can't have %s", name)
	}
	at[name] = at["runc"]
	return nil
}
