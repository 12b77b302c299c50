package supervise

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func texts(lines []Line) string {
	var out []string
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return strings.Join(out, "|")
}

func TestLinesKeepsTheLast(t *testing.T) {
	l := NewLines(3)
	if got := l.Last(5); len(got) != 0 {
		t.Errorf("an empty buffer returned %v", got)
	}
	for i := range 2 {
		fmt.Fprintf(l, "line %d\n", i)
	}
	if got := texts(l.Last(5)); got != "line 0|line 1" {
		t.Errorf("before it is full: %s", got)
	}
	for i := 2; i < 7; i++ {
		fmt.Fprintf(l, "line %d\n", i)
	}
	for n, want := range map[int]string{0: "", 1: "line 6", 2: "line 5|line 6", 3: "line 4|line 5|line 6", 9: "line 4|line 5|line 6"} {
		if got := texts(l.Last(n)); got != want {
			t.Errorf("Last(%d) is %q, expected %q", n, got, want)
		}
	}
}

func TestLinesExactlyFull(t *testing.T) {
	l := NewLines(3)
	fmt.Fprint(l, "a\nb\nc\n")
	if got := texts(l.Last(3)); got != "a|b|c" {
		t.Errorf("a buffer that is just full returned %q", got)
	}
}

func TestLinesJoinsPartialWrites(t *testing.T) {
	l := NewLines(4)
	for _, p := range []string{"one", " two", "\nthr", "ee\r\n\nfo"} {
		if n, err := l.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatalf("Write(%q) returned %d, %v", p, n, err)
		}
	}
	if got := texts(l.Last(4)); got != "one two|three|" {
		t.Errorf("lines are %q: a partial line must wait for its end, a carriage return goes", got)
	}
	fmt.Fprint(l, "ur\n")
	if got := texts(l.Last(1)); got != "four" {
		t.Errorf("the completed line is %q", got)
	}
}

func TestLinesBoundsALine(t *testing.T) {
	l := NewLines(8)
	for range 100 {
		fmt.Fprint(l, strings.Repeat("x", 100)) // never a newline
	}
	if len(l.partial) > maxLine {
		t.Errorf("%d bytes are held back, expected at most %d", len(l.partial), maxLine)
	}
	fmt.Fprint(l, strings.Repeat("y", 3*maxLine)+"\nshort\n")
	for _, line := range l.Last(8) {
		if len(line.Text) > maxLine {
			t.Errorf("a line has %d bytes, expected at most %d", len(line.Text), maxLine)
		}
	}
	if got := texts(l.Last(1)); got != "short" {
		t.Errorf("the line after a long one is %q", got)
	}
}

func TestLinesCarryTheirTime(t *testing.T) {
	l := NewLines(2)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l.now = func() time.Time { return at }
	fmt.Fprintln(l, "x")
	if got := l.Last(1)[0].Time; !got.Equal(at) {
		t.Errorf("the line's time is %s, expected %s", got, at)
	}
}

func TestLinesFromManyWriters(t *testing.T) {
	l := NewLines(10000)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				fmt.Fprintf(l, "writer %d line %d\n", w, i)
				l.Last(3)
			}
		})
	}
	wg.Wait()
	lines := l.Last(10000)
	if len(lines) != 1600 {
		t.Fatalf("%d lines, expected 1600", len(lines))
	}
	for _, line := range lines {
		var w, i int
		if n, err := fmt.Sscanf(line.Text, "writer %d line %d", &w, &i); n != 2 || err != nil {
			t.Fatalf("lines of two writers were mixed: %q", line.Text)
		}
	}
}
