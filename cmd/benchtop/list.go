package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
)

// addList gives cmd the subcommand list, which prints a table, or JSON with --json.
// Without a subcommand cmd does the same.
func addList[T any](cmd *cobra.Command, short string, all func(*appliance.Control, context.Context) ([]T, error), table func(io.Writer, []T) error) {
	var asJSON bool
	run := func(cmd *cobra.Command, _ []string) error {
		control, err := controlOf(cmd)
		if err != nil {
			return err
		}
		found, err := all(control, cmd.Context())
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), found)
		}
		return table(cmd.OutOrStdout(), found)
	}
	list := &cobra.Command{Use: "list", Short: short}
	for _, c := range []*cobra.Command{cmd, list} {
		c.Args, c.RunE = cobra.NoArgs, run
		c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	}
	cmd.AddCommand(list)
}
