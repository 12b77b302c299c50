package cluster

import (
	"bytes"
	"context"
	"fmt"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// PodUse is what a pod has used of the machine, as the kubelet counts it.
type PodUse struct {
	Namespace, Pod string
	CPUSeconds     float64 // since it started
	Memory         int64   // bytes of its working set
}

// PodUse asks the kubelet what the pods of the node use. The kubelet itself
// looks every ten seconds or so.
func (c *Client) PodUse(ctx context.Context) ([]PodUse, error) {
	b, err := c.kube.CoreV1().RESTClient().Get().Resource("nodes").Name(c.cfg.NodeName).SubResource("proxy").Suffix("metrics/resource").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the kubelet what pods use: %w", err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("read what pods use: %w", err)
	}
	found := map[[2]string]*PodUse{}
	each := func(family string, use func(*PodUse, *dto.Metric)) {
		for _, m := range families[family].GetMetric() {
			var at [2]string
			for _, l := range m.GetLabel() {
				switch l.GetName() {
				case "namespace":
					at[0] = l.GetValue()
				case "pod":
					at[1] = l.GetValue()
				}
			}
			if found[at] == nil {
				found[at] = &PodUse{Namespace: at[0], Pod: at[1]}
			}
			use(found[at], m)
		}
	}
	each("pod_cpu_usage_seconds_total", func(u *PodUse, m *dto.Metric) { u.CPUSeconds = m.GetCounter().GetValue() })
	each("pod_memory_working_set_bytes", func(u *PodUse, m *dto.Metric) { u.Memory = int64(m.GetGauge().GetValue()) })
	out := make([]PodUse, 0, len(found))
	for _, u := range found {
		out = append(out, *u)
	}
	return out, nil
}
