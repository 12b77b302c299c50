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

	"github.com/spf13/cobra"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func gpuCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "gpu",
		Short: "Show the GPUs and who holds them; share, recover or try them",
		Long: `Show the GPUs of the lab: how they fare, who holds them, what pods can ask for and
which pods wait.

The host brings NVIDIA's driver; the lab does the rest. On a machine without GPUs,
benchtop up --simulate-gpus 2xA100-80GB has some on which nothing is computed.`,
		Example: "  sudo benchtop gpu\n  sudo benchtop gpu share 4\n  sudo benchtop gpu share mig 3g.40gb 2x2g.20gb\n  sudo benchtop gpu share off",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			g, err := control.GPUs(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), g)
			}
			return printGPUs(cmd.OutOrStdout(), g)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.AddCommand(gpuShareCommand(), gpuRecoverCommand(), gpuFaultCommand(), gpuLabelsCommand())
	return cmd
}

// printSimulated says before everything else what these GPUs are.
func printSimulated(w io.Writer, g mlops.GPUs) {
	if g.Simulated {
		fmt.Fprintln(w, "SIMULATED: nothing is computed on these GPUs")
	}
}

func printGPUs(w io.Writer, g mlops.GPUs) error {
	printSimulated(w, g)
	fmt.Fprintf(w, "driver %s, CUDA %s at most; %s\n", plain(g.Driver.Version), plain(g.Driver.CUDA), sharingText(g))
	for _, problem := range []string{g.Problem, g.Sharing.Problem} {
		if problem != "" {
			fmt.Fprintln(w, "problem:", plain(problem))
		}
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "\nGPU\tPRODUCT\tMEMORY\tUTIL\tTEMP\tPOWER\tMIG\tHEALTH\tHELD BY")
	for _, one := range g.GPUs {
		power := fmt.Sprintf("%.0f W", one.Watts)
		if one.LimitWatts > 0 {
			power = fmt.Sprintf("%.0f/%.0f W", one.Watts, one.LimitWatts)
		}
		fmt.Fprintf(t, "%d\t%s\t%d/%d MiB\t%d %%\t%d °C\t%s\t%s\t%s\t%s\n", one.Index, plain(one.Product), one.UsedMiB, one.MemoryMiB, one.Utilization, one.Temperature, power,
			cmp.Or(partsText(one), "-"), healthText(one), cmp.Or(heldBy(one.Holders), "-"))
	}
	fmt.Fprintln(t, "\nRESOURCE\tTOTAL\tHEALTHY\tHELD")
	for _, o := range g.Resources {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", plain(o.Name), o.Total, o.Healthy, o.Held)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, one := range g.GPUs {
		if !one.Healthy {
			fmt.Fprintf(w, "\nGPU %d: %s\n", one.Index, plain(cmp.Or(one.Fault, "the driver has reported an error")))
			if g.Problem == "" {
				fmt.Fprintf(w, "When it works again: benchtop gpu recover %d\n", one.Index)
			}
		}
	}
	for _, wait := range g.Waiting {
		fmt.Fprintf(w, "\n%s/%s waits for %d x %s: %s\n", plain(wait.Namespace), plain(wait.Pod), wait.Count, plain(wait.Resource), plain(wait.Reason))
	}
	return nil
}

func sharingText(g mlops.GPUs) string {
	var out []string
	if g.Sharing.Replicas > 1 {
		out = append(out, fmt.Sprintf("%d pods take turns on each", g.Sharing.Replicas))
	}
	if s := g.Sharing.MIGStrategy; s != "" && s != "none" {
		out = append(out, "cut into parts, MIG strategy "+plain(s))
	}
	if len(out) == 0 {
		return "each GPU is one pod's"
	}
	return strings.Join(out, ", ")
}

func partsText(one mlops.GPU) string {
	var profiles []string
	for _, p := range one.Partitions {
		profiles = append(profiles, plain(p.Profile))
	}
	return strings.Join(mlops.MIGWords(profiles), " ")
}

func healthText(one mlops.GPU) string {
	switch {
	case one.Healthy:
		return "healthy"
	case one.XID != 0:
		return fmt.Sprintf("unhealthy, XID %d", one.XID)
	}
	return "unhealthy"
}

// heldBy names the pods, each once.
func heldBy(holders []mlops.GPUHolder) string {
	var out []string
	for _, h := range holders {
		if pod := plain(h.Namespace + "/" + h.Pod); !slices.Contains(out, pod) {
			out = append(out, pod)
		}
	}
	return strings.Join(out, ", ")
}

func gpuShareCommand() *cobra.Command {
	var deletePods, yes bool
	cmd := &cobra.Command{
		Use:   "share {NUMBER | mig PROFILE… | off}",
		Short: "Change how pods share the GPUs",
		Long: `Change how pods share the GPUs. It says what will happen, and asks.

NUMBER offers each GPU that often: so many pods take turns on it (time-slicing). They
see all of its memory, and nothing keeps one from using up that of the others.
mig cuts each GPU that can be cut into parts with memory and cores of their own;
2x2g.20gb is two parts of that size. off takes all sharing back.

Parts change only while no pod holds the GPU: --delete-pods deletes those that do.
What made them makes new ones.`,
		Example: "  sudo benchtop gpu share 4\n  sudo benchtop gpu share mig 3g.40gb 2x2g.20gb --delete-pods\n  sudo benchtop gpu share off --yes",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			wish, err := mlops.ParseGPUShare(args)
			if err != nil {
				return err
			}
			wish.DeletePods = deletePods
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			return shareGPUs(cmd, control, wish, yes)
		},
	}
	cmd.Flags().BoolVar(&deletePods, "delete-pods", false, "delete the pods that hold a GPU which has to be free first")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func shareGPUs(cmd *cobra.Command, control *appliance.Control, wish mlops.GPUShare, yes bool) error {
	plan, err := control.PlanGPUShare(cmd.Context(), wish)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if err := printGPUPlan(out, plan); err != nil {
		return err
	}
	if plan.Blocked != "" {
		return mlops.Errorf(mlops.InvalidState, "nothing was changed: %s", plain(inSentence(plan.Blocked))+podsHint(cmd, control, plan))
	}
	if !yes {
		fmt.Fprint(out, "\nType yes to go on: ")
		if !typed(cmd, "yes") {
			return mlops.Errorf(mlops.InvalidState, "nothing was changed: type yes, or give --yes, to share the GPUs so")
		}
	}
	g, err := control.ShareGPUs(cmd.Context(), wish)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\ndone: %s\n", sharingText(g))
	return nil
}

// inSentence is a sentence for the middle of another.
func inSentence(s string) string { return strings.TrimSuffix(s, ".") }

// podsHint says that --delete-pods would help, if it would.
func podsHint(cmd *cobra.Command, control *appliance.Control, plan mlops.GPUPlan) string {
	if plan.Share.DeletePods || len(plan.Pods) == 0 {
		return ""
	}
	forced := plan.Share
	forced.DeletePods = true
	// It is only a hint: what is wrong with asking, the next command says.
	if p, err := control.PlanGPUShare(cmd.Context(), forced); err != nil || p.Blocked != "" {
		return ""
	}
	return "; --delete-pods deletes them first"
}

func printGPUPlan(w io.Writer, plan mlops.GPUPlan) error {
	total := func(offers []mlops.GPUOffer, name string) int {
		for _, o := range offers {
			if o.Name == name {
				return o.Total
			}
		}
		return 0
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "RESOURCE\tNOW\tTHEN")
	var seen []string
	for _, o := range slices.Concat(plan.Before, plan.After) {
		if !slices.Contains(seen, o.Name) {
			seen = append(seen, o.Name)
			fmt.Fprintf(t, "%s\t%d\t%d\n", plain(o.Name), total(plan.Before, o.Name), total(plan.After, o.Name))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i, step := range plan.Steps {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%d. %s\n", i+1, plain(step))
	}
	if held := heldBy(plan.Pods); held != "" {
		fmt.Fprintf(w, "\nGPUs are held by %s\n", held)
	}
	return nil
}

// gpuIndex reads which GPU is meant.
func gpuIndex(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, mlops.Errorf(mlops.Invalid, "INDEX is %q: expected the index of a GPU, from 0, as `benchtop gpu` lists them", text)
	}
	return n, nil
}

func gpuRecoverCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "recover INDEX",
		Short: "Say that a GPU works again after an error",
		Long: `Say that a GPU works again after an error, so that pods get it. Most recover by
themselves; this is for those of which the driver does not say so.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := gpuIndex(args[0])
			if err != nil {
				return err
			}
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			g, err := control.RecoverGPU(cmd.Context(), n)
			if err != nil {
				return err
			}
			return printGPU(cmd.OutOrStdout(), g, n)
		},
	}
}

// printGPU says how one GPU is after something was done to it.
func printGPU(w io.Writer, g mlops.GPUs, index int) error {
	one, err := g.At(index)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "GPU %d is %s", index, healthText(one))
	if one.Fault != "" {
		fmt.Fprintf(w, ": %s", plain(one.Fault))
	}
	fmt.Fprintln(w)
	return nil
}

func gpuFaultCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "fault INDEX {xid=NUMBER | hot | ecc | mismatch | no-uvm | none}",
		Short: "Make a simulated GPU fail, to see what becomes of it",
		Long: `Make a simulated GPU fail, to see what pods, alerts and dashboards make of it:

  xid=79     the driver reports an error of this number
  hot        it gets too hot
  ecc        its memory has an error that cannot be corrected
  mismatch   driver and library do not match, as after an upgrade (of all GPUs)
  no-uvm     the module nvidia-uvm is not loaded (of all GPUs)
  none       end what was made to fail`,
		Example: "  sudo benchtop gpu fault 0 xid=79\n  sudo benchtop gpu fault 0 none",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := gpuIndex(args[0])
			if err != nil {
				return err
			}
			fault, err := mlops.ParseGPUFault(n, args[1])
			if err != nil {
				return err
			}
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			g, err := control.FailGPU(cmd.Context(), fault)
			if err != nil {
				return err
			}
			if len(g.Faults) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "no simulated GPU is made to fail")
				return nil
			}
			for _, f := range g.Faults {
				kind := f.Kind
				if f.XID != 0 {
					kind += "=" + strconv.Itoa(f.XID)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "GPU %d: %s\n", f.GPU, plain(kind))
			}
			return nil
		},
	}
}

func gpuLabelsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "labels",
		Short: "Print the node's labels that describe its GPUs",
		Long:  "Print the node's labels that describe its GPUs. Pods choose a kind of GPU by them,\nwith a nodeSelector.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			control, err := controlOf(cmd)
			if err != nil {
				return err
			}
			g, err := control.GPUs(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range slices.Sorted(maps.Keys(g.Labels)) {
				fmt.Fprintf(cmd.OutOrStdout(), "%s=%s\n", plain(name), plain(g.Labels[name]))
			}
			return nil
		},
	}
}
