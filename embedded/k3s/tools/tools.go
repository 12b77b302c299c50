// Package tools runs kubectl and crictl inside this binary, pointed at the
// appliance's own cluster. Both parse os.Args and end the process themselves,
// so each must be the last thing that a process does.
package tools

import (
	"os"

	// Before kubectl's packages.
	_ "github.com/benchtop-lab/benchtop/embedded/k3s/tools/language"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	"sigs.k8s.io/cri-tools/cmd/crictl"
)

// Kubectl runs kubectl with args and does not return on failure. A KUBECONFIG
// or --kubeconfig of the user wins over the appliance's.
func Kubectl(kubeconfig string, args []string) error {
	if os.Getenv("KUBECONFIG") == "" {
		if err := os.Setenv("KUBECONFIG", kubeconfig); err != nil {
			return err
		}
	}
	os.Args = append([]string{"kubectl"}, args...)
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
	return nil
}

// Crictl runs crictl with args against containerd's socket.
func Crictl(args []string) error {
	if os.Getenv("CONTAINER_RUNTIME_ENDPOINT") == "" {
		if err := os.Setenv("CONTAINER_RUNTIME_ENDPOINT", "unix:///run/k3s/containerd/containerd.sock"); err != nil {
			return err
		}
	}
	os.Args = append([]string{"crictl"}, args...)
	crictl.Main()
	return nil
}
