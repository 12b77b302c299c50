package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
)

// kubectl and crictl parse their flags themselves, so the data dir comes from
// the environment and the configuration file.
func toolConfig() (appliance.Config, error) {
	return appliance.LoadConfig(appliance.Source{Environ: os.LookupEnv})
}

func kubectlCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "kubectl ...",
		Short:              "Run kubectl against the lab's cluster",
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := toolConfig()
			if err != nil {
				return err
			}
			dataDir, args := takeDataDir(cfg.DataDir, args)
			return appliance.Kubectl(dataDir, args)
		},
	}
}

func crictlCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "crictl ...",
		Short:              "Run crictl against the lab's containerd",
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return appliance.Crictl(args) },
	}
}

func nvidiaSMICommand() *cobra.Command {
	return &cobra.Command{
		Use:                "nvidia-smi ...",
		Short:              "Run the nvidia-smi of the lab's GPU driver, the simulated one too",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := toolConfig()
			if err != nil {
				return err
			}
			dataDir, args := takeDataDir(cfg.DataDir, args)
			return appliance.NvidiaSMI(cmd.Context(), dataDir, args)
		},
	}
}

// takeDataDir takes a leading --data-dir out of args.
func takeDataDir(dataDir string, args []string) (string, []string) {
	if len(args) > 0 {
		if v, ok := strings.CutPrefix(args[0], "--data-dir="); ok {
			return v, args[1:]
		}
		if args[0] == "--data-dir" && len(args) > 1 {
			return args[1], args[2:]
		}
	}
	return dataDir, args
}
