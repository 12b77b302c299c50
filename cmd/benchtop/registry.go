package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func registryCommand() *cobra.Command {
	var addr, passwordFile string
	cmd := &cobra.Command{
		Use:     "registry --data-dir DIR",
		Short:   "Run the MLflow-compatible registry alone: no cluster, no root",
		Example: "  benchtop registry --data-dir ~/mlruns\n  MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python train.py",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("data-dir") {
				return mlops.Errorf(mlops.Invalid, "where to keep runs and artifacts? Give --data-dir DIR; it is created if it does not exist")
			}
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, nil))
			return appliance.RegistryAlone(cmd.Context(), cfg.DataDir, addr, passwordFile, log, func(a net.Addr) {
				fmt.Fprintf(cmd.OutOrStdout(), "registry  http://%s  (export MLFLOW_TRACKING_URI=http://%s)\n", a, a)
			})
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:5000", "address to listen on; other than loopback needs --password-file")
	cmd.Flags().StringVar(&passwordFile, "password-file", "", "file with the password of user admin")
	cmd.AddCommand(registryGCCommand())
	return cmd
}

func registryGCCommand() *cobra.Command {
	var olderThan time.Duration
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove for good what was deleted, with its artifacts",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			r, err := appliance.RegistryGC(cmd.Context(), cfg.DataDir, olderThan)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "removed %d experiments, %d runs and %d logged models; freed %d bytes in %d artifacts and %d unfinished uploads, and %d bytes in the database\n",
				r.Experiments, r.Runs, r.LoggedModels, r.Bytes, r.Files, r.Uploads, r.DatabaseFree)
			return nil
		},
	}
	cmd.Flags().DurationVar(&olderThan, "older-than", 0, "only what was deleted longer ago than this")
	return cmd
}
