package main

import (
	"fmt"
	"math"
	"net/url"
	"os"
	"strings"
	"time"
)

// searches looks for pages of 50 runs in the experiments that were filled.
// again starts the server anew after a search that it could not end.
func searches(c *client, d time.Duration, again func() (*client, error)) (out []result, err error) {
	for _, size := range []int{10_000, 100_000} {
		var e struct {
			Experiment struct {
				ID string `json:"experiment_id"`
			} `json:"experiment"`
		}
		if err := c.call("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name="+url.QueryEscape(fmt.Sprintf("n%d", size)), nil, &e); err != nil {
			return nil, err
		}
		for _, q := range []struct {
			name, filter, order string
			deep                bool
		}{
			{name: "the newest"},
			{name: "the newest, page 20", deep: true},
			{name: "attributes.status =", filter: "attributes.status = 'RUNNING'"},
			{name: "attributes.run_name LIKE", filter: "attributes.run_name LIKE 'run-99%'"},
			{name: "metric >", filter: "metrics.acc > 0.9"},
			{name: "metric range", filter: "metrics.acc > 0.5 AND metrics.acc < 0.51"},
			{name: "param =", filter: "params.lr = '0.05'"},
			{name: "param = and metric >", filter: "params.lr = '0.05' and metrics.acc > 0.5"},
			{name: "tag =", filter: "tags.team = 'team-7'"},
			{name: "order by param", order: "params.lr ASC"},
			{name: "order by metric", order: "metrics.acc DESC"},
			{name: "tag =, order by metric", filter: "tags.team = 'team-7'", order: "metrics.loss ASC"},
		} {
			body := map[string]any{"experiment_ids": []string{e.Experiment.ID}, "filter": q.filter, "max_results": 50}
			if q.order != "" {
				body["order_by"] = []string{q.order}
			}
			if q.deep {
				if body["page_token"], err = tokenAfter(c, body, 950); err != nil {
					return nil, err
				}
			}
			p50, p95 := math.Inf(1), math.Inf(1)
			l, _, err := repeat(d/2, 1, func(_, _ int) error { return c.call("POST", "/api/2.0/mlflow/runs/search", body, nil) })
			switch {
			case err == nil:
				p50, p95 = millis(l.at(.5)), millis(l.at(.95))
			case os.IsTimeout(err):
				if c, err = again(); err != nil {
					return nil, err
				}
			default:
				return nil, err
			}
			name := fmt.Sprintf("search_runs of %d, %s: %%s", size, strings.ReplaceAll(q.name, "%", "%%"))
			out = append(out, result{name: fmt.Sprintf(name, "p50"), value: p50, unit: "ms"}, result{name: fmt.Sprintf(name, "p95"), value: p95, unit: "ms"})
			if size == 100_000 {
				out[len(out)-1].limit = 5
			}
		}
	}
	return out, nil
}

// tokenAfter asks for so many runs and returns where the next page begins.
func tokenAfter(c *client, body map[string]any, n int) (string, error) {
	first := map[string]any{"experiment_ids": body["experiment_ids"], "filter": body["filter"], "max_results": n}
	var a struct {
		Next string `json:"next_page_token"`
	}
	err := c.call("POST", "/api/2.0/mlflow/runs/search", first, &a)
	return a.Next, err
}
