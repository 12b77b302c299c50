package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func trainCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "train [PROJECT]",
		Short: "Train a project now (" + appliance.DefaultProject + " if none is named)",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			project := first(args, appliance.DefaultProject)
			t, err := control.Train(cmd.Context(), project)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "training %s requested\n", t.Job)
			said := ""
			for wait && !t.State.Terminal() {
				if why := t.Waits(); why != said {
					if said = why; why != "" {
						fmt.Fprintf(cmd.OutOrStdout(), "training %s waits: %s\n", t.Job, why)
					}
				}
				select {
				case <-time.After(500 * time.Millisecond):
				case <-cmd.Context().Done():
					return cmd.Context().Err()
				}
				if t, err = control.Training(cmd.Context(), project, t.ID); err != nil {
					return err
				}
			}
			if t.State == mlops.TrainingFailed {
				return mlops.Errorf(mlops.InvalidState, "training %s failed: %s; see `benchtop logs %s`", t.Job, t.Message, project)
			}
			if wait {
				fmt.Fprintf(cmd.OutOrStdout(), "training %s %s, run %s\n", t.Job, t.State, t.RunID)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the training has ended")
	return cmd
}

func first(args []string, otherwise string) string {
	if len(args) > 0 {
		return args[0]
	}
	return otherwise
}
