// Command benchtop turns a spare machine into an MLOps lab.
package main

import (
	"context"
	"fmt"
	"os"
	// Time zones of schedules: a spare machine may have no zone database.
	_ "time/tzdata"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// version is set by the build (-ldflags -X main.version=…).
var version = "devel"

func main() {
	// The lab captures what libraries write to os.Stderr. This program's own
	// messages go to the terminal it was started from.
	stderr := os.Stderr
	if err := root().ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(stderr, "Error:", userMessage(err))
		os.Exit(1)
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "benchtop",
		Short: "An MLOps lab in one binary: Kubernetes, S3, an MLflow-compatible registry, Prometheus and a web UI",
		Long: `Benchtop turns a spare machine into an MLOps lab. One process runs K3s, MinIO,
an MLflow-compatible registry, Prometheus and a web UI, trains a model on a
schedule, stores it and serves it behind an ingress. It needs no network.

Start with:  sudo benchtop up`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	// Defined here, because cobra would take over the flag of that name that
	// Kubernetes' libraries define for the whole process.
	cmd.PersistentFlags().Bool("version", false, "show the version")
	_ = cmd.PersistentFlags().MarkHidden("version") // exists: it was just defined
	addConfigFlags(cmd)
	cmd.AddCommand(
		upCommand(), downCommand(), statusCommand(), doctorCommand(),
		projectCommand(), pushCommand(), trainCommand(), predictCommand(), logsCommand(), keysCommand(),
		lineageCommand(), datasetsCommand(), registryCommand(), imagesCommand(), packagesCommand(), gpuCommand(), labCommand(), kubeconfigCommand(), kubectlCommand(), crictlCommand(), nvidiaSMICommand(),
		installCommand(), uninstallCommand(), resetCommand(),
		versionCommand(),
	)
	cmd.AddCommand(releaseCommands()...)
	return cmd
}

// userMessage returns the part of an error that a user can act on, with the
// cause behind it when there is one.
func userMessage(err error) string {
	if mlops.CodeOf(err) == mlops.Internal {
		return err.Error()
	}
	return mlops.MessageOf(err)
}
