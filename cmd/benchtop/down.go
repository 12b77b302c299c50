package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func downCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the lab in order; pods go on serving",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
			defer cancel()
			start := time.Now()
			if err := control.Stop(ctx); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "stopped in %s; pods go on serving, `benchtop up` takes them over\n", time.Since(start).Round(100*time.Millisecond))
			return nil
		},
	}
}
