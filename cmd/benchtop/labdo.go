package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func labShellCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "shell LAB",
		Short: "Open the shell of a guided lab, the same as in the browser",
		Long: `Open the shell of a guided lab. It is the one that the page shows: both see the
same screen. Ctrl+B, then D leaves it as it is.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			v, err := appliance.NewControl(cfg.DataDir).Lab(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if v.Session == nil || !v.Shell.Ready {
				why := v.Shell.Why
				if v.Session == nil {
					why = "open it first with `benchtop lab start " + v.Name + "`"
				}
				return mlops.Errorf(mlops.InvalidState, "lab %s has no shell now: %s", v.Name, why)
			}
			return appliance.Kubectl(cfg.DataDir, []string{"exec", "--stdin", "--tty", "--namespace", mlops.LabShells, v.Session.Room, "--container", mlops.LabLearner, "--", "tmux", "-u", "new-session", "-A", "-s", "main"})
		},
	}
}

func labCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check LAB [TASK]",
		Short: "Look now whether tasks are passed, and what is missing",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			task := first(args[1:], "")
			v, err := control.CheckLab(cmd.Context(), args[0], task)
			if err != nil {
				return err
			}
			for _, t := range v.Tasks {
				if task == "" || t.ID == task {
					fmt.Fprintln(cmd.OutOrStdout(), labTaskLine(t))
				}
			}
			if v.Break != nil && task == "" {
				fmt.Fprintln(cmd.OutOrStdout(), labBreakLine(*v.Break))
			}
			return nil
		},
	}
}

func labHintCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "hint LAB [TASK]",
		Short: "Take a hint; each one says more. Without TASK it is about the fault",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			h, err := control.LabHint(cmd.Context(), args[0], first(args[1:], ""))
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "hint %d: %s\n", h.Tier, plainText(h.Text))
			return nil
		},
	}
}

func labAnswerCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "answer LAB TASK QUESTION ANSWER",
		Short:   "Answer a question of a task: predict before you look",
		Example: `  sudo benchtop lab answer from-name-to-pod service many 2`,
		Args:    cobra.ExactArgs(4),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			q, err := control.AnswerLab(cmd.Context(), args[0], appliance.LabRequest{Task: args[1], Question: args[2], Answer: args[3]})
			if err != nil {
				return err
			}
			said := "right"
			if !q.Right {
				said = "not quite: " + plain(q.Correct)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\n", said, plainText(q.Because))
			return nil
		},
	}
}

func labBreakCommand() *cobra.Command {
	var in appliance.LabRequest
	cmd := &cobra.Command{
		Use:   "break LAB",
		Short: "Inject a fault into a guided lab, for you to find and mend",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			if err := control.DoLab(cmd.Context(), args[0], "break", in); err != nil {
				return err
			}
			v, err := control.Lab(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if v.Break != nil {
				fmt.Fprintf(cmd.OutOrStdout(), "%s\n\nFind it and mend it. `benchtop lab status %s --watch` says when it works again, `benchtop lab hint %s` helps.\n", plainText(v.Break.Symptom), v.Name, v.Name)
			}
			return nil
		},
	}
	cmd.Flags().Int64Var(&in.Seed, "seed", 0, "chooses the fault: the same seed breaks the same thing; 0 is by chance")
	cmd.Flags().BoolVar(&in.Timed, "timed", false, "measure how long it takes")
	return cmd
}

// labDone is a command that does something in a lab and says so.
func labDone(use, short, verb string, nargs cobra.PositionalArgs, in *appliance.LabRequest, done func(w io.Writer, args []string)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: nargs,
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			in.Task = first(args[1:], "")
			if err := control.DoLab(cmd.Context(), args[0], verb, *in); err != nil {
				return err
			}
			done(cmd.OutOrStdout(), args)
			return nil
		},
	}
}

func labGiveUpCommand() *cobra.Command {
	return labDone("give-up LAB", "Stop looking for the fault: it is explained, and mended for you", "give-up", cobra.ExactArgs(1), &appliance.LabRequest{}, func(w io.Writer, args []string) {
		fmt.Fprintf(w, "mended; what it was: benchtop lab status %s\n", plain(args[0]))
	})
}

func labResetCommand() *cobra.Command {
	return labDone("reset LAB [TASK]", "Bring back how a task, or the whole lab, began", "reset", cobra.RangeArgs(1, 2), &appliance.LabRequest{}, func(w io.Writer, args []string) {
		fmt.Fprintf(w, "%s is as it began\n", plain(args[len(args)-1]))
	})
}

func labLeaveCommand() *cobra.Command {
	in := &appliance.LabRequest{}
	cmd := labDone("leave LAB", "Leave a guided lab: all that was made in it goes, what you have reached stays", "leave", cobra.ExactArgs(1), in, func(w io.Writer, args []string) {
		fmt.Fprintf(w, "%s is being removed; what you have reached is kept\n", plain(args[0]))
	})
	cmd.Flags().BoolVar(&in.Sure, "sure", false, "remove the work in it too")
	cmd.Flags().StringVar(&in.User, "user", "", "whose it is, if not the administrator's: somebody may be gone whose lab is open")
	return cmd
}

func labSolveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "solve LAB TASK",
		Short: "Run the author's solution of a task and show what it prints",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			out, err := control.SolveLab(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), plainText(out))
			return nil
		},
	}
}

func labExportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Print all that is kept of your guided labs, as JSON",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			all, err := control.LabHistory(cmd.Context())
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), all)
		},
	}
}
