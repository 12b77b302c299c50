package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func projectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "project",
		Short: "List, add, edit and delete projects: dataset, training on a schedule, model, deployment",
		Example: `  benchtop project add wine
  benchtop project edit wine --schedule "0 3 * * *" --time-zone Europe/Berlin --params '{"C": 0.5}'
  benchtop project edit wine --memory 2Gi --env OMP_NUM_THREADS=2
  benchtop project
  benchtop project delete wine`,
	}
	addList(cmd, "List projects", (*appliance.Control).Projects, printProjects)
	cmd.AddCommand(projectAddCommand(), projectShowCommand(), projectEditCommand(), projectDeleteCommand())
	return cmd
}

func projectAddCommand() *cobra.Command {
	var dataset string
	cmd := &cobra.Command{
		Use:   "add SAMPLE | NAME --dataset DATASET",
		Short: "Add a project: a sample (iris, wine, breast-cancer), or one of a dataset of your own",
		Long: `Adds a project: a namespace with a volume, a training on a schedule, a
deployment and its ingress. The first training begins at once. A sample brings
its dataset; one of your own is stored with ` + "`benchtop datasets add`" + `.`,
		Example: `  benchtop project add wine
  benchtop datasets add churn churn.csv && benchtop project add churn --dataset churn`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			req := mlops.ProjectRequest{Sample: args[0]}
			if dataset != "" {
				req = mlops.ProjectRequest{Name: args[0], Dataset: dataset}
			}
			p, err := control.AddProject(cmd.Context(), req)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "project %s is added and trains; it will answer at /models/%s/predict\n", p.Name, p.Name)
			return nil
		},
	}
	cmd.Flags().StringVar(&dataset, "dataset", "", "the dataset to train with, as `benchtop datasets` lists it")
	return cmd
}

func projectShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a project",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			p, err := control.Project(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), p)
			}
			printProject(cmd.OutOrStdout(), p)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func projectEditCommand() *cobra.Command {
	var dataset, schedule, zone, params, cpu, cpuLimit, memory, memoryRequest string
	var gpuKind, gpuMemory, gpuResource string
	var gpu, serveGPU int
	var env, unset []string
	cmd := &cobra.Command{
		Use:   "edit NAME",
		Short: "Change a project's dataset, schedule, parameters, resources and GPUs",
		Long: `Changes a project, from its next training on. What is changed here no longer
follows the settings of the configuration: project.schedule, project.time_zone,
project.params, project.environment, and as one project.cpu_request,
project.cpu_limit, project.memory_request and project.memory_limit.

Everybody who may read the project sees the values of --env: passwords do not
belong there.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			var edit mlops.ProjectEdit
			if cmd.Flags().Changed("dataset") {
				edit.Dataset = &dataset
			}
			if cmd.Flags().Changed("schedule") {
				edit.Schedule = &schedule
			}
			if cmd.Flags().Changed("time-zone") {
				edit.TimeZone = &zone
			}
			if cmd.Flags().Changed("params") {
				object := mlops.JSONObject("{}")
				if strings.TrimSpace(params) != "" {
					if err := object.UnmarshalJSON([]byte(params)); err != nil {
						return mlops.Errorf(mlops.Invalid, "--params: %s", mlops.MessageOf(err))
					}
				}
				edit.Params = &object
			}
			given := func(flag string, value *string) *string {
				if cmd.Flags().Changed(flag) {
					return value
				}
				return nil
			}
			resources := mlops.ResourcesEdit{
				Requests: mlops.AmountsEdit{CPU: given("cpu", &cpu), Memory: given("memory-request", &memoryRequest)},
				Limits:   mlops.AmountsEdit{CPU: given("cpu-limit", &cpuLimit), Memory: given("memory", &memory)},
			}
			if resources != (mlops.ResourcesEdit{}) {
				edit.Resources = &resources
			}
			number := func(flag string, value *int) *int {
				if cmd.Flags().Changed(flag) {
					return value
				}
				return nil
			}
			gpus := mlops.GPUEdit{Training: number("gpu", &gpu), Serving: number("serve-gpu", &serveGPU), Kind: given("gpu-kind", &gpuKind), Memory: given("gpu-memory", &gpuMemory), Resource: given("gpu-resource", &gpuResource)}
			if gpus != (mlops.GPUEdit{}) {
				edit.GPU = &gpus
			}
			variables, err := variablesEdit(env, unset)
			if err != nil {
				return err
			}
			if len(variables) > 0 {
				edit.Environment = &variables
			}
			if edit == (mlops.ProjectEdit{}) {
				return mlops.Errorf(mlops.Invalid, "what should change? Give --dataset, --schedule, --time-zone, --params, --cpu, --memory, --gpu or --env: see `benchtop project edit --help`")
			}
			if _, err := control.EditProject(cmd.Context(), args[0], edit); err != nil {
				return err
			}
			p, err := control.Project(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			printProject(cmd.OutOrStdout(), p)
			return nil
		},
	}
	cmd.Flags().StringVar(&dataset, "dataset", "", "the dataset to train with, as `benchtop datasets` lists it; its newest version is used")
	cmd.Flags().StringVar(&schedule, "schedule", "", "five cron fields, for example \"*/30 * * * *\"; \"\" for trainings by hand only")
	cmd.Flags().StringVar(&zone, "time-zone", "", "time zone of the schedule, for example Europe/Berlin")
	cmd.Flags().StringVar(&params, "params", "", "hyper-parameters of the trainer, a JSON object")
	cmd.Flags().StringVar(&cpu, "cpu", "", "how much of the processor is set aside for a training, for example 500m for half a core; \"\" for nothing")
	cmd.Flags().StringVar(&cpuLimit, "cpu-limit", "", "the most that a training may use of the processor; \"\" for no limit")
	cmd.Flags().StringVar(&memory, "memory", "", "the most memory that a training may use, for example 2Gi; \"\" for no limit")
	cmd.Flags().StringVar(&memoryRequest, "memory-request", "", "how much memory is set aside for a training, for example 512Mi; \"\" for nothing")
	cmd.Flags().IntVar(&gpu, "gpu", 0, "how many GPUs a training gets")
	cmd.Flags().IntVar(&serveGPU, "serve-gpu", 0, "how many GPUs each server of the project's deployment gets")
	cmd.Flags().StringVar(&gpuKind, "gpu-kind", "", "kind of those GPUs, as the node's label nvidia.com/gpu.product names it (benchtop gpu labels shows it); \"\" for any")
	cmd.Flags().StringVar(&gpuMemory, "gpu-memory", "", "the least memory that each of those GPUs has, for example 40Gi; \"\" for any")
	cmd.Flags().StringVar(&gpuResource, "gpu-resource", "", "what is asked for in place of nvidia.com/gpu, for example nvidia.com/mig-1g.10gb")
	cmd.Flags().StringArrayVar(&env, "env", nil, "environment variable of the trainer, NAME=VALUE; may be given several times")
	cmd.Flags().StringArrayVar(&unset, "unset-env", nil, "environment variable to take away, NAME; may be given several times")
	return cmd
}

// variablesEdit reads the flags --env and --unset-env.
func variablesEdit(set, unset []string) (mlops.VariablesEdit, error) {
	edit := mlops.VariablesEdit{}
	for _, s := range set {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return nil, mlops.Errorf(mlops.Invalid, "--env %s: expected NAME=VALUE, such as OMP_NUM_THREADS=2; to take a variable away, --unset-env %s", s, s)
		}
		if _, twice := edit[name]; twice {
			return nil, mlops.Errorf(mlops.Invalid, "--env names %s twice: expected one value", name)
		}
		edit[name] = &value
	}
	for _, name := range unset {
		if strings.Contains(name, "=") {
			return nil, mlops.Errorf(mlops.Invalid, "--unset-env %s: expected the name of a variable, without a value", name)
		}
		if edit[name] != nil {
			return nil, mlops.Errorf(mlops.Invalid, "--env and --unset-env both name %s: expected one of them", name)
		}
		edit[name] = nil
	}
	return edit, nil
}

func projectDeleteCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a project: its trainings, pods, volume and address, and its model's deployments; runs, models and dataset stay",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			if _, err := control.Project(cmd.Context(), args[0]); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if !yes {
				beside, err := deploymentsBeside(cmd, control, args[0])
				if err != nil {
					return err
				}
				fmt.Fprintf(out, "This stops serving %s and deletes its trainings, namespace and volume.%s Runs, models and the dataset stay.\nType %s to go on: ", args[0], beside, args[0])
				if !typed(cmd, args[0]) {
					return mlops.Errorf(mlops.InvalidState, "nothing was deleted: type %s, or give --yes", args[0])
				}
			}
			if err := control.DeleteProject(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(out, "project %s is deleted\n", args[0])
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// deploymentsBeside lists the other deployments that are deleted with a
// project.
func deploymentsBeside(cmd *cobra.Command, control *appliance.Control, project string) (string, error) {
	all, err := control.Deployments(cmd.Context())
	if err != nil {
		return "", err
	}
	var names []string
	for _, d := range all {
		if d.Own && d.Project == project {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	return " The deployments of its model go with it: " + strings.Join(names, ", ") + ".", nil
}

func printProjects(w io.Writer, all []appliance.ProjectDetails) error {
	if len(all) == 0 {
		fmt.Fprintf(w, "there are no projects; add one with `benchtop project add %s`\n", appliance.DefaultProject)
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tDATASET\tSCHEDULE\tLAST TRAINING\tSERVES")
	for _, p := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", p.Name, p.Dataset, scheduleOf(p.Project), lastTraining(p), serving(p))
	}
	return t.Flush()
}

func printProject(w io.Writer, p appliance.ProjectDetails) {
	followed := func(edited bool) string {
		if edited {
			return ""
		}
		return "  (from the configuration)"
	}
	fmt.Fprintf(w, "project   %s\n", p.Name)
	if p.Code == nil {
		fmt.Fprintf(w, "dataset   %s\n", p.Dataset)
	} else {
		fmt.Fprintf(w, "runs      %s\n", cmp.Or(p.Code.Plan.Entry, strings.Join(p.Code.Plan.Command, " ")))
		var names []string
		for _, e := range p.Packages {
			names = append(names, e.Name+" "+e.Version)
		}
		fmt.Fprintf(w, "packages  %s\n", cmp.Or(strings.Join(names, ", "), "those of the lab's Python"))
	}
	fmt.Fprintf(w, "schedule  %s%s\n", cmp.Or(p.Schedule, "by hand only"), followed(p.Edited.Schedule))
	fmt.Fprintf(w, "zone      %s%s\n", p.TimeZone, followed(p.Edited.TimeZone))
	fmt.Fprintf(w, "params    %s%s\n", cmp.Or(string(p.Params), "{}"), followed(p.Edited.Params))
	fmt.Fprintf(w, "cpu       %s%s\n", p.Resources.CPUText(), followed(p.Edited.Resources))
	fmt.Fprintf(w, "memory    %s%s\n", p.Resources.MemoryText(), followed(p.Edited.Resources))
	if p.GPU != (mlops.GPURequests{}) {
		fmt.Fprintf(w, "gpu       %s\n", p.GPU.Text())
	}
	fmt.Fprintf(w, "env       %s%s\n", environmentText(p.Environment), followed(p.Edited.Environment))
	fmt.Fprintf(w, "training  %s\n", lastTraining(p))
	if t := p.LastTraining; t != nil && t.Waits() != "" {
		fmt.Fprintf(w, "waits     %s\n", t.Waits())
	}
	if t := p.LastTraining; t != nil && t.CodeSHA256 != "" {
		fmt.Fprintf(w, "code      %s in image %s\n", shortDigest(t.CodeSHA256), t.Image)
	}
	if !p.NextTraining.IsZero() {
		fmt.Fprintf(w, "next      %s\n", p.NextTraining.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(w, "serves    %s\n", serving(p))
	if d := p.Deployment; d != nil {
		fmt.Fprintf(w, "address   http://%s and %s\n", d.Host, d.Path)
	}
}

// environmentText shows variables, each on a line of its own.
func environmentText(v mlops.Variables) string {
	if len(v) == 0 {
		return "none"
	}
	lines := make([]string, 0, len(v))
	for _, name := range slices.Sorted(maps.Keys(v)) {
		value := v[name]
		if strings.ContainsFunc(value, unicode.IsControl) {
			value = strconv.Quote(value)
		}
		lines = append(lines, name+"="+value)
	}
	return strings.Join(lines, "\n          ")
}

func scheduleOf(p mlops.Project) string {
	if p.Schedule == "" {
		return "by hand only"
	}
	return p.Schedule + " " + p.TimeZone
}

func lastTraining(p appliance.ProjectDetails) string {
	if p.LastTraining == nil {
		return "none"
	}
	return p.LastTraining.Job + " " + string(p.LastTraining.State)
}

func serving(p appliance.ProjectDetails) string {
	switch d := p.Deployment; {
	case p.Deleting:
		return "being deleted"
	case d == nil || d.Version == "":
		return "no model yet"
	default:
		return "version " + d.Version
	}
}
