package drive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Setosa is a flower of Fisher's whose species is not in doubt.
const Setosa = "5.1,3.5,1.4,0.2"

// Prediction is a deployment's answer.
type Prediction struct {
	Model       string `json:"model"`
	Version     string `json:"version"`
	Predictions []struct {
		Class         string             `json:"class"`
		Probabilities map[string]float64 `json:"probabilities"`
	} `json:"predictions"`
}

// Predict asks url, whose x is Setosa, and checks that the answer is right.
func Predict(ctx context.Context, c *http.Client, url, host string) (Prediction, error) {
	var p Prediction
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return p, fmt.Errorf("predict: %w", err)
	}
	req.Host = host
	r, err := c.Do(req)
	if err != nil {
		return p, fmt.Errorf("predict: %w", err)
	}
	b, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return p, fmt.Errorf("predict: read the answer: %w", err)
	}
	if r.StatusCode != http.StatusOK {
		return p, fmt.Errorf("predict: %s: %.200s", r.Status, b)
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("predict: %w in %.200s", err, b)
	}
	if len(p.Predictions) != 1 || p.Predictions[0].Class != "setosa" {
		return p, fmt.Errorf("predict: want one setosa, got %.200s", b)
	}
	return p, nil
}

// Ask sends JSON, or nothing, and reads the JSON of the answer into a value.
func Ask(ctx context.Context, c *http.Client, method, url, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	r, err := c.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %.300s", method, url, r.Status, b)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s %s: %w: %.300s", method, url, err, b)
	}
	return nil
}

// Traffic asks for predictions all the time from the LAN. Half of its clients
// keep their connection as long as the server does, the others make a new one
// for each request: those get no second try from Go's client when theirs is
// cut, and would notice a listener that is gone for a moment.
type Traffic struct {
	mu       sync.Mutex
	answered int
	failures []string
	versions []string // in order of first appearance
	last     map[string]time.Time
	latest   time.Time
	gap      time.Duration // longest time without a right answer
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// Report is what became of the traffic.
type Report struct {
	Answered int
	Failures []string
	Versions []string
	Last     map[string]time.Time // when each version answered last
	Gap      time.Duration
}

// StartTraffic asks url from workers clients, each every interval.
func (a *Appliance) StartTraffic(url string, workers int, every time.Duration) *Traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &Traffic{stop: cancel, latest: time.Now(), last: map[string]time.Time{}}
	for worker := range workers {
		t.done.Go(func() {
			client := a.Host.HTTPFromLAN()
			client.Timeout = 10 * time.Second
			client.Transport.(*http.Transport).DisableKeepAlives = worker%2 == 0
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				started := time.Now()
				// A request in flight when the traffic stops is waited for:
				// cutting it off would look like a failure.
				p, err := Predict(context.Background(), client, url, "")
				t.record(started, p, err)
				select {
				case <-ctx.Done():
				case <-time.After(every):
				}
			}
		})
	}
	return t
}

func (t *Traffic) record(started time.Time, p Prediction, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.failures = append(t.failures, fmt.Sprintf("%s after %s: %v", started.Format("15:04:05.000"), time.Since(started).Round(time.Millisecond), err))
		return
	}
	t.answered++
	if !slices.Contains(t.versions, p.Version) {
		t.versions = append(t.versions, p.Version)
	}
	now := time.Now()
	t.last[p.Version] = now
	t.gap = max(t.gap, now.Sub(t.latest))
	t.latest = now
}

// Report tells what happened so far.
func (t *Traffic) Report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Report{Answered: t.answered, Failures: slices.Clone(t.failures), Versions: slices.Clone(t.versions), Last: maps.Clone(t.last), Gap: t.gap}
}

// Stop ends the traffic and tells what happened.
func (t *Traffic) Stop() Report {
	t.stop()
	t.done.Wait()
	return t.Report()
}
