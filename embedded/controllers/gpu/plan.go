package gpu

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// MaxReplicas is how many pods may share a device in time: more than that get
// turns that are too short to be of use.
const MaxReplicas = 64

// Plan says what a change of sharing will do. What can't be done on these GPUs
// is an *mlops.Error.
func Plan(g mlops.GPUs, s mlops.GPUShare) (mlops.GPUPlan, error) {
	if s.Replicas < 0 || s.Replicas > MaxReplicas {
		return mlops.GPUPlan{}, mlops.Errorf(mlops.Invalid, "%d pods on one GPU: expected from 1 to %d", s.Replicas, MaxReplicas)
	}
	if s.Replicas == 0 {
		s.Replicas = 1
	}
	p := mlops.GPUPlan{Share: s, Before: g.Resources}
	after := map[string]int{}
	var cut []string // what the GPUs are cut into that can be
	for _, gpu := range g.GPUs {
		if len(s.MIG) == 0 || len(gpu.Profiles) == 0 {
			after[mlops.GPUResource] += s.Replicas
			continue
		}
		if err := fits(gpu, s.MIG); err != nil {
			return mlops.GPUPlan{}, err
		}
		cut = append(cut, fmt.Sprint(gpu.Index))
	}
	if len(s.MIG) > 0 && len(cut) == 0 {
		return mlops.GPUPlan{}, mlops.Errorf(mlops.Invalid, "none of the GPUs can be partitioned by MIG (%s): that takes an A100, H100 or another data centre GPU; `benchtop gpu share 4` shares any GPU in time", products(g.GPUs))
	}
	uniform := len(cut) == len(g.GPUs) && len(slices.Compact(slices.Sorted(slices.Values(s.MIG)))) == 1
	for range cut {
		for _, profile := range s.MIG {
			name := mlops.GPUResource
			if !uniform {
				name = resourceOf(profile)
			}
			after[name] += s.Replicas
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		p.After = append(p.After, mlops.GPUOffer{Name: name, Total: after[name]})
	}

	repartitions := false
	for _, gpu := range g.GPUs {
		want := slices.Sorted(slices.Values(s.MIG))
		if len(gpu.Profiles) == 0 {
			want = nil
		}
		if slices.Equal(want, profilesOf(gpu)) && (len(want) > 0) == (gpu.MIG == "Enabled") {
			continue
		}
		repartitions = true
		for _, h := range gpu.Holders {
			if !slices.ContainsFunc(p.Pods, func(o mlops.GPUHolder) bool { return samePod(o, h) }) {
				p.Pods = append(p.Pods, h)
			}
		}
	}
	held := len(p.Pods)
	if repartitions && held > 0 {
		if !s.DeletePods {
			p.Blocked = fmt.Sprintf("a GPU can be cut only while no pod holds it, and some are held: %s. End these pods, or have them deleted", podNames(p.Pods))
		} else {
			p.Steps = append(p.Steps, fmt.Sprintf("%s are deleted; what made them makes new ones, which wait until their GPUs are offered again", podNames(p.Pods)))
		}
	}
	switch {
	case repartitions && len(s.MIG) > 0:
		p.Steps = append(p.Steps, fmt.Sprintf("GPU %s: MIG mode on, cut into %s", strings.Join(cut, ", "), strings.Join(s.MIG, ", ")))
	case repartitions:
		p.Steps = append(p.Steps, "the partitions are removed, MIG mode off")
	}
	if s.Replicas > 1 {
		p.Steps = append(p.Steps, fmt.Sprintf("the device plugin starts again and offers each device %d times; pods on one device take turns and share its memory: nothing keeps one from using it up", s.Replicas))
	} else {
		p.Steps = append(p.Steps, "the device plugin starts again and offers each device once")
	}
	if !repartitions {
		for _, gpu := range g.GPUs {
			for _, h := range gpu.Holders {
				if !slices.ContainsFunc(p.Pods, func(o mlops.GPUHolder) bool { return samePod(o, h) }) {
					p.Pods = append(p.Pods, h)
				}
			}
		}
		if len(p.Pods) > 0 {
			p.Steps = append(p.Steps, fmt.Sprintf("%s keep their GPUs until they end; their GPUs then count under the new names", podNames(p.Pods)))
		}
	}
	return p, nil
}

// resourceOf is the name under which a profile is offered with strategy mixed.
func resourceOf(profile string) string {
	return "nvidia.com/mig-" + strings.ReplaceAll(profile, "+", ".")
}

// fits checks what can be known without the driver; where the partitions lie is
// for the driver to decide.
func fits(gpu mlops.GPU, profiles []string) error {
	var names []string
	for _, p := range gpu.Profiles {
		names = append(names, p.Name)
	}
	count := map[string]int{}
	compute, memory, all := 0, 0, 0
	for _, p := range gpu.Profiles {
		all = max(all, gigabytesOf(p.Name))
	}
	for _, profile := range profiles {
		if !slices.Contains(names, profile) {
			return mlops.Errorf(mlops.Invalid, "GPU %d (%s) has no MIG profile %s: expected some of %s", gpu.Index, gpu.Product, profile, strings.Join(names, ", "))
		}
		count[profile]++
		compute, memory = compute+slicesOf(profile), memory+gigabytesOf(profile)
	}
	for _, p := range gpu.Profiles {
		if count[p.Name] > p.Count {
			return mlops.Errorf(mlops.Invalid, "GPU %d (%s) has room for %d of %s, not for %d", gpu.Index, gpu.Product, p.Count, p.Name, count[p.Name])
		}
	}
	if compute > 7 || all > 0 && memory > all {
		return mlops.Errorf(mlops.Invalid, "GPU %d (%s) has no room for %s: together they have %d sevenths of the compute and %d GB, it has 7 and %d GB", gpu.Index, gpu.Product, strings.Join(profiles, ", "), compute, memory, all)
	}
	return nil
}

func profilesOf(gpu mlops.GPU) (out []string) {
	for _, p := range gpu.Partitions {
		out = append(out, p.Profile)
	}
	slices.Sort(out)
	return out
}

func samePod(a, b mlops.GPUHolder) bool { return a.Namespace == b.Namespace && a.Pod == b.Pod }

func podNames(holders []mlops.GPUHolder) string {
	var names []string
	for _, h := range holders {
		names = append(names, "pod "+h.Namespace+"/"+h.Pod)
	}
	return strings.Join(names, ", ")
}

func products(gpus []mlops.GPU) string {
	var names []string
	for _, g := range gpus {
		if !slices.Contains(names, g.Product) {
			names = append(names, g.Product)
		}
	}
	return strings.Join(names, ", ")
}
