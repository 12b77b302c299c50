package supervise

import (
	"bytes"
	"sync"
	"time"
)

// Line is one line of a unit's output.
type Line struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}

// Lines is a ring buffer that keeps the last lines written to it. It is an
// io.Writer, so a logger or a pipe can feed it; a partial line is held back
// until its newline arrives.
type Lines struct {
	mu      sync.Mutex
	ring    []Line
	next    int
	full    bool
	partial []byte
	now     func() time.Time
}

// maxLine bounds one line, so that a unit that never writes a newline cannot
// grow the process.
const maxLine = 4 << 10

// NewLines returns a buffer for the last n lines.
func NewLines(n int) *Lines {
	return &Lines{ring: make([]Line, n), now: time.Now}
}

// Write implements io.Writer. It never fails.
func (l *Lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.partial = append(l.partial, p...)
			if len(l.partial) > maxLine {
				l.flush()
			}
			break
		}
		l.partial = append(l.partial, p[:i]...)
		l.flush()
		p = p[i+1:]
	}
	return n, nil
}

func (l *Lines) flush() {
	text := bytes.TrimRight(l.partial, "\r")
	if len(text) > maxLine {
		text = text[:maxLine]
	}
	l.ring[l.next] = Line{Time: l.now(), Text: string(text)}
	l.partial = l.partial[:0]
	l.next++
	if l.next == len(l.ring) {
		l.next, l.full = 0, true
	}
}

// Last returns up to n of the newest lines, oldest first.
func (l *Lines) Last(n int) []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := l.next
	if l.full {
		size = len(l.ring)
	}
	n = min(n, size)
	out := make([]Line, 0, n)
	for i := range n {
		out = append(out, l.ring[(l.next-n+i+len(l.ring))%len(l.ring)])
	}
	return out
}
