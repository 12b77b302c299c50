package main

import (
	"fmt"
	"io"
)

// result is one number of one server. Less is better unless more is set.
type result struct {
	name  string
	value float64
	unit  string
	more  bool
	// The promise: at most limit, or at least that many times better than
	// MLflow; zero if there is none.
	limit, times float64
}

// report prints the figures of both servers, and which promises hold.
func report(w io.Writer, ours, theirs []result) {
	fmt.Fprintln(w, "Both answer a write when it is on disk. benchtop: SQLite, journal_mode=wal, synchronous=FULL: one fdatasync a commit, which concurrent requests share.")
	fmt.Fprintln(w, "mlflow: SQLite as MLflow opens it, without a pragma for either: journal_mode=delete, synchronous=FULL: several fsyncs a commit. One worker process.")
	fmt.Fprintf(w, "Ratios say how many times better benchtop is. +Inf: one call took more than %s.\n\n", patience)
	fmt.Fprintf(w, "%-62s %14s %14s %10s\n", "", "benchtop", "mlflow", "ratio")
	byName := map[string]result{}
	for _, r := range theirs {
		byName[r.name] = r
	}
	met, missed := 0, 0
	for _, r := range ours {
		fmt.Fprintf(w, "%-62s %9.2f %-6s", r.name, r.value, r.unit)
		ratio := 0.0
		if t, ok := byName[r.name]; ok {
			if ratio = t.value / r.value; r.more {
				ratio = r.value / t.value
			}
			fmt.Fprintf(w, " %9.2f %-6s %8.1f×", t.value, r.unit, ratio)
		}
		switch {
		case r.limit > 0:
			fmt.Fprintf(w, "  target ≤ %g %s: %s", r.limit, r.unit, verdict(r.value <= r.limit, &met, &missed))
		case r.times > 0 && ratio > 0:
			fmt.Fprintf(w, "  target ≥ %g×: %s", r.times, verdict(ratio >= r.times, &met, &missed))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "\n%d targets met, %d not met\n", met, missed)
}

func verdict(ok bool, met, missed *int) string {
	if ok {
		*met++
		return "met"
	}
	*missed++
	return "not met"
}
