package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// typed reports whether the person at the terminal types a word. End of input
// counts as no.
func typed(cmd *cobra.Command, word string) bool {
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	return strings.TrimSpace(answer) == word
}

func resetCommand() *cobra.Command {
	var yes, cluster bool
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Stop everything and delete all data: pods, models, runs, objects, secrets",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			do, what := appliance.Reset, "everything in "+cfg.DataDir+": models, runs, artifacts, datasets, images, secrets"
			if cluster {
				do, what = appliance.ResetCluster, "the cluster in "+cfg.DataDir+": pods, volumes, loaded images, kubeconfig users, what was applied with kubectl. Registry, objects, metrics and keys stay; `benchtop up` builds the projects anew"
			}
			if !yes {
				fmt.Fprintf(cmd.OutOrStdout(), "This stops the lab and deletes %s.\nType yes to go on: ", what)
				if !typed(cmd, "yes") {
					return mlops.Errorf(mlops.InvalidState, "nothing was deleted: type yes, or give --yes, to reset")
				}
			}
			lines, err := do(cmd.Context(), cfg)
			for _, l := range lines {
				fmt.Fprintln(cmd.OutOrStdout(), l)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&cluster, "cluster", false, "only throw the cluster away: registry, objects and metrics stay, and the next start builds the projects anew")
	return cmd
}
