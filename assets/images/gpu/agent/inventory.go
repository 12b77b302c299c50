package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// The JSON of GET /v1/gpus. The appliance has the same types and says there what
// the fields mean; the file testdata/gpus.json is decoded by tests of both.
type (
	gpus struct {
		Simulated bool              `json:"simulated"`
		Driver    gpuDriver         `json:"driver"`
		Problem   string            `json:"problem,omitempty"`
		GPUs      []gpu             `json:"gpus"`
		Resources []gpuOffer        `json:"resources"`
		Labels    map[string]string `json:"labels"`
		Sharing   gpuSharing        `json:"sharing"`
	}
	gpuDriver struct {
		Version string `json:"version"`
		CUDA    string `json:"cuda"`
		Root    string `json:"root"`
	}
	gpu struct {
		Index       int            `json:"index"`
		UUID        string         `json:"uuid"`
		Product     string         `json:"product"`
		PCI         string         `json:"pci"`
		MemoryMiB   int64          `json:"memoryMiB"`
		UsedMiB     int64          `json:"usedMiB"`
		Utilization int            `json:"utilization"`
		Temperature int            `json:"temperature"`
		Watts       float64        `json:"watts"`
		LimitWatts  float64        `json:"limitWatts"`
		MIG         string         `json:"mig"`
		Partitions  []gpuPartition `json:"partitions,omitempty"`
		Profiles    []gpuProfile   `json:"profiles,omitempty"`
		Healthy     bool           `json:"healthy"`
		Fault       string         `json:"fault,omitempty"`
		XID         int            `json:"xid,omitempty"`
		Holders     []gpuHolder    `json:"holders"`
	}
	gpuPartition struct {
		UUID      string `json:"uuid"`
		Profile   string `json:"profile"`
		Instance  int    `json:"instance"`
		MemoryMiB int64  `json:"memoryMiB"`
		UsedMiB   int64  `json:"usedMiB"`
		Start     int    `json:"start"`
		Slices    int    `json:"slices"`
	}
	gpuProfile struct {
		Name  string `json:"name"`
		Count int    `json:"count"`
	}
	gpuHolder struct {
		Namespace string   `json:"namespace"`
		Pod       string   `json:"pod"`
		Container string   `json:"container"`
		Resource  string   `json:"resource"`
		Devices   []string `json:"devices"`
	}
	gpuOffer struct {
		Name    string `json:"name"`
		Total   int    `json:"total"`
		Healthy int    `json:"healthy"`
		Held    int    `json:"held"`
	}
	gpuSharing struct {
		Replicas    int    `json:"replicas"`
		MIGStrategy string `json:"migStrategy"`
	}
)

const mib = 1 << 20

// bare is the UUID of a device id of the kubelet: without the replica's number.
func bare(id string) string {
	uuid, _, _ := strings.Cut(id, "::")
	return uuid
}

// inventory is everything that the agent knows now.
func (a *agent) inventory(ctx context.Context) gpus {
	held, heldErr := a.holders.list(ctx)
	out := gpus{
		Simulated: a.opts.simulated,
		GPUs:      []gpu{}, Resources: []gpuOffer{}, Labels: map[string]string{},
		Sharing: a.config().sharing(),
	}
	d := a.driver
	d.mu.RLock()
	out.Driver = gpuDriver{Version: d.version, CUDA: d.cuda, Root: d.hostRoot}
	problem := d.problem
	for _, id := range d.gpus {
		out.GPUs = append(out.GPUs, a.describe(id))
	}
	d.mu.RUnlock()

	a.mu.Lock()
	maps.Copy(out.Labels, a.labels)
	for _, p := range []string{a.lost, a.nodes, a.refused, a.discovery} {
		if problem == "" {
			problem = p
		}
	}
	a.mu.Unlock()
	if problem == "" && d.ready() && len(out.GPUs) == 0 {
		problem = "the driver is loaded and finds no GPU: look at `lspci -d 10de:` and `dmesg`"
	}
	if problem == "" && heldErr != nil {
		problem = "which pods hold GPUs is not known: " + heldErr.Error()
	}
	out.Problem = problem

	parent := map[string]int{} // GPU or MIG device → index in out.GPUs
	for i, g := range out.GPUs {
		parent[g.UUID] = i
		for _, m := range g.Partitions {
			parent[m.UUID] = i
		}
	}
	count := map[string]int{}
	for _, h := range held {
		count[h.Resource] += len(h.Devices)
		on := map[int][]string{}
		for _, dev := range h.Devices {
			if i, ok := parent[bare(dev)]; ok {
				on[i] = append(on[i], dev)
			}
		}
		for i, devices := range on {
			h := h
			h.Devices = devices
			out.GPUs[i].Holders = append(out.GPUs[i].Holders, h)
		}
	}
	for _, o := range a.proxy.offers() {
		offer := gpuOffer{Name: o.name, Total: len(o.devices), Held: count[o.name]}
		for _, dev := range o.devices {
			if dev.Health == pluginapi.Healthy {
				offer.Healthy++
			}
		}
		out.Resources = append(out.Resources, offer)
	}
	return out
}

func (d *driver) ready() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.open
}

// describe reads a GPU. The driver's lock is held.
func (a *agent) describe(id identity) gpu {
	g := gpu{Index: id.index, UUID: id.uuid, Product: id.product, PCI: id.pci, MemoryMiB: int64(id.memory / mib), Holders: []gpuHolder{}}
	h := a.health.of(id.uuid)
	g.Healthy, g.Fault, g.XID = h.healthy, h.why(), h.xid
	if !a.driver.open || a.health.isDown() {
		g.Healthy = false
		if g.Fault == "" {
			g.Fault = "the driver does not answer"
		}
		return g
	}
	dev, ret := a.driver.lib.DeviceGetHandleByIndex(id.index)
	if ret != nvml.SUCCESS {
		g.Healthy = false
		if g.Fault == "" {
			g.Fault = fmt.Sprintf("it does not answer: the driver says %q", ret.Error())
		}
		return g
	}
	if total, used, ok := a.driver.memory(dev); ok {
		g.MemoryMiB, g.UsedMiB = total, used
	}
	if u, ret := dev.GetUtilizationRates(); ret == nvml.SUCCESS {
		g.Utilization = int(u.Gpu)
	}
	if t, ret := dev.GetTemperature(nvml.TEMPERATURE_GPU); ret == nvml.SUCCESS {
		g.Temperature = int(t)
	}
	if w, ret := dev.GetPowerUsage(); ret == nvml.SUCCESS {
		g.Watts = float64(w) / 1000
	}
	if w, ret := dev.GetEnforcedPowerLimit(); ret == nvml.SUCCESS {
		g.LimitWatts = float64(w) / 1000
	}
	if id.migCapable {
		g.MIG = "Disabled"
		if mode, _, ret := dev.GetMigMode(); ret == nvml.SUCCESS && mode == nvml.DEVICE_MIG_ENABLE {
			g.MIG = "Enabled"
			for _, p := range a.driver.partitions(dev) {
				g.Partitions = append(g.Partitions, p.gpuPartition)
			}
		}
		g.Profiles = id.profiles
	}
	if g.Fault == "" {
		g.Fault = warning(dev, g.Temperature)
	}
	return g
}

// memory is the memory of a device in MiB, and how much of it is used: without
// what the driver keeps for itself, if this driver tells that apart.
func (d *driver) memory(dev nvml.Device) (total, used int64, ok bool) {
	if d.has("nvmlDeviceGetMemoryInfo_v2") {
		if m, ret := dev.GetMemoryInfo_v2(); ret == nvml.SUCCESS {
			return int64(m.Total / mib), int64(m.Used / mib), true
		}
	}
	m, ret := dev.GetMemoryInfo()
	return int64(m.Total / mib), int64(m.Used / mib), ret == nvml.SUCCESS
}

// partition is a MIG device with its handle.
type partition struct {
	gpuPartition
	dev nvml.Device
}

// partitions are the MIG devices of a GPU. The driver's lock is held.
func (d *driver) partitions(dev nvml.Device) []partition {
	nd, err := d.mig.NewDevice(dev)
	if err != nil {
		return nil
	}
	migs, err := nd.GetMigDevices()
	if err != nil {
		return nil
	}
	var list []partition
	for _, m := range migs {
		var p partition
		p.dev = m
		p.UUID, _ = m.GetUUID()
		if profile, err := m.GetProfile(); err == nil {
			p.Profile = profile.String()
		}
		p.MemoryMiB, p.UsedMiB, _ = d.memory(m)
		if id, ret := m.GetGpuInstanceId(); ret == nvml.SUCCESS {
			p.Instance = id
			if gi, ret := dev.GetGpuInstanceById(id); ret == nvml.SUCCESS {
				if info, ret := gi.GetInfo(); ret == nvml.SUCCESS {
					p.Start, p.Slices = int(info.Placement.Start), int(info.Placement.Size)
				}
			}
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b partition) int {
		if a.Start != b.Start {
			return a.Start - b.Start
		}
		return strings.Compare(a.UUID, b.UUID)
	})
	return list
}
