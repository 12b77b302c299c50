package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
)

// addConfigFlags gives every command the settings of the configuration file
// as flags; `benchtop up --help` shows them, the others hide all but two.
func addConfigFlags(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	f.String("config", "", "configuration file (default "+appliance.DefaultConfigFile+", if it exists)")
	for _, s := range appliance.Settings() {
		f.String(s.FlagName(), "", s.Usage)
		if s.Key != "data_dir" {
			_ = f.MarkHidden(s.FlagName()) // exists: it was just defined
		}
	}
}

// loadConfig reads the configuration from cmd's flags, the environment and the
// file.
func loadConfig(cmd *cobra.Command) (appliance.Config, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return appliance.Config{}, err
	}
	flags := map[string]string{}
	for _, s := range appliance.Settings() {
		if f := cmd.Flags().Lookup(s.FlagName()); f != nil && f.Changed {
			flags[s.Key] = f.Value.String()
		}
	}
	return appliance.LoadConfig(appliance.Source{
		File: file, Environ: os.LookupEnv,
		Flag: func(key string) (string, bool) { v, ok := flags[key]; return v, ok },
	})
}

// controlOf returns a client of the configured appliance.
func controlOf(cmd *cobra.Command) (*appliance.Control, error) {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return nil, err
	}
	return appliance.NewControl(cfg.DataDir), nil
}
