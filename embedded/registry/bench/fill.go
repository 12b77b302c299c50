package main

import (
	"fmt"
	"sync"
)

// runSpec is a run of the data that both servers are filled with.
type runSpec struct {
	start   int64
	acc     float64
	loss    float64
	lr      string
	team    string
	variant string
}

func specOf(i int) runSpec {
	h := uint32(i) * 2654435761 // spread without a random generator: both servers get the same
	return runSpec{start: 1_700_000_000_000 + int64(i)*1000, acc: float64(h%100_000) / 100_000, loss: float64(h>>7%100_000) / 1000,
		lr: []string{"0.1", "0.05", "0.01", "0.001"}[h>>3%4], team: fmt.Sprintf("team-%d", h>>5%200), variant: fmt.Sprintf("v%d", i%1000)}
}

// fill creates size runs through the API, with several connections.
func fill(c *client, size, conns int) error {
	exp, err := c.experiment(fmt.Sprintf("n%d", size))
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make(chan error, conns)
	for w := range conns {
		wg.Go(func() {
			for i := w; i < size; i += conns {
				s := specOf(i)
				var a struct {
					Run struct {
						Info struct {
							ID string `json:"run_id"`
						} `json:"info"`
					} `json:"run"`
				}
				err := c.call("POST", "/api/2.0/mlflow/runs/create", map[string]any{"experiment_id": exp, "start_time": s.start, "run_name": fmt.Sprintf("run-%d", i), "tags": []map[string]string{{"key": "team", "value": s.team}}}, &a)
				if err == nil {
					err = c.call("POST", "/api/2.0/mlflow/runs/log-batch", map[string]any{"run_id": a.Run.Info.ID,
						"metrics": []map[string]any{{"key": "acc", "value": s.acc, "timestamp": s.start, "step": 0}, {"key": "loss", "value": s.loss, "timestamp": s.start, "step": 0}},
						"params":  []map[string]string{{"key": "lr", "value": s.lr}, {"key": "variant", "value": s.variant}}}, nil)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}
