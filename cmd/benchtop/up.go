package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func upCommand() *cobra.Command {
	var noSample bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the lab and keep it running in the foreground",
		Long: `Start the lab and keep it running until Ctrl-C, SIGTERM or "benchtop down".
Pods go on serving when it stops; the next "up" takes them over.

Settings come from flags, environment variables (BENCHTOP_HTTP_ADDR, …), the
configuration file, and defaults, in this order. All of them:
` + settingsHelp(),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if noSample {
				cfg = cfg.WithoutSample()
			}
			if err := preflight(cfg); err != nil {
				return err
			}
			tty := term.IsTerminal(int(os.Stdout.Fd()))
			return appliance.Run(cmd.Context(), cfg, version, appliance.NewTerminal(os.Stdout, tty))
		},
	}
	cmd.Flags().BoolVar(&noSample, "no-sample", false, "begin a new lab without a project, as --project-sample none does")
	return cmd
}

func settingsHelp() string {
	var b strings.Builder
	def := appliance.DefaultConfig()
	for _, s := range appliance.Settings() {
		fmt.Fprintf(&b, "\n  --%-28s %s", s.FlagName(), s.Usage)
		if v := s.Value(def); v != "" {
			fmt.Fprintf(&b, " (default %s)", v)
		}
	}
	return b.String()
}

// preflight stops before anything is written if the machine can't run the
// lab, or another instance does.
func preflight(cfg appliance.Config) error {
	if appliance.Locked(appliance.Paths{Data: cfg.DataDir}) {
		_, err := appliance.AcquireLock(appliance.Paths{Data: cfg.DataDir})
		return err
	}
	if err := cfg.CheckMachine(); err != nil {
		return err
	}
	var broken []string
	for _, f := range doctor.Before(cfg.Machine()) {
		if f.Level == doctor.Fail {
			broken = append(broken, fmt.Sprintf("%s: %s\n    fix: %s", f.Check, f.Detail, f.Fix))
		}
	}
	if len(broken) > 0 {
		return mlops.Errorf(mlops.InvalidState, "this machine cannot run the lab yet:\n  %s\nnothing was started; `benchtop doctor` checks again", strings.Join(broken, "\n  "))
	}
	return nil
}
