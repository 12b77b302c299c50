// Probe asks a libnvidia-ml what it knows, with the same libraries that NVIDIA's programs use. The tests of the simulated
// driver run it.
//
//	probe LIBRARY list                  all GPUs and their parts, as JSON
//	probe LIBRARY cut GPU PROFILE...    makes parts of a GPU: 3g.40gb; none makes it whole again
//	probe LIBRARY wait MS               registers for XIDs, says ready, and prints those that come until MS ms are over
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/NVIDIA/go-nvlib/pkg/nvlib/device"
	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: probe LIBRARY list | cut GPU PROFILE... | wait MS")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(library, command string, args []string) error {
	lib := nvml.New(nvml.WithLibraryPath(library))
	if ret := lib.Init(); ret != nvml.SUCCESS {
		return fmt.Errorf("init: %v (%d)", ret, ret)
	}
	defer lib.Shutdown()
	switch {
	case command == "list":
		all, err := list(lib)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(all)
	case command == "cut" && len(args) > 0:
		gpu, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		return cut(lib, gpu, args[1:])
	case command == "wait" && len(args) == 1:
		ms, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		return wait(lib, time.Duration(ms)*time.Millisecond)
	}
	return fmt.Errorf("unknown command %s %v", command, args)
}

// Answer is a value, or the error that came in its place.
type Answer struct {
	Value any    `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

func answer[T any](v T, ret nvml.Return) Answer {
	if ret != nvml.SUCCESS {
		return Answer{Error: fmt.Sprint(ret)}
	}
	return Answer{Value: v}
}

func two[A, B any](a A, b B, ret nvml.Return) Answer { return answer([]any{a, b}, ret) }

func list(lib nvml.Interface) ([]map[string]any, error) {
	all := []map[string]any{}
	devices := device.New(lib)
	err := devices.VisitDevices(func(i int, d device.Device) error {
		bus, err := d.GetPCIBusID()
		if err != nil {
			return err
		}
		architecture, err := d.GetArchitectureAsString()
		if err != nil {
			return err
		}
		brand, err := d.GetBrandAsString()
		if err != nil {
			return err
		}
		fields := []nvml.FieldValue{{FieldId: nvml.FI_DEV_GET_GPU_RECOVERY_ACTION}, {FieldId: nvml.FI_DEV_MEMORY_TEMP}, {FieldId: nvml.FI_DEV_NVLINK_SPEED_MBPS_L0}}
		fieldsRet := d.GetFieldValues(fields)
		var values []any
		for _, f := range fields {
			values = append(values, map[string]any{"return": f.NvmlReturn, "value": f.Value[0]})
		}
		corrected, uncorrected, pending, failure, rowsRet := d.GetRemappedRows()
		g := map[string]any{
			"index": i, "bus": bus, "architecture": architecture, "brand": brand,
			"name": answer(d.GetName()), "uuid": answer(d.GetUUID()), "minor": answer(d.GetMinorNumber()),
			"capability": two(d.GetCudaComputeCapability()), "memory": answer(d.GetMemoryInfo()), "memoryV2": answer(d.GetMemoryInfo_v2()),
			"utilization": answer(d.GetUtilizationRates()), "temperature": answer(d.GetTemperature(nvml.TEMPERATURE_GPU)),
			"power": answer(d.GetPowerUsage()), "limit": answer(d.GetPowerManagementLimit()), "energy": answer(d.GetTotalEnergyConsumption()),
			"smClock": answer(d.GetClockInfo(nvml.CLOCK_SM)), "reasons": answer(d.GetCurrentClocksEventReasons()),
			"ecc": answer(d.GetTotalEccErrors(nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC)), "rows": answer([]any{corrected, uncorrected, pending, failure}, rowsRet),
			"fields": answer(values, fieldsRet), "events": answer(d.GetSupportedEventTypes()), "processes": answer(d.GetComputeRunningProcesses()),
			"mig": two(d.GetMigMode()), "gpm": gpm(lib, d), "fabric": answer(d.GetGpuFabricInfo()),
		}
		parts := []map[string]any{}
		migs, err := d.GetMigDevices()
		if err != nil {
			return err
		}
		for _, m := range migs {
			profile, err := m.GetProfile()
			if err != nil {
				return err
			}
			uuid, ret := m.GetUUID()
			if ret != nvml.SUCCESS {
				return ret
			}
			// What a UUID leads to must be the same.
			again, ret := lib.DeviceGetHandleByUUID(uuid)
			if ret != nvml.SUCCESS {
				return fmt.Errorf("handle of %s: %v", uuid, ret)
			}
			parts = append(parts, map[string]any{
				"profile": profile.String(), "uuid": uuid, "name": answer(again.GetName()), "instance": answer(again.GetGpuInstanceId()), "compute": answer(m.GetComputeInstanceId()),
				"attributes": answer(m.GetAttributes()), "memory": answer(m.GetMemoryInfo()), "utilization": answer(m.GetUtilizationRates()),
			})
		}
		g["parts"] = parts
		profiles := []string{}
		seen := map[string]bool{}
		migProfiles, err := d.GetMigProfiles()
		if err != nil {
			return err
		}
		for _, p := range migProfiles {
			if info := p.GetInfo(); info.C == info.G && !seen[p.String()] {
				seen[p.String()] = true
				profiles = append(profiles, p.String())
			}
		}
		g["profiles"] = profiles
		all = append(all, g)
		return nil
	})
	return all, err
}

// gpm takes two samples and computes what the graphics engine and the memory did. It asks for one at a time: elements of
// go-nvml's array have not the size of those of C.
func gpm(lib nvml.Interface, d nvml.Device) Answer {
	support, ret := d.GpmQueryDeviceSupport()
	if ret != nvml.SUCCESS || support.IsSupportedDevice == 0 {
		return Answer{Error: fmt.Sprintf("supported %d, %v", support.IsSupportedDevice, ret)}
	}
	get := nvml.GpmMetricsGetType{NumMetrics: 1}
	for _, s := range []*nvml.GpmSample{&get.Sample1, &get.Sample2} {
		if *s, ret = lib.GpmSampleAlloc(); ret != nvml.SUCCESS {
			return Answer{Error: fmt.Sprint(ret)}
		}
		defer (*s).Free()
		if ret := (*s).Get(d); ret != nvml.SUCCESS {
			return Answer{Error: fmt.Sprint(ret)}
		}
	}
	var values []float64
	for _, id := range []nvml.GpmMetricId{nvml.GPM_METRIC_GRAPHICS_UTIL, nvml.GPM_METRIC_DRAM_BW_UTIL} {
		get.Metrics[0].MetricId = uint32(id)
		if ret := lib.GpmMetricsGet(&get); ret != nvml.SUCCESS {
			return Answer{Error: fmt.Sprint(ret)}
		}
		values = append(values, get.Metrics[0].Value)
	}
	return answer(values, nvml.SUCCESS)
}

func cut(lib nvml.Interface, gpu int, profiles []string) error {
	handle, ret := lib.DeviceGetHandleByIndex(gpu)
	if ret != nvml.SUCCESS {
		return ret
	}
	d, err := device.New(lib).NewDevice(handle)
	if err != nil {
		return err
	}
	if err := clear(d); err != nil {
		return err
	}
	mode := nvml.DEVICE_MIG_ENABLE
	if len(profiles) == 0 {
		mode = nvml.DEVICE_MIG_DISABLE
	}
	if status, ret := d.SetMigMode(mode); ret != nvml.SUCCESS || status != nvml.SUCCESS {
		return fmt.Errorf("set MIG mode: %v, %v", ret, status)
	}
	for _, name := range profiles {
		if err := create(d, name); err != nil {
			return fmt.Errorf("make %s: %w", name, err)
		}
	}
	return nil
}

func create(d device.Device, name string) error {
	profiles, err := d.GetMigProfiles()
	if err != nil {
		return err
	}
	for _, p := range profiles {
		if !p.Matches(name) {
			continue
		}
		info, ret := d.GetGpuInstanceProfileInfo(p.GetInfo().GIProfileID)
		if ret != nvml.SUCCESS {
			return ret
		}
		gi, ret := d.CreateGpuInstance(&info)
		if ret != nvml.SUCCESS {
			return ret
		}
		compute, ret := gi.GetComputeInstanceProfileInfo(p.GetInfo().CIProfileID, p.GetInfo().CIEngProfileID)
		if ret != nvml.SUCCESS {
			return ret
		}
		if _, ret := gi.CreateComputeInstance(&compute); ret != nvml.SUCCESS {
			return ret
		}
		place, ret := gi.GetInfo()
		if ret != nvml.SUCCESS {
			return ret
		}
		fmt.Printf("%s %d %d:%d\n", name, place.Id, place.Placement.Start, place.Placement.Size)
		return nil
	}
	return fmt.Errorf("no profile has this name")
}

func clear(d device.Device) error {
	for i := range nvml.GPU_INSTANCE_PROFILE_COUNT {
		info, ret := d.GetGpuInstanceProfileInfo(i)
		if ret == nvml.ERROR_NOT_SUPPORTED {
			continue
		}
		if ret != nvml.SUCCESS {
			return ret
		}
		instances, ret := d.GetGpuInstances(&info)
		if ret == nvml.ERROR_NOT_SUPPORTED {
			continue // not cut
		}
		if ret != nvml.SUCCESS {
			return ret
		}
		for _, gi := range instances {
			for j := range nvml.COMPUTE_INSTANCE_PROFILE_COUNT {
				compute, ret := gi.GetComputeInstanceProfileInfo(j, 0)
				if ret != nvml.SUCCESS {
					continue
				}
				cis, ret := gi.GetComputeInstances(&compute)
				if ret != nvml.SUCCESS {
					return ret
				}
				for _, ci := range cis {
					if ret := ci.Destroy(); ret != nvml.SUCCESS {
						return ret
					}
				}
			}
			if ret := gi.Destroy(); ret != nvml.SUCCESS {
				return ret
			}
		}
	}
	return nil
}

func wait(lib nvml.Interface, until time.Duration) error {
	set, ret := lib.EventSetCreate()
	if ret != nvml.SUCCESS {
		return ret
	}
	defer set.Free()
	count, ret := lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return ret
	}
	for i := range count {
		d, ret := lib.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			return ret
		}
		if ret := d.RegisterEvents(nvml.EventTypeXidCriticalError, set); ret != nvml.SUCCESS {
			return ret
		}
	}
	fmt.Println("ready")
	for end := time.Now().Add(until); ; {
		e, ret := set.Wait(uint32(max(time.Until(end).Milliseconds(), 0)))
		if ret == nvml.ERROR_TIMEOUT {
			return nil
		}
		if ret != nvml.SUCCESS {
			return ret
		}
		uuid, ret := e.Device.GetUUID()
		if ret != nvml.SUCCESS {
			return ret
		}
		fmt.Println(uuid, e.EventData)
	}
}
