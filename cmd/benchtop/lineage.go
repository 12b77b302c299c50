package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func lineageCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "lineage DEPLOYMENT | MODEL/VERSION",
		Short:   "Show which data, code, image and run an answer comes from",
		Example: "  benchtop lineage iris      # of the version that deployment iris serves now\n  benchtop lineage iris/3    # of version 3 of model iris",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			l, err := control.Lineage(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), l)
			}
			return printLineage(cmd.OutOrStdout(), l)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printLineage(w io.Writer, l appliance.VersionLineage) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", what, plain(value))
		}
	}
	line("version", fmt.Sprintf("%s %d, registered %s", l.Version.Model, l.Version.Version, day(l.Version.CreatedAt, "")))
	var served []string
	for _, d := range l.Deployments {
		served = append(served, d.Name)
	}
	line("served by", orNone(strings.Join(served, ", ")))
	if l.Run == nil {
		line("run", "none is known: data and code are known through the run that makes a version")
	} else {
		line("run", fmt.Sprintf("%s (%s), experiment %s, %s", l.Run.Name, l.Run.RunID, l.Run.Experiment, l.Run.Status))
	}
	for _, d := range l.Datasets {
		digest := d.SHA256
		if digest == "" {
			digest = d.Digest
		}
		name := d.Name
		if d.Stored != nil {
			name = fmt.Sprintf("%s version %d", d.Stored.Name, d.Stored.Version)
		}
		line("data", name+", digest "+digest)
	}
	if l.Run != nil && len(l.Datasets) == 0 {
		line("data", "the run has logged no dataset")
	}
	line("code", l.Code.Source)
	line("commit", strings.TrimSpace(l.Code.Commit+" "+l.Code.Branch))
	line("repository", l.Code.Repo)
	line("code digest", l.Code.SHA256)
	line("image", l.Image)
	if l.Job != nil {
		line("job", l.Job.Job)
	}
	line("files", l.ArtifactURI)
	return t.Flush()
}

func datasetsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "datasets [NAME or DIGEST]",
		Short: "List the datasets that runs have read, or show the versions and deployments made from one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if len(args) == 0 {
				all, err := control.Datasets(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(out, all)
				}
				return printDatasets(out, all)
			}
			use, err := control.DatasetUse(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(out, use)
			}
			return printDatasetUse(out, use)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(datasetsAddCommand())
	return cmd
}

func datasetsAddCommand() *cobra.Command {
	var source string
	cmd := &cobra.Command{
		Use:   "add NAME FILE",
		Short: "Store a CSV file as the newest version of a dataset",
		Long: `Stores a CSV file as the newest version of a dataset. Its first line names the
columns; the last column is the class, the others are numbers. scikit-learn's
layout is read too: a first line with the number of rows, the number of
features and the class names, and the class's index in the last column.

Projects that have the dataset train with it from their next training on.`,
		Example: `  benchtop datasets add churn churn.csv --source "CRM export of November"
  benchtop project add churn --dataset churn`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			f, err := os.Open(args[1])
			if err != nil {
				return mlops.Errorf(mlops.Invalid, "the file cannot be opened: %v", err)
			}
			defer f.Close() //nolint:errcheck // only read from
			if source == "" {
				source = filepath.Base(args[1])
			}
			d, err := control.AddDataset(cmd.Context(), args[0], source, f)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "dataset %s version %d is stored: %d rows, %d features, classes %s\n", d.Name, d.Version, d.Rows, d.Features, strings.Join(d.Classes, ", "))
			return nil
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "where the data comes from, with its licence; the file's name if not given")
	return cmd
}

func printDatasets(w io.Writer, all []mlops.DatasetSummary) error {
	if len(all) == 0 {
		fmt.Fprintln(w, "there is no dataset yet: a project brings its data, and a run that logs one makes it known")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "DATASET\tVERSION\tROWS\tDIGEST\tRUNS\tMODEL VERSIONS\tLAST READ")
	for _, d := range all {
		version, rows := "-", "-"
		if d.Stored != nil {
			version, rows = fmt.Sprint(d.Stored.Version), fmt.Sprint(d.Stored.Rows)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%.12s\t%d\t%d\t%s\n", d.Name, version, rows, d.Digest, d.Runs, d.Versions, day(fromMillis(d.LastRunAt), "never"))
	}
	return t.Flush()
}

func printDatasetUse(w io.Writer, use mlops.DatasetUse) error {
	digest := use.Digest
	if use.Stored != nil {
		digest = use.Stored.SHA256
		fmt.Fprintf(w, "%s version %d, %d rows, stored at %s\n", use.Name, use.Stored.Version, use.Stored.Rows, use.Stored.URI())
	} else {
		fmt.Fprintf(w, "%s, known from its runs only\n", use.Name)
	}
	var served []string
	for _, d := range use.Deployments {
		served = append(served, fmt.Sprintf("%s (%s %s)", d.Name, d.Model, d.Version))
	}
	fmt.Fprintf(w, "digest %s\nread by %d runs\nserved now by %s\n", digest, use.Runs, orNone(strings.Join(served, ", ")))
	if len(use.Versions) == 0 {
		fmt.Fprintln(w, "no model version was made from it")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "\nMODEL VERSION\tREGISTERED\tRUN\tSERVED BY")
	for _, v := range use.Versions {
		fmt.Fprintf(t, "%s %d\t%s\t%s\t%s\n", v.Model, v.Version, day(fromMillis(v.CreatedAt), ""), v.RunID, orNone(strings.Join(v.Served, ", ")))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if use.More > 0 {
		fmt.Fprintf(w, "and %d older ones\n", use.More)
	}
	return nil
}

// fromMillis is a time of the registry, zero for 0.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
