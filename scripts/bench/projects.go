package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"time"

	"github.com/benchtop-lab/benchtop/scripts/testhost/drive"
)

// overviews is how often the overview is asked for.
const overviews = 200

// manyProjects adds projects, lets each train once, takes their servers away
// and times the overview. It also measures what all of them cost at idle.
func (r *Report) manyProjects(ctx context.Context, a *drive.Appliance, said drive.Announcement, n int, settle, idle time.Duration) error {
	for i := range n {
		if _, err := a.Run(ctx, "project", "add", fmt.Sprintf("p%02d", i), "--dataset", "iris"); err != nil {
			return err
		}
	}
	err := drive.Eventually(ctx, time.Duration(n)*time.Minute, func() error {
		out, err := a.Run(ctx, "project", "list", "--json")
		if err != nil {
			return err
		}
		var all []struct {
			Name         string
			LastTraining struct{ State string } `json:"last_training"`
		}
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			return fmt.Errorf("read the list of projects: %w", err)
		}
		for _, p := range all {
			if p.LastTraining.State != "succeeded" {
				return fmt.Errorf("the training of %s is %q", p.Name, p.LastTraining.State)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range n {
		name := fmt.Sprintf("p%02d", i)
		if _, err := a.Run(ctx, "deploy", name, "--name", name, "--replicas", "0"); err != nil {
			return err
		}
	}
	if err := sleep(ctx, settle); err != nil {
		return err
	}
	took, err := r.overview(ctx, a, said.UI)
	if err != nil {
		return err
	}
	r.add(Figure{Name: fmt.Sprintf("overview of %d projects, p95", n), Value: took[len(took)*95/100], Unit: "ms", Target: 100, Note: fmt.Sprintf("p50 %.1f ms", took[len(took)/2])})
	before := len(r.Figures)
	if err := r.atIdle(ctx, a.Host.PID(), idle); err != nil {
		return err
	}
	for i := before; i < len(r.Figures); i++ {
		r.Figures[i].Name += fmt.Sprintf(", %d projects", n)
	}
	return nil
}

// overview signs in with the link that `up` has printed, and returns what
// asking for the overview took each time, in milliseconds, the least first.
func (r *Report) overview(ctx context.Context, a *drive.Appliance, link string) ([]float64, error) {
	client := a.Host.HTTPFromLAN()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client.Jar = jar
	get := func(url string, want int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != want {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	}
	if err := get(link, http.StatusSeeOther); err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	page := "http://" + a.Host.Address().String() + ":8080/"
	took := make([]float64, 0, overviews)
	for range overviews {
		start := time.Now()
		if err := get(page, http.StatusOK); err != nil {
			return nil, fmt.Errorf("ask for the overview: %w", err)
		}
		took = append(took, float64(time.Since(start).Microseconds())/1000)
	}
	slices.Sort(took)
	return took, nil
}
