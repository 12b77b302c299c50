package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measure writes to one server and reads what it wrote.
func measure(c *client, d time.Duration, conns int) (out []result, err error) {
	add := func(name string, v float64, unit string, more bool) {
		out = append(out, result{name: name, value: v, unit: unit, more: more})
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
	add("create_run p99, 1 connection", millis(l.at(.99)), "ms", false)

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
		if n == 1 {
			out[len(out)-1].times = 20
		}
		add(fmt.Sprintf(name, "p99"), millis(l.at(.99)), "ms", false)
		add(fmt.Sprintf("log_metric rate, %d connection(s)", n), float64(len(l))/took.Seconds(), "/s", true)
	}
	for _, n := range []int{1, conns} {
		l, took, err := repeat(d, n, func(w, i int) error {
			return c.call("POST", "/api/2.0/mlflow/runs/log-batch", batch(runs[w], i), nil)
		})
		if err != nil {
			return nil, err
		}
		add(fmt.Sprintf("log_batch of 1,000, %d connection(s)", n), float64(1000*len(l))/took.Seconds(), "rows/s", true)
		out[len(out)-1].times = 20
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
	return out, artifacts(c, d, add)
}

// batch is the body of a log_batch of 10 metrics, 100 points each. It is put
// together by hand: the client shares the machine with the server it measures.
func batch(run string, i int) json.RawMessage {
	b := append(make([]byte, 0, 1<<17), `{"run_id":"`+run+`","metrics":[`...)
	for j := range 1000 {
		if j > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"key":"m%d","value":%d.5,"timestamp":%d,"step":%d}`, j%10, j, 1_700_000_000_000+i, i*100+j/10)
	}
	return append(b, "]}"...)
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
