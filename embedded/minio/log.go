package minio

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logReader turns MinIO's JSON log into lines of the unit.
type logReader struct {
	log   *slog.Logger  // warnings and errors
	quiet io.Writer     // the rest: kept for the unit's page, not printed
	fatal chan struct{} // closed at the first fatal line
	done  chan struct{} // closed when MinIO has closed its end

	mu       sync.Mutex
	fatalMsg string
	errMsg   string
}

func newLogReader(log *slog.Logger, quiet io.Writer) *logReader {
	return &logReader{log: log, quiet: quiet, fatal: make(chan struct{}), done: make(chan struct{})}
}

// entry is the part of a log entry of MinIO that a person reads.
type entry struct {
	Level   string `json:"level"`
	Message string `json:"message"`
	API     *struct {
		Name string `json:"name"`
		Args *struct {
			Bucket string `json:"bucket"`
			Object string `json:"object"`
		} `json:"args"`
	} `json:"api"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// run reads r to its end.
func (l *logReader) run(r io.ReadCloser) {
	defer close(l.done)
	defer func() { _ = r.Close() }() // a pipe that has been read to its end
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := in.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" {
			l.line(line)
		}
		if err != nil {
			return
		}
	}
}

func (l *logReader) line(line string) {
	var e entry
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		l.keep(line)
		return
	}
	msg := e.Message
	if msg == "" && e.Error != nil {
		msg = e.Error.Message
	}
	msg = strings.Join(strings.Fields(msg), " ")
	attrs := e.attrs()
	switch e.Level {
	case "FATAL":
		l.mu.Lock()
		first := l.fatalMsg == ""
		l.fatalMsg = msg
		l.mu.Unlock()
		if first {
			close(l.fatal)
		}
		l.log.Error(msg, attrs...)
	case "ERROR":
		l.mu.Lock()
		l.errMsg = msg
		l.mu.Unlock()
		l.log.Error(msg, attrs...)
	case "WARNING":
		if !strings.HasPrefix(msg, "Strict AWS S3 compatible") { // our choice of flags, at every start
			l.log.Warn(msg, attrs...)
		}
	default:
		if msg != "" {
			l.keep(msg)
		}
	}
}

func (e entry) attrs() []any {
	if e.API == nil {
		return nil
	}
	attrs := []any{"api", e.API.Name}
	if a := e.API.Args; a != nil && a.Bucket != "" {
		attrs = append(attrs, "bucket", a.Bucket)
		if a.Object != "" {
			attrs = append(attrs, "object", a.Object)
		}
	}
	return attrs
}

func (l *logReader) keep(line string) {
	_, _ = fmt.Fprintln(l.quiet, line) // the unit's ring of lines never fails
}

// lastFatal waits up to d for the line in which MinIO says why it exits.
func (l *logReader) lastFatal(d time.Duration) string {
	select {
	case <-l.fatal:
	case <-l.done:
	case <-time.After(d):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatalMsg
}

func (l *logReader) lastError() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errMsg
}
