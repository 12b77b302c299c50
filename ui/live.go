package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

const (
	// liveEvery is how often a live page looks for what nobody announces:
	// pods, traffic, the lines of units.
	liveEvery = 3 * time.Second
	// livePause keeps a burst of announcements from rendering the page for
	// each of them.
	livePause = 600 * time.Millisecond
	// maxStreams bounds the event streams that are open at once.
	maxStreams = 128
)

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

// live serves the event stream of a page: the parts that have changed since
// they were last sent, whenever something happens.
func (s *Server) live(f pageFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		// Only a page that can be shown can be live; errors are plain answers.
		p, err := f(c)
		if err != nil {
			return err
		}
		st, end, err := s.openStream(c)
		if err != nil {
			return err
		}
		defer end()
		sent := map[string][]byte{}
		// The page reloads when the build it came from is not ours any more.
		if err := st.send("build", []byte(s.cfg.Assets.Script+" "+s.cfg.Assets.Style)); err != nil {
			return nil
		}
		beat := time.NewTicker(beatEvery)
		defer beat.Stop()
		for {
			unitsChanged, registryChanged := s.cfg.Units.Changed(), s.cfg.Registry.Changed()
			if p, err = f(c); err != nil {
				s.logger().Debug("live page ended", "path", c.Request().URL.Path, "err", err)
				return nil
			}
			if err := sendChanged(st, "view", []byte(p.view), sent); err != nil {
				return nil // the reader is gone
			}
			if err := s.sendParts(c.Request().Context(), st, p, sent); err != nil {
				return nil
			}
			if !s.waitForChange(c, st, beat, unitsChanged, registryChanged) {
				return nil
			}
		}
	}
}

// waitForChange reports whether the stream goes on.
func (s *Server) waitForChange(c echo.Context, st *stream, beat *time.Ticker, changes ...<-chan struct{}) bool {
	pause := time.NewTimer(livePause)
	defer pause.Stop()
	select {
	case <-st.done:
		return false
	case <-pause.C:
	}
	tick := time.NewTimer(liveEvery)
	defer tick.Stop()
	for {
		select {
		case <-st.done:
			return false
		case <-changes[0]:
			return true
		case <-changes[1]:
			return true
		case <-tick.C:
			return true
		case <-beat.C:
			if _, err := s.session(c); mlops.CodeOf(err) == mlops.Unauthorized {
				return false
			}
			if err := st.beat(); err != nil {
				return false
			}
		}
	}
}

func (s *Server) sendParts(ctx context.Context, st *stream, p *page, sent map[string][]byte) error {
	for _, part := range p.parts {
		var out bytes.Buffer
		if err := part.body.Render(ctx, &out); err != nil {
			s.logger().Error("cannot render a part", "part", part.name, "err", err)
			return err
		}
		if err := sendChanged(st, part.name, out.Bytes(), sent); err != nil {
			return err
		}
	}
	if len(p.charts) == 0 {
		return nil
	}
	data, err := json.Marshal(p.charts)
	if err != nil {
		s.logger().Error("cannot render charts", "err", err)
		return err
	}
	return sendChanged(st, "charts", data, sent)
}

func sendChanged(st *stream, name string, data []byte, sent map[string][]byte) error {
	if old, ok := sent[name]; ok && bytes.Equal(old, data) {
		return nil
	}
	sent[name] = data
	return st.send(name, data)
}

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
