// Command bench measures the built binary in a clean private host and prints
// what it found beside the targets. It needs root.
//
//	go run ./scripts/bench [-binary dist/benchtop] [-json FILE] [-projects 50] [-gpus]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"
)

// Figure is one measured number.
type Figure struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target float64 `json:"target,omitempty"` // upper limit, 0 if none
	Strict bool    `json:"strict,omitempty"` // the target is exact: 0 means none at all
	Note   string  `json:"note,omitempty"`
}

// Missed reports whether the figure is above its target.
func (f Figure) Missed() bool { return (f.Target > 0 || f.Strict) && f.Value > f.Target }

// Report is everything that was measured.
type Report struct {
	Time      time.Time `json:"time"`
	Binary    string    `json:"binary"`
	Machine   string    `json:"machine"`
	Figures   []Figure  `json:"figures"`
	Processes []Process `json:"processes"` // at idle
}

func main() {
	binary := flag.String("binary", "dist/benchtop", "the binary to measure")
	jsonFile := flag.String("json", "", "also write the report as JSON to this `file`")
	settle := flag.Duration("settle", 60*time.Second, "how long to leave it alone before idle is measured")
	idle := flag.Duration("idle", 60*time.Second, "how long to measure idle CPU")
	requests := flag.Int("requests", 2000, "predictions to time on each way")
	projects := flag.Int("projects", 0, "measure a lab of so many projects instead of rollback and restart")
	gpus := flag.Bool("gpus", false, "measure simulated GPUs alone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var r *Report
	var err error
	if *gpus {
		r, err = measureGPUs(ctx, *binary)
	} else {
		r, err = measure(ctx, options{binary: *binary, settle: *settle, idle: *idle, requests: *requests, projects: *projects})
	}
	if err == nil {
		err = errors.Join(r.print(os.Stdout), r.save(*jsonFile))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (r *Report) add(f Figure) { r.Figures = append(r.Figures, f) }

func (r *Report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "%s on %s\n\nwhat\tmeasured\ttarget\t\t\n", r.Binary, r.Machine)
	for _, f := range r.Figures {
		target, verdict := "", ""
		if f.Target > 0 || f.Strict {
			target, verdict = fmt.Sprintf("≤ %s", number(f.Target, f.Unit)), "ok"
		}
		if f.Missed() {
			verdict = "MISSED"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", f.Name, number(f.Value, f.Unit), target, verdict, f.Note)
	}
	if len(r.Processes) > 0 {
		fmt.Fprintf(t, "\nprocesses at idle\tcount\tPSS\tRSS\tCPU\n")
	}
	for _, p := range r.Processes {
		fmt.Fprintf(t, "%s\t%d\t%.0f MB\t%.0f MB\t%.1f %%\n", p.Name, p.Count, p.PSS, p.RSS, p.CPU)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

func number(v float64, unit string) string {
	if v == float64(int64(v)) {
		return fmt.Sprintf("%.0f %s", v, unit)
	}
	if v < 10 {
		return fmt.Sprintf("%.2f %s", v, unit)
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

func (r *Report) save(file string) error {
	if file == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("save the report: %w", err)
	}
	return nil
}
