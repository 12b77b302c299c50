package main

import (
	"context"
	"log"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/prometheus/client_golang/prometheus"
)

// exporter reads the GPUs whenever Prometheus asks. Names, units and labels are
// those of NVIDIA's DCGM exporter, so that its dashboards and alerts work.
type exporter struct {
	a    *agent
	host string

	mu      sync.Mutex
	samples map[string]gpmSample // by UUID, of the scrape before
}

type gpmSample struct {
	sample nvml.GpmSample
	at     time.Time
}

// gpmOld is how old the sample of the scrape before may be to say something
// about now.
const gpmOld = 10 * time.Minute

var labelNames = []string{"gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname", "DCGM_FI_DRIVER_VERSION",
	"GPU_I_PROFILE", "GPU_I_ID", "namespace", "pod", "container"}

// metric is one name of the page.
type metric struct {
	name, help string
	kind       prometheus.ValueType
}

const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue

var metrics = map[string]metric{}

func define(kind prometheus.ValueType, name, help string) string {
	metrics[name] = metric{name, help, kind}
	return name
}

var (
	smClock       = define(gauge, "DCGM_FI_DEV_SM_CLOCK", "Clock of the multiprocessors in MHz.")
	memClock      = define(gauge, "DCGM_FI_DEV_MEM_CLOCK", "Clock of the memory in MHz.")
	gpuTemp       = define(gauge, "DCGM_FI_DEV_GPU_TEMP", "Temperature of the GPU in °C.")
	memTemp       = define(gauge, "DCGM_FI_DEV_MEMORY_TEMP", "Temperature of the memory in °C.")
	power         = define(gauge, "DCGM_FI_DEV_POWER_USAGE", "Power that the GPU draws in W.")
	energy        = define(counter, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "Energy since the driver was loaded in mJ.")
	pcieReplay    = define(counter, "DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "Repeated transfers on the PCI bus.")
	gpuUtil       = define(gauge, "DCGM_FI_DEV_GPU_UTIL", "Share of time in which a kernel ran in %.")
	memCopyUtil   = define(gauge, "DCGM_FI_DEV_MEM_COPY_UTIL", "Share of time in which memory was read or written in %.")
	encUtil       = define(gauge, "DCGM_FI_DEV_ENC_UTIL", "Use of the video encoder in %.")
	decUtil       = define(gauge, "DCGM_FI_DEV_DEC_UTIL", "Use of the video decoder in %.")
	xidErrors     = define(gauge, "DCGM_FI_DEV_XID_ERRORS", "Number (XID) of the last error, 0 if there was none since the agent started.")
	fbFree        = define(gauge, "DCGM_FI_DEV_FB_FREE", "Free memory in MiB.")
	fbUsed        = define(gauge, "DCGM_FI_DEV_FB_USED", "Used memory in MiB.")
	fbReserved    = define(gauge, "DCGM_FI_DEV_FB_RESERVED", "Memory that the driver keeps for itself in MiB.")
	uncorrectable = define(counter, "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "Rows of memory that were replaced after errors that could not be corrected.")
	correctable   = define(counter, "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "Rows of memory that were replaced after errors that were corrected.")
	remapFailure  = define(gauge, "DCGM_FI_DEV_ROW_REMAP_FAILURE", "1 if a row of memory could not be replaced, else 0.")
	nvlink        = define(counter, "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", "Data sent and received over all NVLinks in KiB.")
	vgpuLicense   = define(gauge, "DCGM_FI_DEV_VGPU_LICENSE_STATUS", "1 if a licence for virtual GPUs is in force, else 0.")
	grActive      = define(gauge, "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "Share of time in which the graphics or compute engine was active, 0 to 1.")
	tensorActive  = define(gauge, "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "Share of cycles in which the tensor cores were active, 0 to 1.")
	dramActive    = define(gauge, "DCGM_FI_PROF_DRAM_ACTIVE", "Share of cycles in which memory was sending or receiving, 0 to 1.")
	pcieTx        = define(gauge, "DCGM_FI_PROF_PCIE_TX_BYTES", "Data sent over the PCI bus in bytes per second.")
	pcieRx        = define(gauge, "DCGM_FI_PROF_PCIE_RX_BYTES", "Data received over the PCI bus in bytes per second.")
	healthyMetric = define(gauge, "benchtop_gpu_healthy", "1 if pods can get the GPU, 0 after an error until it has recovered.")
)

// Describe says nothing: which series there are depends on the GPUs.
func (e *exporter) Describe(chan<- *prometheus.Desc) {}

// Collect reads all GPUs. A GPU that the driver can't reach has no series but
// its health.
func (e *exporter) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	held, err := e.a.holders.list(ctx)
	if err != nil {
		log.Printf("metrics: %v; they name no pods", err)
	}
	holdersOf := map[string][]gpuHolder{}
	for _, h := range held {
		seen := map[string]bool{}
		for _, dev := range h.Devices {
			if uuid := bare(dev); !seen[uuid] {
				seen[uuid] = true
				holdersOf[uuid] = append(holdersOf[uuid], h)
			}
		}
	}
	e.mu.Lock() // a second Prometheus waits
	defer e.mu.Unlock()
	d := e.a.driver
	d.mu.RLock()
	defer d.mu.RUnlock()
	if !d.open {
		return
	}
	for _, id := range d.gpus {
		e.collect(out, id, holdersOf)
	}
}

// series makes the series of a device: one for each container that holds it, or
// one that names no pod.
type series struct {
	out    chan<- prometheus.Metric
	labels []string // up to GPU_I_ID
	who    [][]string
	sim    bool
}

func (s series) add(name string, v float64) {
	m := metrics[name]
	var constant prometheus.Labels
	if s.sim {
		constant = prometheus.Labels{"simulated": "true"}
	}
	desc := prometheus.NewDesc(m.name, m.help, labelNames, constant)
	for _, who := range s.who {
		s.out <- prometheus.MustNewConstMetric(desc, m.kind, v, append(append([]string{}, s.labels...), who...)...)
	}
}

// ret adds a value that the driver answered.
func addOK[T int | uint32 | uint64 | float64](s series, name string, v T, ret nvml.Return) {
	if ret == nvml.SUCCESS {
		s.add(name, float64(v))
	}
}

func (e *exporter) series(out chan<- prometheus.Metric, id identity, profile, instance string, held []gpuHolder) series {
	s := series{out: out, sim: e.a.opts.simulated, labels: []string{strconv.Itoa(id.index), id.uuid, id.pci, id.node,
		id.product, e.host, e.a.driver.version, profile, instance}}
	seen := map[string]bool{}
	for _, h := range held {
		key := h.Namespace + "/" + h.Pod + "/" + h.Container
		if !seen[key] {
			seen[key] = true
			s.who = append(s.who, []string{h.Namespace, h.Pod, h.Container})
		}
	}
	if s.who == nil {
		s.who = [][]string{{"", "", ""}}
	}
	return s
}

func (e *exporter) collect(out chan<- prometheus.Metric, id identity, holdersOf map[string][]gpuHolder) {
	d := e.a.driver
	s := e.series(out, id, "", "", holdersOf[id.uuid])
	state := e.a.health.of(id.uuid)
	dev, ret := d.lib.DeviceGetHandleByIndex(id.index)
	healthy := 0.0
	if e.a.health.device(id.uuid) && ret == nvml.SUCCESS {
		healthy = 1
	}
	s.add(healthyMetric, healthy)
	s.add(xidErrors, float64(state.xid))
	if ret != nvml.SUCCESS {
		return
	}
	clock, ret := dev.GetClockInfo(nvml.CLOCK_SM)
	addOK(s, smClock, clock, ret)
	clock, ret = dev.GetClockInfo(nvml.CLOCK_MEM)
	addOK(s, memClock, clock, ret)
	celsius, ret := dev.GetTemperature(nvml.TEMPERATURE_GPU)
	addOK(s, gpuTemp, celsius, ret)
	if v, ok := field(dev, nvml.FI_DEV_MEMORY_TEMP, 0); ok {
		s.add(memTemp, float64(v))
	}
	milliwatts, ret := dev.GetPowerUsage()
	addOK(s, power, float64(milliwatts)/1000, ret)
	millijoules, ret := dev.GetTotalEnergyConsumption()
	addOK(s, energy, millijoules, ret)
	replays, ret := dev.GetPcieReplayCounter()
	addOK(s, pcieReplay, replays, ret)
	util, ret := dev.GetUtilizationRates()
	addOK(s, gpuUtil, util.Gpu, ret)
	addOK(s, memCopyUtil, util.Memory, ret)
	video, _, ret := dev.GetEncoderUtilization()
	addOK(s, encUtil, video, ret)
	video, _, ret = dev.GetDecoderUtilization()
	addOK(s, decUtil, video, ret)
	if d.has("nvmlDeviceGetRemappedRows") {
		good, bad, _, failed, ret := dev.GetRemappedRows()
		addOK(s, correctable, good, ret)
		addOK(s, uncorrectable, bad, ret)
		var failure int
		if failed {
			failure = 1
		}
		addOK(s, remapFailure, failure, ret)
	}
	if tx, ok := field(dev, nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_TX, math.MaxUint32); ok {
		if rx, ok := field(dev, nvml.FI_DEV_NVLINK_THROUGHPUT_DATA_RX, math.MaxUint32); ok {
			s.add(nvlink, float64(tx)+float64(rx))
		}
	}
	if f, ret := dev.GetGridLicensableFeatures(); ret == nvml.SUCCESS {
		var licensed float64
		for i := range min(int(f.LicensableFeaturesCount), len(f.GridLicensableFeatures)) {
			if f.GridLicensableFeatures[i].FeatureState != 0 {
				licensed = 1
			}
		}
		s.add(vgpuLicense, licensed)
	}

	if mode, _, ret := dev.GetMigMode(); id.migCapable && ret == nvml.SUCCESS && mode == nvml.DEVICE_MIG_ENABLE {
		// The memory belongs to the parts, so the sum over all series is right.
		for _, p := range d.partitions(dev) {
			m := e.series(out, id, p.Profile, strconv.Itoa(p.Instance), holdersOf[p.UUID])
			e.memory(m, p.dev)
			e.profile(m, p.UUID, func(sample nvml.GpmSample) nvml.Return { return sample.MigGet(dev, p.Instance) }, dev)
		}
		return
	}
	e.memory(s, dev)
	e.profile(s, id.uuid, func(sample nvml.GpmSample) nvml.Return { return sample.Get(dev) }, dev)
}

// has says whether this driver's library has a function: older ones lack some,
// and a call of what is missing ends the process.
func (d *driver) has(symbol string) bool {
	return d.lib.Extensions().LookupSymbol(symbol) == nil
}

func (e *exporter) memory(s series, dev nvml.Device) {
	if e.a.driver.has("nvmlDeviceGetMemoryInfo_v2") {
		if m, ret := dev.GetMemoryInfo_v2(); ret == nvml.SUCCESS {
			s.add(fbFree, float64(m.Free/mib))
			s.add(fbUsed, float64(m.Used/mib))
			s.add(fbReserved, float64(m.Reserved/mib))
			return
		}
	}
	if m, ret := dev.GetMemoryInfo(); ret == nvml.SUCCESS {
		s.add(fbFree, float64(m.Free/mib))
		s.add(fbUsed, float64(m.Used/mib))
	}
}

// profile adds what the GPU's own counters say of the time since the scrape
// before. Only GPUs from Hopper on have them.
func (e *exporter) profile(s series, uuid string, get func(nvml.GpmSample) nvml.Return, dev nvml.Device) {
	d := e.a.driver
	if !d.has("nvmlGpmMetricsGet") || !d.has("nvmlGpmQueryDeviceSupport") {
		return
	}
	if support, ret := dev.GpmQueryDeviceSupport(); ret != nvml.SUCCESS || support.IsSupportedDevice == 0 {
		return
	}
	sample, ret := d.lib.GpmSampleAlloc()
	if ret != nvml.SUCCESS {
		return
	}
	if ret := get(sample); ret != nvml.SUCCESS {
		sample.Free()
		return
	}
	last, ok := e.samples[uuid]
	e.samples[uuid] = gpmSample{sample, time.Now()}
	if !ok {
		return
	}
	defer last.sample.Free()
	if time.Since(last.at) > gpmOld {
		return
	}
	wanted := []struct {
		id   nvml.GpmMetricId
		name string
		unit float64
	}{
		{nvml.GPM_METRIC_GRAPHICS_UTIL, grActive, 0.01}, {nvml.GPM_METRIC_ANY_TENSOR_UTIL, tensorActive, 0.01},
		{nvml.GPM_METRIC_DRAM_BW_UTIL, dramActive, 0.01},
		{nvml.GPM_METRIC_PCIE_TX_PER_SEC, pcieTx, mib}, {nvml.GPM_METRIC_PCIE_RX_PER_SEC, pcieRx, mib},
	}
	for _, w := range wanted {
		// One at a time, in the first place: go-nvml's GpmMetric is larger than
		// the driver's, so what comes after the first would be read from elsewhere.
		query := nvml.GpmMetricsGetType{NumMetrics: 1, Sample1: last.sample, Sample2: sample}
		query.Metrics[0].MetricId = uint32(w.id)
		if ret := d.lib.GpmMetricsGet(&query); ret != nvml.SUCCESS {
			return
		}
		if m := query.Metrics[0]; nvml.Return(m.NvmlReturn) == nvml.SUCCESS && !math.IsNaN(m.Value) {
			s.add(w.name, m.Value*w.unit)
		}
	}
}

// forget drops the samples, before the driver is closed or its parts change.
func (e *exporter) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.samples {
		s.sample.Free()
	}
	clear(e.samples)
}
