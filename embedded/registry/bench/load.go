package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sort"
	"sync"
	"time"
)

// client is a raw HTTP client of one server: what it measures is the server.
type client struct {
	base string
	http *http.Client
}

func newClient(base string, conns int) *client {
	return &client{base, &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns}}}
}

// call sends a JSON request and decodes the answer into out, if not nil.
func (c *client) call(method, path string, in, out any) error {
	var body io.Reader
	if raw, ok := in.(json.RawMessage); ok {
		body = bytes.NewReader(raw) // to marshal it would check it once more
	} else if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, c.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

func (c *client) experiment(name string) (string, error) {
	var a struct {
		ID string `json:"experiment_id"`
	}
	err := c.call("POST", "/api/2.0/mlflow/experiments/create", map[string]any{"name": name}, &a)
	return a.ID, err
}

func (c *client) run(exp string) (string, error) {
	var a struct {
		Run struct {
			Info struct {
				ID string `json:"run_id"`
			} `json:"info"`
		} `json:"run"`
	}
	err := c.call("POST", "/api/2.0/mlflow/runs/create", map[string]any{"experiment_id": exp, "start_time": time.Now().UnixMilli()}, &a)
	return a.Run.Info.ID, err
}

// latencies are the durations of many calls.
type latencies []time.Duration

func (l latencies) at(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	sort.Slice(l, func(i, j int) bool { return l[i] < l[j] })
	return l[min(len(l)-1, int(q*float64(len(l))))]
}

// patience is how long one call may take; a server that needs longer is not
// asked again.
const patience = 30 * time.Second

// repeat calls fn for about d from n goroutines, at least three times each
// unless that takes too long. It returns how long each call took and how long
// all took.
func repeat(d time.Duration, n int, fn func(worker, i int) error) (latencies, time.Duration, error) {
	var mu sync.Mutex
	var all latencies
	var first error
	var wg sync.WaitGroup
	start := time.Now()
	for w := range n {
		wg.Go(func() {
			var mine latencies
			for i := 0; i == 0 || i < 3 && time.Since(start) < patience/2 || time.Since(start) < d; i++ {
				t := time.Now()
				if err := fn(w, i); err != nil {
					mu.Lock()
					first = err
					mu.Unlock()
					return
				}
				mine = append(mine, time.Since(t))
			}
			mu.Lock()
			all = append(all, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	return all, time.Since(start), first
}
