package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

// table collects what was found.
type table struct {
	rows []row
}

type row struct{ verdict, what, found string }

func (t *table) add(verdict, what, found string) {
	t.rows = append(t.rows, row{verdict, what, strings.Join(strings.Fields(found), " ")})
	fmt.Fprintf(os.Stderr, "%s: %s: %s\n", verdict, what, t.rows[len(t.rows)-1].found)
}

func (t *table) pass(what, format string, args ...any) {
	t.add("pass", what, fmt.Sprintf(format, args...))
}

func (t *table) fail(what, format string, args ...any) {
	t.add("FAIL", what, fmt.Sprintf(format, args...))
}

func (t *table) skip(what, format string, args ...any) {
	t.add("skip", what, fmt.Sprintf(format, args...))
}

// check adds a row that passes if ok is true.
func (t *table) check(ok bool, what, format string, args ...any) {
	if ok {
		t.pass(what, format, args...)
	} else {
		t.fail(what, format, args...)
	}
}

// print writes the table and returns the exit code.
func (t *table) print(w io.Writer) int {
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	count := map[string]int{}
	for _, r := range t.rows {
		count[r.verdict]++
		fmt.Fprintf(tw, "%s\t%s\t%s\n", r.verdict, r.what, r.found)
	}
	tw.Flush() //nolint:errcheck // it is the terminal
	fmt.Fprintf(w, "\n%d passed, %d failed, %d skipped\n", count["pass"], count["FAIL"], count["skip"])
	if count["FAIL"] > 0 || count["pass"] == 0 {
		return 1
	}
	return 0
}
