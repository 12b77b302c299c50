package appliance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/gpu"
	"github.com/benchtop-lab/benchtop/embedded/k3s/tools"
)

// Kubectl runs kubectl against the appliance of a data dir.
func Kubectl(dataDir string, args []string) error {
	kubeconfig := Paths{Data: dataDir}.Kubeconfig()
	if _, err := os.Stat(kubeconfig); err != nil && os.Getenv("KUBECONFIG") == "" {
		if errors.Is(err, fs.ErrPermission) {
			return mlops.Errorf(mlops.Denied, "only root may read %s: run this with sudo", kubeconfig)
		}
		return mlops.Errorf(mlops.Unavailable, "there is no cluster in %s yet: start it with `benchtop up`", dataDir)
	}
	return tools.Kubectl(kubeconfig, args)
}

// NvidiaSMI runs the nvidia-smi that belongs to the lab's driver, the simulated
// one too, in place of this process.
func NvidiaSMI(ctx context.Context, dataDir string, args []string) error {
	g, err := NewControl(dataDir).GPUs(ctx)
	if err != nil {
		return err
	}
	path, libraries := gpu.Tool(g.Driver.Root, "nvidia-smi")
	if path == "" {
		if path, err = exec.LookPath("nvidia-smi"); err != nil {
			return mlops.Errorf(mlops.NotFound, "the driver in %s has no nvidia-smi, and there is none on the PATH: most distributions have it in a package of its own; `benchtop gpu` shows the same figures", g.Driver.Root)
		}
	}
	env := os.Environ()
	if libraries != "" {
		env = append(env, "LD_LIBRARY_PATH="+libraries)
	}
	if err := unix.Exec(path, append([]string{"nvidia-smi"}, args...), env); err != nil {
		return fmt.Errorf("run %s: %w", path, err)
	}
	return nil
}

// Crictl runs crictl against the appliance's containerd.
func Crictl(args []string) error { return tools.Crictl(args) }
