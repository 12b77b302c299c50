package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func resetCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Stop everything and delete all data: pods, models, runs, objects, secrets",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if !yes {
				fmt.Fprintf(cmd.OutOrStdout(), "This stops the lab and deletes everything in %s: models, runs, artifacts, datasets, images, secrets.\nType yes to go on: ", cfg.DataDir)
				answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n') // end of input is a no
				if strings.TrimSpace(answer) != "yes" {
					return mlops.Errorf(mlops.InvalidState, "nothing was deleted: type yes, or give --yes, to reset")
				}
			}
			lines, err := appliance.Reset(cmd.Context(), cfg)
			for _, l := range lines {
				fmt.Fprintln(cmd.OutOrStdout(), l)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}
