package ui

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// maxStreams bounds the event streams that are open at once.
const maxStreams = 128

// beatEvery is how often a stream looks whether its reader and its session
// are still there; it also keeps idle connections open. Tests shorten it.
var beatEvery = 15 * time.Second

// stream is an open server-sent event stream.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	done    <-chan struct{} // the reader went away or the server is stopping
}

// openStream answers with an event stream. The caller calls the returned
// function when it ends.
func (s *Server) openStream(c echo.Context) (*stream, func(), error) {
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		return nil, nil, mlops.Errorf(mlops.Unavailable, "Too many live pages are open: close some and reload.")
	}
	ctx, cancel := context.WithCancel(c.Request().Context())
	stopWatching := make(chan struct{})
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-stopWatching:
		}
	}()
	// What a page reads for an update ends with the stream.
	c.SetRequest(c.Request().WithContext(ctx))
	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	st := &stream{w: c.Response(), control: http.NewResponseController(c.Response()), done: ctx.Done()}
	end := func() {
		close(stopWatching)
		cancel()
		s.streams.Add(-1)
	}
	return st, end, nil
}

// streamLines answers with an event stream of the lines that send sends, until it
// returns, or nobody who may look looks any more. See page.Site.
func (s *Server) streamLines(c echo.Context, send func(ctx context.Context, lines chan<- []byte)) error {
	st, end, err := s.openStream(c)
	if err != nil {
		return err
	}
	lines := make(chan []byte, 64)
	ctx := c.Request().Context() // ends with the stream
	go func() {
		defer close(lines)
		send(ctx, lines)
	}()
	s.passLines(c, st, lines)
	end()
	// Until the sender has seen the end: it must not outlive the request.
	for range lines {
	}
	return nil
}

// passLines sends batches of lines until there are no more, or nobody who may
// look any more.
func (s *Server) passLines(c echo.Context, st *stream, lines <-chan []byte) {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-st.done:
			return
		case <-beat.C:
			if _, err := s.session(c); mlops.CodeOf(err) == mlops.Unauthorized {
				return
			}
			if err := st.beat(); err != nil {
				return
			}
		case batch, ok := <-lines:
			if !ok {
				_ = st.send("end", []byte("The log ends here.")) // if it fails the reader is gone
				return
			}
			if err := st.send("lines", batch); err != nil {
				return
			}
		}
	}
}

// send writes one event; data may have several lines.
func (st *stream) send(event string, data []byte) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", event)
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		b.WriteString("data: ")
		b.Write(bytes.ReplaceAll(line, []byte("\r"), nil))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return st.write(b.Bytes())
}

// beat writes a comment, which readers ignore.
func (st *stream) beat() error { return st.write([]byte(": beat\n\n")) }

func (st *stream) write(p []byte) error {
	// A reader that has stopped reading must not keep us for ever.
	if err := st.control.SetWriteDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if _, err := st.w.Write(p); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := st.control.Flush(); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}
