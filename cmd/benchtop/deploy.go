package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// deployPatience is how long `benchtop deploy` waits: a large model is fetched
// from the registry first.
const deployPatience = 5 * time.Minute

func deployCommand() *cobra.Command {
	var req mlops.DeployRequest
	var replicas int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "deploy MODEL[@ALIAS|/VERSION] [VERSION]",
		Short: "Serve a registered model, beside those that are served already",
		Long: `Serve a registered model on a volume and at an address of its own, beside what is
served already.

  MODEL          serves its newest version as it is now; newer ones are not followed
  MODEL/3        serves version 3, and follows nothing either
  MODEL@champion serves where the alias points, and follows it when it is moved

The name of the deployment is that of the model, or MODEL-VERSION or MODEL-ALIAS if
it is taken; --name chooses another. The same command again changes nothing; with
another number of --replicas it changes that. 0 keeps the deployment without servers.

A model that a project trains is judged by that project's gates. The command returns
when every server answers, or says why none will.`,
		Example: "  sudo benchtop deploy wine\n  sudo benchtop deploy iris/3 --name iris-old\n  sudo benchtop deploy \"my model@champion\" --name shop --replicas 2",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			req.Act.By = caller()
			if len(args) > 1 {
				req.Model = mlops.TrimModelScheme(args[0])
				if req.Version, err = number("VERSION", args[1]); err != nil {
					return err
				}
			} else {
				req.Ref = args[0]
			}
			if cmd.Flags().Changed("replicas") {
				req.Replicas = &replicas
			}
			if err := req.Validate(); err != nil {
				return err
			}
			out, err := control.Deploy(cmd.Context(), req)
			if err != nil {
				return err
			}
			d, err := untilServed(cmd, control, out)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), appliance.Deployed{Deployed: mlops.Deployed{Deployment: d, Created: out.Created, Changed: out.Changed, Beside: out.Beside}, URL: out.URL})
			}
			printDeployed(cmd.OutOrStdout(), out, d)
			return nil
		},
	}
	cmd.Flags().StringVar(&req.Name, "name", "", "name of the deployment (that of the model)")
	cmd.Flags().StringVar(&req.Act.Reason, "reason", "", "why, kept with the first revision")
	cmd.Flags().IntVar(&replicas, "replicas", 1, fmt.Sprintf("how many servers, 0 to %d", mlops.MaxReplicas))
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// untilServed waits until a deployment is as requested. It fails, and says why,
// if that can't happen any more.
func untilServed(cmd *cobra.Command, control *appliance.Control, out appliance.Deployed) (mlops.Deployment, error) {
	d, begun := out.Deployment, time.Now()
	if !out.Created && !out.Changed {
		return d, nil
	}
	for {
		var newest mlops.Revision
		rs, err := control.Revisions(cmd.Context(), d.Name)
		if err == nil && len(rs) > 0 {
			newest = rs[0]
		}
		if err == nil {
			d, err = control.Deployment(cmd.Context(), out.Deployment.Name)
		}
		if err != nil {
			return d, err
		}
		switch {
		case d.ID != out.Deployment.ID || d.Deleting:
			return d, mlops.Errorf(mlops.NotFound, "somebody has deleted deployment %s", d.Name)
		case newest.State == mlops.RevisionFailed || newest.State == mlops.RevisionRejected:
			if out.Created {
				return d, mlops.Errorf(mlops.InvalidState, "version %d of %s is not served: %s. The deployment stays: `benchtop promote %s VERSION` tries another version, `benchtop undeploy %s` deletes it", newest.Version, newest.Model, newest.Message, d.Name, d.Name)
			}
			return d, nil
		case (newest.State == mlops.RevisionWaiting || newest.State == mlops.RevisionJudging) && newest.Message != "":
			return d, nil // it waits for a person, or for a run that may be long
		case newest.State != mlops.RevisionStarting && newest.State != mlops.RevisionJudging && d.Ready >= d.Replicas && (d.Replicas == 0 || d.Version != ""):
			return d, nil
		}
		if time.Since(begun) > deployPatience {
			return d, mlops.Errorf(mlops.Unavailable, "deployment %s is still starting after %s, and goes on by itself: %s. See `benchtop deployments` and `benchtop doctor`", d.Name, deployPatience, cmp.Or(d.Message, "its servers are not ready"))
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-cmd.Context().Done():
			return d, cmd.Context().Err()
		}
	}
}

func printDeployed(w io.Writer, out appliance.Deployed, d mlops.Deployment) {
	if out.Beside != "" {
		fmt.Fprintf(w, "there is a deployment %s already, so this one is %s\n", out.Beside, d.Name)
	}
	switch {
	case !out.Created && !out.Changed:
		fmt.Fprintf(w, "deployment %s is there already, nothing changes\n", d.Name)
	case d.Replicas == 0:
		fmt.Fprintf(w, "deployment %s is kept without servers\n", d.Name)
	case d.Version == "":
		fmt.Fprintf(w, "deployment %s: %s\n", d.Name, cmp.Or(d.Message, "nothing is served yet"))
	case d.Revision != nil:
		fmt.Fprintf(w, "deployment %s serves %s version %s (revision %d), %d of %d ready\n", d.Name, d.Model, d.Version, d.Revision.Number, d.Ready, d.Replicas)
	default:
		fmt.Fprintf(w, "deployment %s serves %s version %s, %d of %d ready\n", d.Name, d.Model, d.Version, d.Ready, d.Replicas)
	}
	fmt.Fprintf(w, "%s\n", out.URL)
	if d.Replicas > 0 && d.Version != "" {
		fmt.Fprintf(w, "curl -s %s/predict -H 'Content-Type: application/json' -d '%s'\n", out.URL, exampleBody(d))
	}
}

// exampleBody is a sample request of MLflow's scoring protocol, with zeros for
// the features.
func exampleBody(d mlops.Deployment) string {
	zeros := make([]string, max(len(d.FeatureNames), 1))
	for i := range zeros {
		zeros[i] = "0"
	}
	return `{"instances": [[` + strings.Join(zeros, ", ") + `]]}`
}

func undeployCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "undeploy NAME",
		Short: "Delete a deployment: its servers, volume, address and history; the model stays",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			d, err := control.Deployment(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if !yes && d.Own {
				fmt.Fprintf(out, "This stops serving model %s at %s and deletes the deployment's volume and history. The model stays.\nType %s to go on: ", d.Model, d.Path, d.Name)
				if !typed(cmd, d.Name) {
					return mlops.Errorf(mlops.InvalidState, "nothing was deleted: type %s, or give --yes", d.Name)
				}
			}
			if err := control.Undeploy(cmd.Context(), d.Name); err != nil {
				return err
			}
			fmt.Fprintf(out, "deployment %s is deleted\n", d.Name)
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}
