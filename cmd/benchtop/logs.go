package main

import (
	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func logsCommand() *cobra.Command {
	var req appliance.LogRequest
	cmd := &cobra.Command{
		Use:   "logs [UNIT | PROJECT | DEPLOYMENT]",
		Short: "Show the log of the lab, of one unit, or of a project's or a deployment's pods",
		Long: "Show the log of the lab, of one unit, or of the pods of a project or a deployment.\n\n" +
			"The logs of several pods become one, by time, with the pod before each line, and with what\n" +
			"containers that have ended said last. Of a name that a project and its deployment share, the\n" +
			"project's pods are shown, trainers and servers; --servers leaves the deployment's.",
		Example: "  benchtop logs\n  benchtop logs minio\n  benchtop logs iris --follow\n  benchtop logs iris --servers --pod q2x7k",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			req.Name = first(args, "")
			if req.Name == "" || appliance.IsUnit(req.Name) {
				if req.Servers || req.Pod != "" {
					return mlops.Errorf(mlops.Invalid, "--servers and --pod choose among pods: name a project or a deployment")
				}
				return appliance.UnitLogs(cmd.Context(), cfg.DataDir, req.Name, req.Follow, req.Tail, cmd.OutOrStdout())
			}
			return appliance.NewControl(cfg.DataDir).Logs(cmd.Context(), req, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVarP(&req.Follow, "follow", "f", false, "go on with what comes")
	cmd.Flags().IntVarP(&req.Tail, "tail", "n", 200, "start with the last lines, of each pod")
	cmd.Flags().BoolVar(&req.Servers, "servers", false, "only the pods of the deployment of that name")
	cmd.Flags().StringVar(&req.Pod, "pod", "", "only this pod, by its name or the last part of it")
	return cmd
}
