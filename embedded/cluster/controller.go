package cluster

import (
	"context"
	"log/slog"

	"k8s.io/client-go/rest"
)

// Controller is a Kubernetes controller that K3s does not bring.
type Controller interface {
	Name() string
	// Run works until ctx ends. An error means that it could not start.
	Run(ctx context.Context, kube *rest.Config, log *slog.Logger) error
}

// runControllers starts all controllers; they end with ctx.
func runControllers(ctx context.Context, log *slog.Logger, controllers []Controller, kube *rest.Config) {
	for _, c := range controllers {
		go func() {
			if err := c.Run(ctx, kube, log.With("controller", c.Name())); err != nil && ctx.Err() == nil {
				log.Error("a controller does not work until the next start", "controller", c.Name(), "err", err)
			}
		}()
	}
}
