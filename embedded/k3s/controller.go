package k3s

import (
	"context"
	"log/slog"
	"runtime"
	"strings"

	"k8s.io/client-go/rest"
)

// Controller does work of a Kubernetes controller that K3s does not bring.
type Controller interface {
	Name() string
	// Run works until ctx ends. An error means that it could not start.
	Run(ctx context.Context, kube *rest.Config, log *slog.Logger) error
}

// owner is a Controller made from a library that exits the process when it
// cannot go on.
type owner interface {
	Library() string // import path, as functions' names begin
	GaveUp()         // the library wanted to exit
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

// ownerOfCaller returns the controller whose library is among the callers.
func ownerOfCaller(controllers []Controller) owner {
	var owners []owner
	for _, c := range controllers {
		if o, ok := c.(owner); ok {
			owners = append(owners, o)
		}
	}
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	for more := len(owners) > 0; more; {
		var f runtime.Frame
		f, more = frames.Next()
		for _, o := range owners {
			if strings.HasPrefix(f.Function, o.Library()) {
				return o
			}
		}
	}
	return nil
}
