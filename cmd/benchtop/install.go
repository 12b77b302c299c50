package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
)

func installCommand() *cobra.Command {
	var start bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install the binary and a systemd unit, so that the lab starts with the machine",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			lines, err := appliance.Install(cmd.Context(), cfg, start)
			for _, l := range lines {
				fmt.Fprintln(cmd.OutOrStdout(), l)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&start, "start", true, "enable and start the unit")
	return cmd
}

func uninstallCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "uninstall",
		Short: "Stop and remove the systemd unit and the installed binary; data stays",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lines, err := appliance.Uninstall(cmd.Context())
			for _, l := range lines {
				fmt.Fprintln(cmd.OutOrStdout(), l)
			}
			return err
		},
	}
}
