package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
)

func TestDeploymentRules(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	addr := page(t, func() string {
		k := n.Add(10)
		return fmt.Sprintf(`# TYPE benchtop_requests_total counter
benchtop_requests_total{namespace="iris",deployment="iris",route="/predict",status="200",method="GET"} %[1]d
benchtop_requests_total{namespace="iris",deployment="iris",route="/predict",status="500",method="GET"} %[2]d
benchtop_requests_total{namespace="iris",deployment="iris",route="/healthz",status="200",method="GET"} %[3]d
benchtop_requests_total{namespace="iris",deployment="iris",route="/",status="200",method="GET"} %[3]d
benchtop_requests_total{namespace="iris",deployment="iris",route="/readyz",status="503",method="GET"} %[3]d
benchtop_requests_total{namespace="wine",deployment="wine",route="/predict",status="200",method="GET"} %[1]d
# TYPE benchtop_request_duration_seconds histogram
benchtop_request_duration_seconds_bucket{namespace="iris",deployment="iris",route="/predict",le="0.001"} 0
benchtop_request_duration_seconds_bucket{namespace="iris",deployment="iris",route="/predict",le="0.002"} %[1]d
benchtop_request_duration_seconds_bucket{namespace="iris",deployment="iris",route="/predict",le="+Inf"} %[1]d
benchtop_request_duration_seconds_sum{namespace="iris",deployment="iris",route="/predict"} %[1]d
benchtop_request_duration_seconds_count{namespace="iris",deployment="iris",route="/predict"} %[1]d
`, k, k/10, k*100)
	})
	u := run(t, Config{Targets: []Target{{Job: "server", Address: addr}}})
	eventually(t, func() string {
		all, msg := value1(u.Unit, `deployment:requests:rate1m{namespace="iris",deployment="iris"}`)
		if msg != "" {
			return msg
		}
		bad, msg := value1(u.Unit, `deployment:errors:rate1m{namespace="iris",deployment="iris"}`)
		if msg != "" {
			return msg
		}
		good, msg := value1(u.Unit, `deployment:errors:rate1m{deployment="wine"}`)
		if msg != "" {
			return msg
		}
		p50, msg := value1(u.Unit, `deployment:request_duration_seconds:p50{deployment="iris"}`)
		if msg != "" {
			return msg
		}
		// 11 requests a second of which 1 failed; health checks, 100 a
		// second, do not count. The first minute's rate is still growing.
		if all < 2 || all > 14 || bad/all < 0.08 || bad/all > 0.1 || good != 0 || p50 < 0.001 || p50 > 0.002 {
			return fmt.Sprintf("rate %v, errors %v, wine's errors %v, p50 %v", all, bad, good, p50)
		}
		return ""
	})
	eventually(t, func() string {
		_, msg := value1(u.Unit, `ALERTS{alertname="DeploymentErrors",deployment="iris",alertstate="pending"}`)
		return msg
	})
}

func TestDiskAlert(t *testing.T) {
	t.Parallel()
	addr := page(t, func() string {
		return "minio_cluster_capacity_usable_total_bytes{server=\"127.0.0.1:3\"} 100\nminio_notify_x 1\n"
	})
	full := NewSelf(func() []supervise.Status { return nil }, func() (mlops.MachineSample, error) {
		return mlops.MachineSample{DiskUsed: 96, DiskTotal: 100, CPU: 0.5, MemoryUsed: 7}, nil
	}, nil)
	u := run(t, Config{Self: full, Targets: []Target{{Job: "minio", Address: addr, Path: "/minio/v2/metrics/cluster"}}})
	becomes(t, u.Unit, `ALERTS{alertname="DiskNearlyFull",job="benchtop",alertstate="pending"}`, 1)
	becomes(t, u.Unit, "benchtop_machine_cpu_ratio", 0.5)
	becomes(t, u.Unit, "benchtop_machine_memory_used_bytes", 7)
	becomes(t, u.Unit, "benchtop_machine_disk_used_bytes", 96)
	becomes(t, u.Unit, `count(minio_cluster_capacity_usable_total_bytes{server="",instance="minio"})`, 1)
	if got, err := u.Query(context.Background(), "minio_notify_x", time.Time{}); err != nil || len(got) != 0 {
		t.Errorf("MinIO's noise is kept: %v, %v", got, err)
	}
}

// gpuPage is what the exporter says of four GPUs: two pods take turns on the
// first, which is simulated and has failed; the second is cut into parts and hot;
// the third is held by a pod that does nothing; the last one is well.
const gpuPage = `benchtop_gpu_healthy{gpu="0",UUID="GPU-0",modelName="NVIDIA T4",Hostname="bench",simulated="true",namespace="lab",pod="a"} 0
benchtop_gpu_healthy{gpu="0",UUID="GPU-0",modelName="NVIDIA T4",Hostname="bench",simulated="true",namespace="lab",pod="b"} 0
DCGM_FI_DEV_XID_ERRORS{gpu="0",UUID="GPU-0",modelName="NVIDIA T4",Hostname="bench",simulated="true",namespace="lab",pod="a"} 79
DCGM_FI_DEV_XID_ERRORS{gpu="0",UUID="GPU-0",modelName="NVIDIA T4",Hostname="bench",simulated="true",namespace="lab",pod="b"} 79
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-0",modelName="NVIDIA T4",Hostname="bench",simulated="true",namespace="lab",pod="a"} 0
benchtop_gpu_healthy{gpu="1",UUID="GPU-1",modelName="NVIDIA H100",Hostname="bench"} 1
DCGM_FI_DEV_XID_ERRORS{gpu="1",UUID="GPU-1",modelName="NVIDIA H100",Hostname="bench"} 31
DCGM_FI_DEV_GPU_TEMP{gpu="1",UUID="GPU-1",modelName="NVIDIA H100",Hostname="bench"} 93
DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-1",modelName="NVIDIA H100",Hostname="bench",GPU_I_PROFILE="2g.20gb",GPU_I_ID="3",namespace="lab",pod="c"} 95
DCGM_FI_DEV_FB_FREE{gpu="1",UUID="GPU-1",modelName="NVIDIA H100",Hostname="bench",GPU_I_PROFILE="2g.20gb",GPU_I_ID="3",namespace="lab",pod="c"} 5
DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-1",modelName="NVIDIA H100",Hostname="bench",GPU_I_PROFILE="1g.10gb",GPU_I_ID="9"} 5
DCGM_FI_DEV_FB_FREE{gpu="1",UUID="GPU-1",modelName="NVIDIA H100",Hostname="bench",GPU_I_PROFILE="1g.10gb",GPU_I_ID="9"} 95
benchtop_gpu_healthy{gpu="2",UUID="GPU-2",modelName="NVIDIA L4",Hostname="bench",namespace="lab",pod="d"} 1
DCGM_FI_DEV_XID_ERRORS{gpu="2",UUID="GPU-2",modelName="NVIDIA L4",Hostname="bench",namespace="lab",pod="d"} 0
DCGM_FI_DEV_GPU_UTIL{gpu="2",UUID="GPU-2",modelName="NVIDIA L4",Hostname="bench",namespace="lab",pod="d"} 4
DCGM_FI_DEV_GPU_TEMP{gpu="2",UUID="GPU-2",modelName="NVIDIA L4",Hostname="bench",namespace="lab",pod="d"} 90
DCGM_FI_DEV_FB_USED{gpu="2",UUID="GPU-2",modelName="NVIDIA L4",Hostname="bench",namespace="lab",pod="d"} 90
DCGM_FI_DEV_FB_FREE{gpu="2",UUID="GPU-2",modelName="NVIDIA L4",Hostname="bench",namespace="lab",pod="d"} 10
benchtop_gpu_healthy{gpu="3",UUID="GPU-3",modelName="NVIDIA L4",Hostname="bench"} 1
DCGM_FI_DEV_XID_ERRORS{gpu="3",UUID="GPU-3",modelName="NVIDIA L4",Hostname="bench"} 0
DCGM_FI_DEV_GPU_UTIL{gpu="3",UUID="GPU-3",modelName="NVIDIA L4",Hostname="bench"} 5
`

// alertsOf are the alerts that the API shows, by name: state and text.
func alertsOf(u *Unit) (map[string][]string, string) {
	w := httptest.NewRecorder()
	u.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/alerts", nil))
	var answer struct {
		Data struct {
			Alerts []struct {
				State       string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		return nil, err.Error() + ": " + w.Body.String()
	}
	out := map[string][]string{}
	for _, a := range answer.Data.Alerts {
		name := a.Labels["alertname"]
		out[name] = append(out[name], a.State+": "+a.Annotations["summary"])
	}
	return out, ""
}

func TestGPUAlerts(t *testing.T) {
	t.Parallel()
	var waiting atomic.Int64
	self := NewSelf(func() []supervise.Status { return nil }, func() (mlops.MachineSample, error) { return mlops.MachineSample{DiskTotal: 100}, nil },
		func() (int, error) { return int(waiting.Load()), nil })
	u := run(t, Config{Self: self, Targets: []Target{{Job: "gpu", Address: page(t, func() string { return gpuPage }), HonorLabels: true}}})
	want := map[string][]string{
		"GPUError":            {"firing: Simulated GPU 0 of bench (NVIDIA T4) has failed with XID 79: pods get it no more until it has recovered."},
		"GPUHot":              {"pending: GPU 1 of bench (NVIDIA H100) is at 93 °C: it slows down or stops when it gets hotter."},
		"GPUMemoryNearlyFull": {"pending: The memory of GPU 1, part 2g.20gb, of bench is nearly full (95%): its pods may run out of memory."},
	}
	shown := func() string {
		got, msg := alertsOf(u.Unit)
		for name := range got {
			if !strings.HasPrefix(name, "GPU") {
				delete(got, name)
			}
		}
		if msg == "" && !reflect.DeepEqual(got, want) {
			msg = fmt.Sprintf("alerts are %v, want %v", got, want)
		}
		return msg
	}
	becomes(t, u.Unit, "benchtop_gpu_waiting_pods", 0)
	eventually(t, shown)
	waiting.Store(2)
	becomes(t, u.Unit, "benchtop_gpu_waiting_pods", 2)
	want["GPUIdleWhilePodsWait"] = []string{"pending: GPU 2 of bench has had nothing to do for 10 minutes, held by pod lab/d, while pods wait for a GPU."}
	eventually(t, shown)
	waiting.Store(0)
	delete(want, "GPUIdleWhilePodsWait")
	eventually(t, shown)
}

// A driver that cannot be reached has no series: the agent answers nonetheless.
func TestAlertWhenGPUsDoNotAnswer(t *testing.T) {
	t.Parallel()
	u := run(t, Config{Targets: []Target{{Job: "gpu", Address: page(t, func() string { return "up_to_date 1\n" }), HonorLabels: true}}})
	eventually(t, func() string {
		got, msg := alertsOf(u.Unit)
		want := []string{"pending: The driver of the GPUs answers nothing: `benchtop doctor gpu` says why."}
		if msg == "" && !reflect.DeepEqual(got["GPUsDoNotAnswer"], want) {
			msg = fmt.Sprintf("alerts are %v", got)
		}
		return msg
	})
}

// A lab without GPUs has no series of them, and no alerts.
func TestNoGPUsNoAlerts(t *testing.T) {
	t.Parallel()
	self := NewSelf(func() []supervise.Status { return nil }, func() (mlops.MachineSample, error) { return mlops.MachineSample{DiskTotal: 100}, nil }, nil)
	u := run(t, Config{Self: self})
	becomes(t, u.Unit, `count(benchtop_disk_nearly_full)`, 1)
	if got, err := u.Query(context.Background(), `{__name__=~".*gpu.*"}`, time.Time{}); err != nil || len(got) != 0 {
		t.Errorf("there are series of GPUs: %v, %v", got, err)
	}
	if got, msg := alertsOf(u.Unit); msg != "" || len(got) != 0 {
		t.Errorf("alerts are %v %s", got, msg)
	}
}
