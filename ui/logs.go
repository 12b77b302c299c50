package ui

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// podLogs streams the log of a pod, line by line, until the pod ends.
func (s *Server) podLogs(c echo.Context) error {
	ctx, cancel := context.WithCancel(c.Request().Context())
	defer cancel()
	log, err := s.cfg.Cluster.Logs(ctx, c.Param("namespace"), c.Param("name"), true, 400)
	if err != nil {
		return err
	}
	st, end, err := s.openStream(c)
	if err != nil {
		_ = log.Close() // the error that matters is err
		return err
	}
	defer end()
	lines := make(chan []byte, 64)
	go readLines(log, lines, st.done)
	// The reader blocks in Read until its log is closed.
	defer func() { _ = log.Close() }()
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-st.done:
			return nil
		case <-beat.C:
			if _, err := s.session(c); mlops.CodeOf(err) == mlops.Unauthorized {
				return nil
			}
			if err := st.beat(); err != nil {
				return nil
			}
		case batch, ok := <-lines:
			if !ok {
				_ = st.send("end", []byte("The log ends here.")) // if it fails the reader is gone
				return nil
			}
			if err := st.send("lines", batch); err != nil {
				return nil
			}
		}
	}
}

// readLines sends whole lines in batches of what arrived together.
func readLines(r io.Reader, out chan<- []byte, done <-chan struct{}) {
	defer close(out)
	var partial []byte
	buffer := make([]byte, 32<<10)
	emit := func(batch []byte) bool {
		select {
		case out <- batch:
			return true
		case <-done:
			return false
		}
	}
	for {
		n, err := r.Read(buffer)
		partial = append(partial, buffer[:n]...)
		if i := bytes.LastIndexByte(partial, '\n'); i >= 0 {
			if !emit(bytes.Clone(partial[:i])) {
				return
			}
			partial = append(partial[:0], partial[i+1:]...)
		} else if len(partial) > 64<<10 {
			// A program that never ends its line must not grow us.
			if !emit(bytes.Clone(partial)) {
				return
			}
			partial = partial[:0]
		}
		if err != nil {
			if len(partial) > 0 {
				emit(partial)
			}
			return
		}
	}
}
