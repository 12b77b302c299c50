package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func labNewCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "new FOLDER",
		Short:   "Write the files of a guided lab of your own to begin with",
		Example: "  benchtop lab new ./my-lab && sudo benchtop lab verify ./my-lab",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := appliance.NewLab(args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is a lab that passes; try it: sudo benchtop lab verify %s\n", plain(args[0]), plain(args[0]))
			return nil
		},
	}
}

func labVerifyCommand() *cobra.Command {
	var v appliance.LabVerify
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "verify [LAB… | FOLDER | --all]",
		Short: "Prove guided labs on this machine: solutions, faults, resets",
		Long: `Prove guided labs on this machine, in rooms of their own: unsolved tasks fail, each
solution passes its task, twice; resets undo; each fault is seen and can be mended;
leaving leaves nothing behind. FOLDER is a lab that you write.`,
		Example: "  sudo benchtop lab verify from-name-to-pod\n  sudo benchtop lab verify ./my-lab\n  sudo benchtop lab verify --all --at-once 2\n  sudo benchtop lab verify --all --steps 100 --seed 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case all && len(args) > 0:
				return mlops.Errorf(mlops.Invalid, "lab verify: expected names of labs, or --all, not both")
			case !all && len(args) == 0:
				return mlops.Errorf(mlops.Invalid, "lab verify: expected names of labs, the folder of one, or --all")
			case v.Steps < 0 || v.AtOnce < 1:
				return mlops.Errorf(mlops.Invalid, "lab verify: expected --steps of 0 or more, and --at-once of 1 or more")
			}
			v.Labs, v.Folder = args, ""
			if len(args) == 1 && isLabFolder(args[0]) {
				v.Labs, v.Folder = nil, args[0]
				if v.Steps > 0 {
					return mlops.Errorf(mlops.Invalid, "lab verify: random steps are for labs of the catalogue, and not for a folder: leave --steps out")
				}
			}
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			tally := appliance.NewLabTally()
			err = control.VerifyLabs(cmd.Context(), v, func(l appliance.LabStep) {
				tally.Add(l)
				if asJSON {
					_ = printJSON(w, l) // the last line says how it ended
				} else {
					printLabStep(w, l)
				}
			})
			if !asJSON && tally.Steps() > 0 {
				fmt.Fprintln(w, tally)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all labs of the catalogue")
	cmd.Flags().IntVar(&v.AtOnce, "at-once", 1, "how many labs at the same time")
	cmd.Flags().IntVar(&v.Steps, "steps", 0, "take so many right and wrong steps by chance in each lab, in place of the whole proof")
	cmd.Flags().Int64Var(&v.Seed, "seed", 1, "of the random steps: the same seed takes the same steps")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, a document for each step")
	return cmd
}

// isLabFolder reports whether an argument means a folder: it looks like one, or is
// one.
func isLabFolder(arg string) bool {
	if strings.Contains(arg, "/") {
		return true
	}
	_, err := os.Stat(filepath.Join(arg, "lab.yaml"))
	return err == nil
}

func printLabStep(w io.Writer, l appliance.LabStep) {
	mark := "ok  "
	if !l.OK {
		mark = "FAIL"
	}
	fmt.Fprintf(w, "%s %-24s %-9s %6.1f s  %s", mark, plain(l.Lab), plain(l.Kind), l.Took.Round(100*time.Millisecond).Seconds(), plain(l.What))
	if l.Saw != "" {
		fmt.Fprintf(w, ": %s", plain(l.Saw))
	}
	fmt.Fprintln(w)
}
