package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
)

func statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what runs, and where the loop stands",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			s, err := control.Status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), s)
			}
			return printStatus(cmd.OutOrStdout(), s)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printStatus(w io.Writer, s appliance.Status) error {
	fmt.Fprintf(w, "benchtop is %s", s.State)
	if s.PID != 0 {
		fmt.Fprintf(w, " (process %d, %s)", s.PID, s.UI)
	}
	fmt.Fprintf(w, ", data dir %s\n", s.DataDir)
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, u := range s.Units {
		detail := u.Progress
		if u.Error != "" {
			detail = u.Error
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", u.Name, u.State, (time.Duration(u.TookMs) * time.Millisecond).Round(100*time.Millisecond), detail)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(s.Loop) == 0 && s.State == appliance.StateReady {
		fmt.Fprintf(w, "no project yet: add one with `benchtop project add %s`\n", appliance.DefaultProject)
	}
	for _, p := range s.Loop {
		if p.Deleting {
			fmt.Fprintf(w, "project %s is being deleted\n", p.Project)
			continue
		}
		fmt.Fprintf(w, "project %s\n", p.Project)
		if p.Training != nil {
			message := p.Training.Message
			if why := p.Training.Waits(); why != "" {
				message = "waits: " + why
			}
			fmt.Fprintf(w, "  training    %s: %s\n", p.Training.Job, strings.TrimSuffix(string(p.Training.State)+", "+message, ", "))
		}
		if !p.NextTraining.IsZero() {
			fmt.Fprintf(w, "  next        %s\n", p.NextTraining.UTC().Format(time.RFC3339))
		}
		if d := p.Deployment; d != nil {
			fmt.Fprintf(w, "  deployment  version %s, %d of %d ready, http://%s\n", orNone(d.Version), d.Ready, d.Replicas, d.Host)
		}
	}
	for _, o := range s.Serving {
		d := o.Deployment
		fmt.Fprintf(w, "deployment %s  model %s version %s, %d of %d ready, http://%s\n", d.Name, d.Model, orNone(d.Version), d.Ready, d.Replicas, d.Host)
	}
	for _, warning := range s.Warnings {
		fmt.Fprintln(w, "!", warning)
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
