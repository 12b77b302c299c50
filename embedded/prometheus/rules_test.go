package prometheus

import (
	"context"
	"fmt"
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
	})
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
