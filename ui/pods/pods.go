// Package pods shows pods.
package pods

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/paths"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Row is a pod in a table.
func Row(p mlops.Pod) view.PodRow {
	return view.PodRow{Namespace: p.Namespace, Name: p.Name, URL: paths.Pod(p), Pill: pills.Pod(p), Restarts: p.Restarts, Node: p.Node,
		IP: p.IP, Started: p.StartedAt, Message: p.Message, LastExit: exitText(p)}
}

// Usage returns what each pod of a namespace uses now, as the kubelet says
// every half minute. What is not known is left out.
func Usage(ctx context.Context, s *page.Site, namespace string) map[string]mlops.Resources {
	out := map[string]mlops.Resources{}
	for _, q := range []struct {
		expr string
		set  func(r *mlops.Resources, v float64)
	}{
		{`sum by (pod) (rate(container_cpu_usage_seconds_total{namespace=%q,container!=""}[2m]))`, func(r *mlops.Resources, v float64) { r.CPU = v }},
		{`sum by (pod) (container_memory_working_set_bytes{namespace=%q,container!=""})`, func(r *mlops.Resources, v float64) { r.Memory = int64(v) }},
	} {
		samples, err := s.Metrics.Query(ctx, fmt.Sprintf(q.expr, namespace), s.Now())
		if s.Problem("what pods use", err) != nil {
			continue // logged; the table goes without
		}
		for _, sample := range samples {
			if view.Finite(sample.Value) == nil {
				continue
			}
			r := out[sample.Labels["pod"]]
			q.set(&r, sample.Value)
			out[sample.Labels["pod"]] = r
		}
	}
	return out
}

// ServerRow is a pod of a deployment in a table, with what it uses.
func ServerRow(p mlops.Pod, uses mlops.Resources) view.ServerPod {
	v := view.ServerPod{PodRow: Row(p), Short: mlops.ShortPod(p.Name), Image: p.Image, Created: p.CreatedAt,
		CPU: use(uses.CPU, p.Requests.CPU, p.Limits.CPU, cores), Memory: use(float64(uses.Memory), float64(p.Requests.Memory), float64(p.Limits.Memory), view.Bytes)}
	if p.Deleting {
		v.Pill = view.Pill{Kind: view.Idle, Text: "ending"}
	}
	if e := p.LastExit; e != nil {
		v.EndedAt = e.At
	}
	return v
}

// nearLimit is from what share of its limit on a pod's use stands out.
const nearLimit = 0.9

// use says what a pod uses of what it asked for and may have.
func use(used, request, limit float64, text func(float64) string) view.PodUse {
	v := view.PodUse{Used: "–", Request: "asks for none", Limit: "no limit"}
	if used > 0 {
		v.Used = text(used)
	}
	if request > 0 {
		v.Request = "asks for " + text(request)
	}
	if limit > 0 {
		v.Limit = "limit " + text(limit)
		v.Near = used >= nearLimit*limit
	}
	return v
}

// cores formats CPU as Kubernetes does: thousandths of a core below one.
func cores(n float64) string {
	if n < 1 {
		return strconv.Itoa(int(n*1000+0.5)) + "m"
	}
	return strconv.FormatFloat(n, 'g', 3, 64)
}

// exitText says how a pod's container ended last.
func exitText(p mlops.Pod) string {
	if p.LastExit == nil {
		return ""
	}
	return fmt.Sprintf("%s, exit code %d", cmp.Or(p.LastExit.Reason, "ended"), p.LastExit.Code)
}

// Facts are what the page of a pod says beyond its row.
func Facts(p mlops.Pod) []view.Fact {
	var out []view.Fact
	if p.LastExit != nil {
		out = append(out, view.Fact{Name: "Last exit", Value: view.Text(exitText(p))}, view.Fact{Name: "Ended", Value: view.At(p.LastExit.At)})
	}
	if p.Image != "" {
		out = append(out, view.Fact{Name: "Image", Value: view.Code(p.Image)})
	}
	for _, r := range []struct {
		name           string
		request, limit float64
		text           func(float64) string
	}{{"CPU", p.Requests.CPU, p.Limits.CPU, cores}, {"Memory", float64(p.Requests.Memory), float64(p.Limits.Memory), view.Bytes}} {
		if u := use(0, r.request, r.limit, r.text); r.request > 0 || r.limit > 0 {
			out = append(out, view.Fact{Name: r.name, Value: view.Text(u.Request + ", " + u.Limit)})
		}
	}
	return out
}
