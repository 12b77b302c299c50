package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"time"
)

// result is one number of one server. Less is better unless more is set.
type result struct {
	name  string
	value float64
	unit  string
	more  bool
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measure runs everything against one server whose experiment "n10000" and
// "n100000" are filled.
func measure(c *client, d time.Duration, conns int) (out []result, err error) {
	add := func(name string, v float64, unit string, more bool) {
		out = append(out, result{name, v, unit, more})
	}
	exp, err := c.experiment(fmt.Sprintf("bench-%d", time.Now().UnixNano()))
	if err != nil {
		return nil, err
	}
	l, _, err := repeat(d, 1, func(_, _ int) error { _, err := c.run(exp); return err })
	if err != nil {
		return nil, err
	}
	add("create_run p50, 1 connection", millis(l.at(.5)), "ms", false)

	runs := make([]string, conns)
	for i := range runs {
		if runs[i], err = c.run(exp); err != nil {
			return nil, err
		}
	}
	logMetric := func(w, i int) error {
		return c.call("POST", "/api/2.0/mlflow/runs/log-metric", map[string]any{"run_id": runs[w], "key": "loss", "value": 1 / float64(i+1), "timestamp": time.Now().UnixMilli(), "step": i}, nil)
	}
	for _, n := range []int{1, conns} {
		l, took, err := repeat(d, n, logMetric)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("log_metric %%s, %d connection(s)", n)
		add(fmt.Sprintf(name, "p50"), millis(l.at(.5)), "ms", false)
		add(fmt.Sprintf(name, "p99"), millis(l.at(.99)), "ms", false)
		add(fmt.Sprintf("log_metric rate, %d connection(s)", n), float64(len(l))/took.Seconds(), "/s", true)
	}
	for _, n := range []int{1, conns} {
		l, took, err := repeat(d, n, func(w, i int) error {
			ms := make([]map[string]any, 1000)
			for j := range ms {
				ms[j] = map[string]any{"key": fmt.Sprintf("m%d", j%10), "value": float64(j), "timestamp": 1_700_000_000_000 + i, "step": i*100 + j/10}
			}
			return c.call("POST", "/api/2.0/mlflow/runs/log-batch", map[string]any{"run_id": runs[w], "metrics": ms}, nil)
		})
		if err != nil {
			return nil, err
		}
		add(fmt.Sprintf("log_batch, %d connection(s)", n), float64(1000*len(l))/took.Seconds(), "rows/s", true)
	}
	// A metric of 100,000 points.
	long, err := c.run(exp)
	if err != nil {
		return nil, err
	}
	for i := range 100 {
		ms := make([]map[string]any, 1000)
		for j := range ms {
			ms[j] = map[string]any{"key": "long", "value": float64(j), "timestamp": 1_700_000_000_000, "step": i*1000 + j}
		}
		if err := c.call("POST", "/api/2.0/mlflow/runs/log-batch", map[string]any{"run_id": long, "metrics": ms}, nil); err != nil {
			return nil, err
		}
	}
	l, _, err = repeat(d, 1, func(_, _ int) error {
		return c.call("GET", "/api/2.0/mlflow/metrics/get-history?metric_key=long&run_id="+long, nil, nil)
	})
	if err != nil {
		return nil, err
	}
	add("history of 100,000 points p50", millis(l.at(.5)), "ms", false)
	l, _, err = repeat(d, 1, func(_, _ int) error {
		return c.call("GET", "/api/2.0/mlflow/metrics/get-history-bulk-interval?max_results=320&metric_key=long&run_ids="+long, nil, nil)
	})
	if err != nil {
		return nil, err
	}
	add("the same thinned to 320 points p50", millis(l.at(.5)), "ms", false)
	if err := artifacts(c, d, add); err != nil {
		return nil, err
	}
	return out, searches(c, d, add)
}

// searches come last: a server that lost its way in one goes on working on it.
func searches(c *client, d time.Duration, add func(string, float64, string, bool)) error {
	lost := false
	for _, size := range []int{10_000, 100_000} {
		var e struct {
			Experiment struct {
				ID string `json:"experiment_id"`
			} `json:"experiment"`
		}
		if err := c.call("GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name="+url.QueryEscape(fmt.Sprintf("n%d", size)), nil, &e); err != nil {
			return err
		}
		for _, q := range []struct {
			name, filter string
			order        []string
		}{
			{"newest", "", nil},
			{"metric > x", "metrics.acc > 0.9", nil},
			{"param = x and metric", "params.lr = '0.05' and metrics.acc > 0.5", nil},
			{"order by metric", "", []string{"metrics.acc DESC"}},
			{"tag = x, order by metric", "tags.team = 'team-7'", []string{"metrics.loss ASC"}},
		} {
			name := fmt.Sprintf("search_runs of %d p95, %s", size, q.name)
			if lost {
				add(name, math.NaN(), "ms", false)
				continue
			}
			l, _, err := repeat(d/2, 1, func(_, _ int) error {
				return c.call("POST", "/api/2.0/mlflow/runs/search", map[string]any{"experiment_ids": []string{e.Experiment.ID}, "filter": q.filter, "order_by": q.order, "max_results": 50}, nil)
			})
			if os.IsTimeout(err) {
				lost = true
				add(name, math.Inf(1), "ms", false)
				continue
			}
			if err != nil {
				return err
			}
			add(name, millis(l.at(.95)), "ms", false)
		}
	}
	return nil
}

const artifactBytes = 256 << 20

func artifacts(c *client, d time.Duration, add func(string, float64, string, bool)) error {
	data := make([]byte, artifactBytes)
	if _, err := rand.Read(data); err != nil {
		return err
	}
	path := "/api/2.0/mlflow-artifacts/artifacts/bench/blob"
	l, _, err := repeat(d/2, 1, func(_, _ int) error {
		req, err := http.NewRequest("PUT", c.base+path, bytes.NewReader(data))
		if err != nil {
			return err
		}
		return discard(c.http.Do(req))
	})
	if err != nil {
		return err
	}
	add("artifact upload", artifactBytes/1e6/l.at(.5).Seconds(), "MB/s", true)
	l, _, err = repeat(d/2, 1, func(_, _ int) error { return discard(c.http.Get(c.base + path)) })
	if err != nil {
		return err
	}
	add("artifact download", artifactBytes/1e6/l.at(.5).Seconds(), "MB/s", true)
	return nil
}

func discard(resp *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Request.URL.Path, resp.Status)
	}
	return nil
}
