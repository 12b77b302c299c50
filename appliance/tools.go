package appliance

import (
	"errors"
	"io/fs"
	"os"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
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

// Crictl runs crictl against the appliance's containerd.
func Crictl(args []string) error { return tools.Crictl(args) }
