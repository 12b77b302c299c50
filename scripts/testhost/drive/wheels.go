package drive

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

const indexPort = "8099"

// Index is the address of the package index that ServeWheels has on the LAN.
func (a *Appliance) Index() string {
	return "http://" + a.Host.Router().String() + ":" + indexPort + "/"
}

// ServeWheels serves the wheels that the stories' environments need on the LAN,
// until stop is called. They are those of scripts/clients/wheels.sh in a checkout.
func (a *Appliance) ServeWheels(ctx context.Context, checkout string) (stop func(), err error) {
	get := exec.CommandContext(ctx, filepath.Join(checkout, "scripts/clients/wheels.sh"), filepath.Join(checkout, "cmd/benchtop/e2e/testdata/environments/wheels.txt"))
	get.Stderr = os.Stderr
	folder, err := get.Output()
	if err != nil {
		return nil, fmt.Errorf("get wheels: %w", err)
	}
	server := a.Host.OnLAN(context.WithoutCancel(ctx), "python3", "-m", "http.server", indexPort, "--directory", strings.TrimSpace(string(folder)))
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("serve wheels: %w", err)
	}
	return sync.OnceFunc(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // killed
	}), nil
}
