package main

import (
	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
)

func logsCommand() *cobra.Command {
	var follow bool
	var tail int
	cmd := &cobra.Command{
		Use:     "logs [UNIT | PROJECT]",
		Short:   "Show the log of the lab, of one unit, or of a project's pods",
		Example: "  benchtop logs\n  benchtop logs minio\n  benchtop logs iris --follow",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			name := first(args, "")
			if name == "" || appliance.IsUnit(name) {
				return appliance.UnitLogs(cmd.Context(), cfg.DataDir, name, follow, tail, cmd.OutOrStdout())
			}
			return appliance.NewControl(cfg.DataDir).Logs(cmd.Context(), name, follow, tail, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	cmd.Flags().IntVarP(&tail, "tail", "n", 200, "start with the last lines")
	return cmd
}
