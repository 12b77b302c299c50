package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func labCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Take guided labs: learn MLOps on this machine",
		Long: `Take guided labs. Each teaches one thing on the real components, in namespaces and
names of its own: nothing that you do there touches the rest of the lab. The page
Labs of the web UI shows the same, with a terminal beside the text.`,
		Example: `  sudo benchtop lab list
  sudo benchtop lab start from-name-to-pod
  sudo benchtop lab shell from-name-to-pod
  sudo benchtop lab status from-name-to-pod --watch`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(labListCommand(), labStartCommand(), labStatusCommand(), labShellCommand(), labCheckCommand(), labHintCommand(), labAnswerCommand(),
		labBreakCommand(), labGiveUpCommand(), labResetCommand(), labSolveCommand(), labLeaveCommand(), labExportCommand(), labVerifyCommand(), labNewCommand())
	return cmd
}

func labListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the guided labs and what you have reached in them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			all, err := control.Labs(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			return printLabs(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printLabs(w io.Writer, all []mlops.LabEntry) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "LAB\tLEVEL\tMINUTES\tTASKS\tFAULTS MENDED\tNOTE\tTITLE")
	for _, l := range all {
		var notes []string
		switch {
		case l.Progress.Open:
			notes = append(notes, "open")
		case l.Next:
			notes = append(notes, "next")
		}
		if l.Lacks != "" {
			notes = append(notes, plain(l.Lacks))
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d/%d\t%d/%d\t%s\t%s\n", plain(l.Name), plain(l.Level), l.Minutes, l.Progress.Passed, l.Progress.Tasks, l.Progress.Mended, l.Progress.Faults, strings.Join(notes, ", "), plain(l.Title))
	}
	return t.Flush()
}

func labStartCommand() *cobra.Command {
	var timed bool
	cmd := &cobra.Command{
		Use:   "start LAB",
		Short: "Open a guided lab and wait until it can be used",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			if err := control.DoLab(cmd.Context(), args[0], "start", appliance.LabRequest{Timed: timed}); err != nil {
				return err
			}
			v, err := labOpened(cmd, control, args[0])
			if err != nil {
				return err
			}
			return printLab(cmd.OutOrStdout(), v)
		},
	}
	cmd.Flags().BoolVar(&timed, "timed", false, "show how long it takes")
	return cmd
}

// labPause is how often a command that waits for a guided lab looks.
const labPause = 500 * time.Millisecond

// labOpened waits until a lab is open, and says what it waits for.
func labOpened(cmd *cobra.Command, control *appliance.Control, lab string) (mlops.LabView, error) {
	said := ""
	for {
		v, err := control.Lab(cmd.Context(), lab)
		if err != nil {
			return v, err
		}
		if v.Session == nil {
			return v, mlops.Errorf(mlops.InvalidState, "lab %s was left", lab)
		}
		if v.Session.State == mlops.LabOpen {
			return v, nil
		}
		if now := labWaits(v); now != said {
			fmt.Fprintln(cmd.ErrOrStderr(), plain(now))
			said = now
		}
		select {
		case <-cmd.Context().Done():
			return v, cmd.Context().Err()
		case <-time.After(labPause):
		}
	}
}

// labWaits says what a lab that is not open yet waits for.
func labWaits(v mlops.LabView) string {
	out := "the lab is " + string(v.Session.State)
	if why := cmp.Or(v.Session.Problem, v.Shell.Why); why != "" {
		out += ": " + why
	}
	return out
}

func labStatusCommand() *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "status LAB",
		Short: "Show a guided lab: its tasks, what they wait for and what is to do now",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			v, err := control.Lab(cmd.Context(), args[0])
			if err == nil && v.Session != nil && v.Session.State == mlops.LabOpen {
				v, err = control.CheckLab(cmd.Context(), args[0], "") // nobody may have looked for a while
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), v)
			}
			if err := printLab(cmd.OutOrStdout(), v); err != nil || !watch {
				return err
			}
			return watchLab(cmd, control, v)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on, and say what changes")
	return cmd
}

// watchLab says what changes in a lab, until it is left.
func watchLab(cmd *cobra.Command, control *appliance.Control, v mlops.LabView) error {
	said := labLines(v)
	for {
		select {
		case <-cmd.Context().Done():
			return nil
		case <-time.After(labPause):
		}
		v, err := control.Lab(cmd.Context(), v.Name)
		if err != nil {
			return err
		}
		now := labLines(v)
		for i, line := range now {
			if i >= len(said) || said[i] != line {
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", time.Now().Format("15:04:05"), line)
			}
		}
		if said = now; v.Session == nil {
			return nil
		}
	}
}

// labLines are a line for each task, and one for the fault that is looked for.
func labLines(v mlops.LabView) []string {
	out := make([]string, 0, len(v.Tasks)+1)
	for _, t := range v.Tasks {
		out = append(out, labTaskLine(t))
	}
	if v.Break != nil {
		out = append(out, labBreakLine(*v.Break))
	}
	return out
}

func labTaskLine(t mlops.LabTaskView) string {
	line := fmt.Sprintf("%-16s ", plain(t.ID))
	switch {
	case t.Verdict.Fault != "" && t.Pass != nil:
		return line + "passed; whether it still holds is not known, which is our fault: " + plain(t.Verdict.Fault)
	case t.Verdict.Fault != "":
		return line + "this check could not run, which is our fault and not yours: " + plain(t.Verdict.Fault)
	case t.Pass != nil && t.Verdict.Holds, t.Pass != nil && t.Verdict.At.IsZero():
		line += "passed"
	case t.Pass != nil:
		line += "passed, but it does not hold any more: " + plain(t.Verdict.Saw)
	case !t.Unlocked:
		return line + "locked, comes after " + plain(strings.Join(t.After, ", "))
	case t.Verdict.Saw != "":
		return line + plain(t.Verdict.Saw)
	default:
		return line + "open"
	}
	if t.Pass.Solved {
		line += " (by the author's solution)"
	}
	return line
}

func labBreakLine(b mlops.LabBreakView) string {
	switch {
	case !b.MendedAt.IsZero():
		line := "mended: " + plain(b.Title)
		if b.Timed {
			line += ", in " + b.MendedAt.Sub(b.At).Round(time.Second).String()
		}
		return line
	case !b.GaveUpAt.IsZero():
		return "given up: " + plain(b.Title)
	case b.Verdict.Fault != "":
		return "broken: this check could not run, which is our fault and not yours: " + plain(b.Verdict.Fault)
	case b.Verdict.Holds:
		return "broken: it seems to work again"
	case b.Verdict.Saw == "":
		return "broken"
	}
	return "broken: " + plain(b.Verdict.Saw)
}

func printLab(w io.Writer, v mlops.LabView) error {
	fmt.Fprintf(w, "%s (%s, %d minutes)\n", plain(v.Title), plain(v.Level), v.Minutes)
	if v.Session == nil {
		fmt.Fprintf(w, "%s\n\nIt is not open: sudo benchtop lab start %s\n", plain(v.Summary), v.Name)
		return nil
	}
	if v.Session.State != mlops.LabOpen {
		fmt.Fprintln(w, plain(labWaits(v)))
		return nil
	}
	fmt.Fprintf(w, "namespace %s; a shell in it: sudo benchtop lab shell %s\n\n", plain(v.Session.Room), v.Name)
	for _, line := range labLines(v) {
		fmt.Fprintln(w, line)
	}
	for _, t := range v.Tasks {
		if t.Pass != nil || !t.Unlocked {
			continue
		}
		fmt.Fprintf(w, "\n%s\n\n%s\n", plain(t.Title), plainText(t.Prose))
		for _, q := range t.Questions {
			if q.Answer == "" {
				fmt.Fprintf(w, "\n%s: %s%s\n", plain(q.ID), plain(q.Ask), labChoices(q))
			}
		}
		break // one thing at a time
	}
	if v.Break != nil {
		fmt.Fprintf(w, "\n%s\n", plainText(v.Break.Symptom))
		if v.Break.Over() {
			fmt.Fprintf(w, "\n%s\n", plainText(v.Break.Explained))
		}
	}
	if v.CanBreak == "" {
		fmt.Fprintf(w, "\nAll tasks are passed. Let it break: sudo benchtop lab break %s\n", v.Name)
	}
	return nil
}

func labChoices(q mlops.LabQuestion) string {
	if len(q.Choices) == 0 {
		return ""
	}
	all := make([]string, 0, len(q.Choices))
	for _, c := range q.Choices {
		all = append(all, plain(c))
	}
	return " (" + strings.Join(all, " | ") + ")"
}

// plainText is text of several lines without what a terminal would obey.
func plainText(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i, line := range lines {
		lines[i] = plain(line)
	}
	return strings.Join(lines, "\n")
}
