package appliance

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/gpu"
	"github.com/benchtop-lab/benchtop/embedded/k3s"
)

// Reset stops the appliance and its pods and deletes all state: the data dir
// and what K3s keeps outside it. Configuration stays. It returns what it did.
func Reset(ctx context.Context, cfg Config) (did []string, err error) {
	return reset(ctx, cfg, func(p Paths) string { return p.Data })
}

// ResetCluster stops the appliance and throws the cluster away: pods, volumes,
// images that were loaded, kubeconfig users, and all that was applied with
// kubectl. Registry, objects, metrics and keys stay, and the next start builds
// the projects anew from their rows.
func ResetCluster(ctx context.Context, cfg Config) (did []string, err error) {
	return reset(ctx, cfg, func(p Paths) string { return p.Dir("k3s") })
}

func reset(ctx context.Context, cfg Config, what func(Paths) string) (did []string, err error) {
	if os.Geteuid() != 0 {
		return nil, mlops.Errorf(mlops.Denied, "only root may reset: run this with sudo")
	}
	if cfg.DataDir, err = abs(cfg.DataDir); err != nil {
		return nil, err
	}
	p := Paths{Data: cfg.DataDir}
	// Deleting a directory that is not a data dir would be unforgivable.
	if _, err := os.Stat(p.Lock()); err != nil {
		return nil, mlops.Errorf(mlops.NotFound, "%s is not a data dir of benchtop (it has no lock file): nothing was deleted", p.Data)
	}
	if Locked(p) {
		sctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := NewControl(cfg.DataDir).Stop(sctx); err != nil {
			return nil, err
		}
		did = append(did, "stopped the lab")
	}
	lock, err := AcquireLock(p)
	if err != nil {
		return did, err
	}
	defer lock.Release() //nolint:errcheck // the file is gone by then
	pods, err := k3s.Clean(p.Dir("k3s"), p.Bin(), RunDir)
	if err != nil {
		return did, fmt.Errorf("remove pods: %w", err)
	}
	did = append(did, fmt.Sprintf("removed %d pods, their network and mounts", pods))
	if err := gpu.Release(p.Dir("gpu")); err != nil {
		return did, err
	}
	for _, spec := range gpu.CDISpecs() {
		if err := os.Remove(spec); err != nil {
			return did, fmt.Errorf("delete %s: %w", spec, err)
		}
	}
	if err := os.RemoveAll(what(p)); err != nil {
		return did, fmt.Errorf("delete %s: %w", what(p), err)
	}
	return append(did, "deleted "+what(p)), nil
}
