package main

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// scrape reads the page of metrics.
func scrape(t *testing.T, a *agent) string {
	t.Helper()
	w := httptest.NewRecorder()
	a.metricsPage().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

var camelCase = regexp.MustCompile(`[{,][a-z]+[A-Z][A-Za-z]*=`)

// lint checks the page as `promtool check metrics` does. It lets pass what it
// says of the names that NVIDIA's exporter gave, which dashboards ask for: the
// label modelName, counters without _total, and COUNTER in a name.
func lint(t *testing.T, page string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, p := range problems {
		theirs := strings.HasPrefix(p.Metric, "DCGM_FI_DEV_") && metrics[p.Metric].kind == counter
		switch {
		case p.Text == "label names should be written in 'snake_case' not 'camelCase'" && !camelCase.MatchString(strings.ReplaceAll(page, "modelName=", "")):
			continue
		case theirs && (p.Text == `counter metrics should have "_total" suffix` || p.Text == "metric name should not include type 'counter'"):
			continue
		}
		left = append(left, p.Metric+": "+p.Text)
	}
	if left != nil {
		t.Errorf("promtool check metrics would say:\n%s", strings.Join(left, "\n"))
	}
}

// values are the series of a name, as "labels value", with those labels only.
func values(page, name string, labels ...string) []string {
	var out []string
	for _, line := range regexp.MustCompile(`(?m)^`+name+`\{(.*)\} (\S+)$`).FindAllStringSubmatch(page, -1) {
		var s []string
		for _, l := range labels {
			m := regexp.MustCompile(`(?:^|,)` + l + `="([^"]*)"`).FindStringSubmatch(line[1])
			if m == nil {
				m = []string{"", "absent"}
			}
			s = append(s, m[1])
		}
		out = append(out, strings.Join(append(s, line[2]), " "))
	}
	slices.Sort(out)
	return out
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nexpected %q", got, want)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	w := newWorld(t, lib)
	if page := scrape(t, w.agent); page != "" {
		t.Errorf("without a driver: %s", page)
	}
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)

	// Counters of the engines: the values are those between two scrapes.
	samples := 0
	lib.GpmSampleAllocFunc = func() (nvml.GpmSample, nvml.Return) {
		samples++
		return &mock.GpmSample{
			GetFunc:  func(nvml.Device) nvml.Return { return nvml.SUCCESS },
			FreeFunc: func() nvml.Return { samples--; return nvml.SUCCESS },
		}, nvml.SUCCESS
	}
	lib.GpmMetricsGetFunc = func(q *nvml.GpmMetricsGetType) nvml.Return {
		for i := range q.NumMetrics {
			m := &q.Metrics[i]
			switch nvml.GpmMetricId(m.MetricId) {
			case nvml.GPM_METRIC_GRAPHICS_UTIL:
				m.Value = 50
			case nvml.GPM_METRIC_PCIE_TX_PER_SEC:
				m.Value = 2
			default:
				m.NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
			}
		}
		return nvml.SUCCESS
	}

	// Two pods share the first GPU in time.
	w.kubelet.give("team", "train-0", "nvidia.com/gpu", gpuA+"::0", gpuA+"::2")
	w.kubelet.give("team", "train-1", "nvidia.com/gpu", gpuA+"::1")
	w.kubelet.give("other", "web", "amd.com/gpu", gpuB)
	scrape(t, w.agent)
	page := scrape(t, w.agent)
	lint(t, page)
	expect(t, values(page, "DCGM_FI_DEV_GPU_TEMP", "gpu", "UUID", "device", "Hostname", "namespace", "pod", "container"),
		"0 "+gpuA+" nvidia0 lab team train-0 main 40", "0 "+gpuA+" nvidia0 lab team train-1 main 40", "1 "+gpuB+" nvidia1 lab    41")
	for name, want := range map[string]string{
		"DCGM_FI_DEV_SM_CLOCK": "1410", "DCGM_FI_DEV_MEM_CLOCK": "1593", "DCGM_FI_DEV_POWER_USAGE": "61.5",
		"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": "1.23456789e+08", "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": "3",
		"DCGM_FI_DEV_GPU_UTIL": "40", "DCGM_FI_DEV_MEM_COPY_UTIL": "20", "DCGM_FI_DEV_ENC_UTIL": "5",
		"DCGM_FI_DEV_XID_ERRORS": "0", "DCGM_FI_DEV_FB_FREE": "39360", "DCGM_FI_DEV_FB_USED": "1000", "DCGM_FI_DEV_FB_RESERVED": "600",
		"DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": "1", "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": "2", "DCGM_FI_DEV_ROW_REMAP_FAILURE": "1",
		"DCGM_FI_PROF_GR_ENGINE_ACTIVE": "0.5", "DCGM_FI_PROF_PCIE_TX_BYTES": "2.097152e+06", "benchtop_gpu_healthy": "1",
	} {
		if got := values(page, name, "modelName", "gpu"); !slices.Contains(got, "Mock NVIDIA A100-SXM4-40GB 1 "+want) {
			t.Errorf("%s: %q, expected %s", name, got, want)
		}
	}
	expect(t, values(page, "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gpu"), "1 0.5") // the other GPU can't
	for _, absent := range []string{"DCGM_FI_DEV_DEC_UTIL", "DCGM_FI_DEV_MEMORY_TEMP", "DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_DEV_VGPU_LICENSE_STATUS", "simulated"} {
		if strings.Contains(page, absent) {
			t.Errorf("%s is there although the driver does not know it", absent)
		}
	}
	if samples != 1 {
		t.Errorf("%d samples are kept, expected 1", samples)
	}

	// An error.
	lib.set(func() { lib.noAction = true })
	lib.events <- nvml.EventData{Device: lib.Devices[1], EventType: nvml.EventTypeXidCriticalError, EventData: 79}
	w.untilSeen("nvidia.com/gpu", 1, 2)
	page = scrape(t, w.agent)
	expect(t, values(page, "DCGM_FI_DEV_XID_ERRORS", "gpu", "pod"), "0 train-0 0", "0 train-1 0", "1  79")
	expect(t, values(page, "benchtop_gpu_healthy", "gpu", "pod"), "0 train-0 1", "0 train-1 1", "1  0")
	w.kubelet.takeAll()

	// Memory belongs to the parts of a GPU, the rest to the GPU.
	if code, r := w.do("PUT", "/v1/mig", `[{"devices":[0],"mig-enabled":true,"mig-devices":{"3g.20gb":2}}]`); code != 200 {
		t.Fatal(r.Error)
	}
	parts := w.get().GPUs.GPUs[0].Partitions
	w.kubelet.give("team", "train-0", "nvidia.com/mig-3g.20gb", parts[1].UUID)
	page = scrape(t, w.agent)
	lint(t, page)
	expect(t, values(page, "DCGM_FI_DEV_FB_USED", "gpu", "UUID", "GPU_I_PROFILE", "GPU_I_ID", "pod"),
		"0 "+gpuA+" 3g.20gb 0  12", "0 "+gpuA+" 3g.20gb 1 train-0 12", "1 "+gpuB+"    1000")
	expect(t, values(page, "DCGM_FI_DEV_GPU_TEMP", "gpu", "GPU_I_ID", "pod"), "0   40", "1   41")
	if held := w.get().GPUs.GPUs[0].Holders; len(held) != 1 || fmt.Sprint(held[0]) != fmt.Sprintf("{team train-0 main nvidia.com/mig-3g.20gb [%s]}", parts[1].UUID) {
		t.Errorf("%+v", held)
	}
}

// What does not make a GPU unusable is said all the same.
func TestWarnings(t *testing.T) {
	t.Parallel()
	lib := newFakeNVML()
	w := newWorld(t, lib)
	w.start()
	w.untilSeen("nvidia.com/gpu", 2, 2)
	lib.set(func() { lib.celsius[0], lib.ecc[1] = 95, 2 })
	g := w.get().GPUs.GPUs
	if !g[0].Healthy || g[0].Fault != "it is too hot: 95 °C, and it slows down from 92 °C on" {
		t.Errorf("%+v", g[0])
	}
	if !g[1].Healthy || g[1].Fault != "2 errors in its memory could not be corrected since the driver was loaded" {
		t.Errorf("%+v", g[1])
	}
}
