package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the versions of the lab and of the systems embedded in it",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "benchtop %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			for _, c := range appliance.Components() {
				fmt.Fprintf(w, "  %-28s %s\n", c.Name, c.Version)
			}
		},
	}
}
