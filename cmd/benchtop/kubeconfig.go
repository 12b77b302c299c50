package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
)

func kubeconfigCommand() *cobra.Command {
	var user, role, server string
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print a kubeconfig for another machine, with a user of its own",
		Long: `Print a kubeconfig for another machine: kubectl, helm, k9s and others reach the
lab's Kubernetes API with it. Its certificate is valid for a year. What a user
may do ends at once with "benchtop kubeconfig revoke".`,
		Example: "  benchtop kubeconfig > lab.yaml\n  benchtop kubeconfig --user anna --role view --server lab.example.org\n  benchtop kubeconfig revoke anna",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			kubeconfig, err := control.Kubeconfig(cmd.Context(), user, role, server)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), kubeconfig)
			return err
		},
	}
	cmd.Flags().StringVar(&user, "user", "laptop", "who it is for: lower-case letters, digits and '-'")
	cmd.Flags().StringVar(&role, "role", "", "what the user may do: one of "+strings.Join(appliance.KubeconfigRoles(), ", ")+" (a new user: "+appliance.KubeconfigRoles()[0]+")")
	cmd.Flags().StringVar(&server, "server", "", "address or name that the other machine reaches this one at (its first address if empty)")
	cmd.AddCommand(kubeconfigListCommand(), kubeconfigRevokeCommand())
	return cmd
}

func kubeconfigListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the users that have a kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			users, err := control.KubeconfigUsers(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), users)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(t, "USER\tROLE\tCREATED")
			for _, u := range users {
				fmt.Fprintf(t, "%s\t%s\t%s\n", u.Name, u.Role, u.CreatedAt.UTC().Format(time.RFC3339))
			}
			return t.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func kubeconfigRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke USER",
		Short: "Take a user's rights away at once",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			if err := control.RevokeKubeconfig(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s may do nothing any more\n", args[0])
			return nil
		},
	}
}
