package appliance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry"
)

// RegistryAlone serves the registry without a cluster and without root until
// it is interrupted: database and artifacts lie in dir. Without a password
// (of user admin) it serves loopback addresses only.
func RegistryAlone(ctx context.Context, dir, addr, passwordFile string, log *slog.Logger, ready func(net.Addr)) error {
	cfg := registry.AloneConfig{Addr: addr, Ready: ready, Options: registry.Options{Log: log}}
	var err error
	if cfg.DataDir, err = abs(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("create data dir: %w", err)
	}
	if passwordFile != "" {
		b, err := os.ReadFile(passwordFile)
		if err != nil {
			return fmt.Errorf("read password: %w", err)
		}
		password := strings.TrimSpace(string(b))
		if password == "" {
			return mlops.Errorf(mlops.Invalid, "%s is empty: write a password into it", passwordFile)
		}
		// The password is also the bearer token (MLFLOW_TRACKING_TOKEN). The
		// other accounts belong to the appliance: nobody knows their secrets.
		cfg.Auth = NewAuth(Secrets{AdminPassword: password, AdminToken: password, Trainer: randomText(20)}, nil)
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return registry.ServeAlone(ctx, cfg)
}

// RegistryGC removes for good what was deleted more than olderThan ago, with
// its artifacts: of the registry alone in dir, or, if dir is an appliance's
// data dir, of the appliance, which must run because it serves the artifacts.
func RegistryGC(ctx context.Context, dir string, olderThan time.Duration) (registry.GCReport, error) {
	file := filepath.Join(dir, "registry.db")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return NewControl(dir).RegistryGC(ctx, olderThan)
	}
	artifacts, err := registry.NewDirStore(filepath.Join(dir, "artifacts"))
	if err != nil {
		return registry.GCReport{}, err
	}
	store, err := registry.Open(ctx, file, registry.Options{Artifacts: artifacts})
	if err != nil {
		return registry.GCReport{}, err
	}
	report, err := store.Artifacts.GC(ctx, olderThan)
	return report, errors.Join(err, store.Close())
}
