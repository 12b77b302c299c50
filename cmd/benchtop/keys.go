package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List, create and revoke access keys: one for the UI's API, MLflow, Prometheus and S3",
		Example: `  benchtop keys create ada --role editor --bucket data:rw --expires 90d
  benchtop keys create ci --role trainer --project iris --bucket data/ci/:rw
  benchtop keys
  benchtop keys revoke ada`,
	}
	addList(cmd, "List access keys", (*appliance.Control).Keys, func(w io.Writer, keys []mlops.Key) error { return printKeys(w, keys, time.Now()) })
	cmd.AddCommand(keysCreateCommand(), keysRevokeCommand())
	return cmd
}

func keysCreateCommand() *cobra.Command {
	var req mlops.KeyRequest
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Create an access key and show its token, this once",
		Long: `Creates an access key. Its name is the user name and the access key of S3, its
token the password, the bearer token and the secret key of S3.

Roles:  reader   reads everything in the registry, the metrics and the UI
        trainer  writes to the registry, too; for programs
        editor   trains and changes what is served, too
        admin    everything, every bucket among it

With --project it is a key of single projects: it sees and changes the experiment
and the model of that name, those whose names begin with NAME. (experiments also
with NAME/), what is served of it, and nothing else. In S3 it reaches the buckets
that it names.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			if req.Role == "" {
				return mlops.Errorf(mlops.Invalid, "what may %s do? Give --role admin, editor, trainer or reader", args[0])
			}
			req.Name = args[0]
			key, err := control.CreateKey(cmd.Context(), req)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), key)
			}
			printNewKey(cmd.OutOrStdout(), key)
			return nil
		},
	}
	cmd.Flags().StringVar(&req.Role, "role", "", "admin, editor, trainer or reader")
	cmd.Flags().StringArrayVar(&req.Projects, "project", nil, "a project that it is limited to: its experiments, models and deployments, and nothing else of the registry, the metrics and the pages; without it everything. May be repeated")
	cmd.Flags().StringArrayVar(&req.Buckets, "bucket", nil, "a bucket of S3 that it reaches, NAME:ro or NAME:rw, or NAME/PREFIX:ro or :rw for a part of it; rw makes a bucket that is missing. May be repeated")
	cmd.Flags().StringVar(&req.Expires, "expires", "", "when it ends, for example 90d, 12h or 2027-01-31; without it never")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func keysRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "End an access key, at once and everywhere",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			if err := control.RevokeKey(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "key %s is revoked\n", args[0])
			return nil
		},
	}
}

func printKeys(w io.Writer, keys []mlops.Key, now time.Time) error {
	if len(keys) == 0 {
		fmt.Fprintln(w, "there are no access keys; create one with `benchtop keys create NAME --role reader`")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tROLE\tPROJECTS\tBUCKETS\tCREATED\tEXPIRES\tLAST USE")
	for _, k := range keys {
		expires := day(k.ExpiresAt, "never")
		if k.Expired(now) {
			expires = "expired " + expires
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.Name, k.Role, projectsOf(k), bucketsOf(k), day(k.CreatedAt, ""), expires, day(k.LastUsedAt, "never"))
	}
	return t.Flush()
}

func projectsOf(k mlops.Key) string {
	if len(k.Projects) == 0 {
		return "all"
	}
	return strings.Join(k.ProjectNames(), ",")
}

func bucketsOf(k mlops.Key) string {
	switch {
	case k.Role.May(mlops.Administer):
		return "all"
	case len(k.Buckets) == 0:
		return "none"
	}
	names := make([]string, 0, len(k.Buckets))
	for _, b := range k.Buckets {
		names = append(names, b.String())
	}
	return strings.Join(names, ",")
}

func day(t time.Time, never string) string {
	if t.IsZero() {
		return never
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

func printNewKey(w io.Writer, k mlops.NewKey) {
	fmt.Fprintf(w, "key      %s, role %s, projects %s, buckets %s, expires %s\n", k.Name, k.Role, projectsOf(k.Key), bucketsOf(k.Key), day(k.ExpiresAt, "never"))
	fmt.Fprintf(w, "token    %s  (shown this once)\n\n", k.Token)
	fmt.Fprintf(w, "export MLFLOW_TRACKING_USERNAME=%s MLFLOW_TRACKING_PASSWORD=%s\n", k.Name, k.Token)
	fmt.Fprintf(w, "export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s\n", k.Name, k.Token)
	fmt.Fprintf(w, "curl -H 'Authorization: Bearer %s' …\n", k.Token)
}
