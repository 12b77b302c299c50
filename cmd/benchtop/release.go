package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/gatesfile"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// releaseCommands change which version a deployment serves.
func releaseCommands() []*cobra.Command {
	return []*cobra.Command{
		deployCommand(), undeployCommand(), deploymentsCommand(), revisionsCommand(), promoteCommand(), rollbackCommand(),
		holdCommand("pin", "Keep a deployment at the version that it serves now", true, false),
		holdCommand("unpin", "Let a deployment follow new versions and its alias again", true, true),
		holdCommand("pause", "Let new versions wait until `benchtop resume`", false, false),
		holdCommand("resume", "Let the versions that wait go on", false, true),
		decideCommand("approve", "Let a version that waits for an approval be served"),
		decideCommand("reject", "Refuse a version that waits for an approval"),
		gatesCommand(),
	}
}

func deploymentsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "deployments",
		Short: "List what is served",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			ds, err := control.Deployments(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), ds)
			}
			return printDeployments(cmd.OutOrStdout(), ds)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printDeployments(w io.Writer, ds []mlops.Deployment) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "DEPLOYMENT\tMODEL\tVERSION\tREVISION\tFOLLOWS\tREADY\tPATH\tNOTE")
	for _, d := range ds {
		follows, revision := "-", "-"
		if d.Follows != "" {
			follows = "@" + d.Follows
		}
		if d.Revision != nil {
			revision = fmt.Sprintf("%d %s", d.Revision.Number, d.Revision.State)
		}
		var notes []string
		if d.Pinned {
			notes = append(notes, "pinned")
		}
		if d.Paused {
			notes = append(notes, "paused")
		}
		if d.Message != "" {
			notes = append(notes, d.Message)
		}
		version := d.Version
		if version == "" {
			version = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d/%d\t%s\t%s\n", d.Name, d.Model, version, revision, follows, d.Ready, d.Replicas, d.Path, strings.Join(notes, ", "))
	}
	return t.Flush()
}

func revisionsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "revisions [DEPLOYMENT]",
		Short: "Show who put which version into service, when and why",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			rs, err := control.Revisions(cmd.Context(), first(args, appliance.DefaultProject))
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), rs)
			}
			return printRevisions(cmd.OutOrStdout(), rs)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printRevisions(w io.Writer, rs []mlops.Revision) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "REVISION\tVERSION\tSTATE\tCAUSE\tBY\tWHEN\tCODE\tWHY")
	for _, r := range rs {
		var why []string
		for _, s := range []string{r.Reason, r.Message} {
			if s != "" {
				why = append(why, s)
			}
		}
		fmt.Fprintf(t, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Number, r.Version, r.State, r.Cause, plain(r.By), r.CreatedAt.Local().Format("2006-01-02 15:04:05"), shortDigest(plain(r.CodeSHA256)), plain(strings.Join(why, "; ")))
	}
	return t.Flush()
}

// plain is a text for one cell of a table. Clients, models and pods say what
// they like; here it can neither steer the terminal nor break the line.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, s)
}

// shortDigest is as much of a digest as tells it from others, "-" for none.
func shortDigest(digest string) string {
	return cmp.Or(fmt.Sprintf("%.12s", digest), "-")
}

// caller is the person at the command line, as far as the system knows.
func caller() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "command line"
}

func promoteCommand() *cobra.Command {
	var reason string
	var override bool
	cmd := &cobra.Command{
		Use:   "promote DEPLOYMENT VERSION",
		Short: "Put a version of its model into service",
		Long: `Put a version of its model into service, if the project's gates let it.

The command returns when every server answers with the version. Requests are
answered all the time: by the version before, then by this one.`,
		Example: "  sudo benchtop promote iris 7\n  sudo benchtop promote iris 7 --override --reason \"the hold-out was wrong\"",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := number("VERSION", args[1])
			if err != nil {
				return err
			}
			return release(cmd, args[0], "promote", appliance.ReleaseRequest{Version: version, Override: override, Act: mlops.Act{By: caller(), Reason: reason}})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, kept with the revision")
	cmd.Flags().BoolVar(&override, "override", false, "although a gate fails; needs --reason")
	return cmd
}

func rollbackCommand() *cobra.Command {
	var reason string
	var to int
	cmd := &cobra.Command{
		Use:   "rollback [DEPLOYMENT]",
		Short: "Serve the previous version again",
		Long: `Serve the previous version again, or the version of revision --to. No gate is
asked. The command returns when every server answers with it.`,
		Example: "  sudo benchtop rollback iris --reason \"worse on wet days\"\n  sudo benchtop rollback iris --to 3",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return release(cmd, first(args, appliance.DefaultProject), "rollback", appliance.ReleaseRequest{Revision: to, Act: mlops.Act{By: caller(), Reason: reason}})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, kept with the revision")
	cmd.Flags().IntVar(&to, "to", 0, "number of the revision to go back to (the one before)")
	return cmd
}

func decideCommand(verb, short string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   verb + " DEPLOYMENT [REVISION]",
		Short: short,
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := appliance.ReleaseRequest{Act: mlops.Act{By: caller(), Reason: reason}}
			if len(args) > 1 {
				var err error
				if req.Revision, err = number("REVISION", args[1]); err != nil {
					return err
				}
			}
			return release(cmd, args[0], verb, req)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, kept with the revision")
	return cmd
}

func number(what, s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, mlops.Errorf(mlops.Invalid, "%s is %q: expected a number from 1", what, s)
	}
	return n, nil
}

// startPatience is how long a command waits for the servers.
const startPatience = time.Minute

// release requests a change and waits until its revision is live, waits or has
// ended.
func release(cmd *cobra.Command, deployment, verb string, req appliance.ReleaseRequest) error {
	control, err := controlOf(cmd)
	if err != nil {
		return err
	}
	r, err := control.Release(cmd.Context(), deployment, verb, req)
	if err != nil {
		return err
	}
	begun := time.Now()
	// A judged revision with a message waits for its run, which may take long.
	for r.State == mlops.RevisionStarting || r.State == mlops.RevisionJudging && r.Message == "" || r.Measuring() {
		if r.Measuring() {
			begun = time.Now() // its Job has a limit of its own
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-cmd.Context().Done():
			return cmd.Context().Err()
		}
		if time.Since(begun) > startPatience {
			return mlops.Errorf(mlops.Unavailable, "version %d of %s is still starting after %s, and goes on by itself: see `benchtop deployments` and `benchtop doctor`", r.Version, r.Model, startPatience)
		}
		if r, err = revision(cmd, control, deployment, r.ID); err != nil {
			return err
		}
	}
	switch {
	case r.State == mlops.RevisionFailed:
		return mlops.Errorf(mlops.InvalidState, "version %d of %s is not served: %s", r.Version, r.Model, r.Message)
	case r.State == mlops.RevisionRejected && verb != "reject":
		return mlops.Errorf(mlops.InvalidState, "version %d of %s was not put into service: %s", r.Version, r.Model, r.Message)
	case r.State == mlops.RevisionLive:
		fmt.Fprintf(cmd.OutOrStdout(), "deployment %s serves %s version %d (revision %d)\n", deployment, r.Model, r.Version, r.Number)
	default:
		fmt.Fprintf(cmd.OutOrStdout(), "revision %d of deployment %s is %s", r.Number, deployment, r.State)
		if r.Message != "" {
			fmt.Fprintf(cmd.OutOrStdout(), ": %s", r.Message)
		}
		fmt.Fprintln(cmd.OutOrStdout())
	}
	return nil
}

// revision reads one revision again.
func revision(cmd *cobra.Command, control *appliance.Control, deployment string, id int64) (mlops.Revision, error) {
	rs, err := control.Revisions(cmd.Context(), deployment)
	if err != nil {
		return mlops.Revision{}, err
	}
	for _, r := range rs {
		if r.ID == id {
			return r, nil
		}
	}
	return mlops.Revision{}, mlops.Errorf(mlops.NotFound, "the revision is gone: somebody has deleted deployment %s", deployment)
}

// holdCommand pins a deployment if pin is set, otherwise it pauses it. With end
// it undoes that.
func holdCommand(verb, short string, pin, end bool) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " DEPLOYMENT",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			to := !end
			req := appliance.ReleaseRequest{Act: mlops.Act{By: caller()}}
			if pin {
				req.Pinned = &to
			} else {
				req.Paused = &to
			}
			d, err := control.Hold(cmd.Context(), args[0], req)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "deployment %s: pinned %t, paused %t\n", d.Name, d.Pinned, d.Paused)
			return nil
		},
	}
}

func gatesCommand() *cobra.Command {
	var none bool
	cmd := &cobra.Command{
		Use:   "gates [PROJECT] [FILE]",
		Short: "Show or set the quality gates that a version must pass before it is served",
		Long: `Show what a version of a project's model must pass before it is served, or set it
from a file (- is standard input) in this layout:

  metrics:
    accuracy: {minimum: 0.9, comparison: gte}   # gte: not below the served version
    log_loss: {maximum: 0.4, comparison: lte}   # lte: not above the served version
  approval: required                            # and a person says yes

A metric is one that the version's run has logged, or one of those that the lab
measures on the version itself before it is served: latency_p95_ms,
model_size_mb and feature_importance_stability.`,
		Example: "  sudo benchtop gates iris quality_gates.yaml\n  sudo benchtop gates iris --none",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			project := first(args, appliance.DefaultProject)
			switch {
			case none && len(args) > 1:
				return mlops.Errorf(mlops.Invalid, "--none takes the gates away: leave FILE out")
			case none:
				if err := control.SetGates(cmd.Context(), project, mlops.Gates{}); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "project %s has no gates\n", project)
				return nil
			case len(args) > 1:
				return setGates(cmd, control, project, args[1])
			}
			g, err := control.Gates(cmd.Context(), project)
			if err != nil {
				return err
			}
			text := gatesfile.Print(g)
			if text == "" {
				text = "project " + project + " has no gates\n"
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().BoolVar(&none, "none", false, "take all gates away")
	return cmd
}

func setGates(cmd *cobra.Command, control *appliance.Control, project, file string) error {
	var b []byte
	var err error
	if file == "-" {
		b, err = io.ReadAll(cmd.InOrStdin())
	} else {
		b, err = os.ReadFile(file)
	}
	if err != nil {
		return mlops.Errorf(mlops.Invalid, "gates: %v", err)
	}
	g, err := gatesfile.Parse(b)
	if err != nil {
		return err
	}
	if err := control.SetGates(cmd.Context(), project, g); err != nil {
		return err
	}
	bounded := fmt.Sprintf("%d metrics are bounded", len(g.Metrics))
	if len(g.Metrics) == 1 {
		bounded = "1 metric is bounded"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "project %s: %s, approval %s\n", project, bounded, map[bool]string{true: "is required", false: "is not required"}[g.Approval != ""])
	return nil
}
