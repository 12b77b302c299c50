package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// doctorOfGPUs is what is looked at alone.
const doctorOfGPUs = "gpu"

func doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [gpu]",
		Short: "Check the machine before the lab starts; name the broken layer while it runs",
		Long: `Checks the machine before the lab starts, and names the broken layer while it
runs. "doctor gpu" looks at GPUs alone, and says what is well with them too.`,
		ValidArgs: []string{doctorOfGPUs},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && args[0] != doctorOfGPUs {
				return mlops.Errorf(mlops.Invalid, "doctor %s: expected nothing, or gpu to look at GPUs alone", strings.Join(args, " "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			diagnose := appliance.Diagnose
			if len(args) > 0 {
				diagnose = appliance.DiagnoseGPUs
			}
			findings, err := diagnose(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if asJSON {
				if err := printJSON(w, findings); err != nil {
					return err
				}
			} else {
				for _, f := range findings {
					fmt.Fprintf(w, "%-5s %-11s %s\n", f.Level, f.Check, f.Detail)
					for line := range strings.SplitSeq(f.Seen, "\n") {
						if f.Seen != "" {
							fmt.Fprintf(w, "      %-11s | %s\n", "", line)
						}
					}
					fix := f.Fix
					if f.Command != "" {
						fix += ": `" + f.Command + "`"
					}
					if f.Fix != "" {
						fmt.Fprintf(w, "      %-11s fix: %s\n", "", fix)
					}
				}
			}
			if doctor.Worst(findings) == doctor.Fail {
				return mlops.Errorf(mlops.InvalidState, "something is broken: see the lines that start with fail")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
