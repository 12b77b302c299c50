package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
)

const (
	// liveEvery is how often a live page looks for what nobody announces:
	// pods, traffic, the lines of units.
	liveEvery = 3 * time.Second
	// livePause keeps a burst of announcements from rendering the page for
	// each of them.
	livePause = 600 * time.Millisecond
)

// live serves the event stream of a page: the parts that have changed since
// they were last sent, whenever something happens.
func (s *Server) live(f page.Func) echo.HandlerFunc {
	return func(c echo.Context) error {
		// Only a page that can be shown can be live; errors are plain answers.
		if _, err := f(c); err != nil {
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
			if _, err := s.session(c); mlops.CodeOf(err) == mlops.Unauthorized {
				return nil // signed out, or its key was revoked
			}
			unitsChanged, registryChanged := s.site.Units.Changed(), s.site.Registry.Changed()
			p, err := f(c)
			if err != nil {
				s.logger().Debug("live page ended", "path", c.Request().URL.Path, "err", err)
				return nil
			}
			if err := sendChanged(st, "view", []byte(p.View), sent); err != nil {
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

func (s *Server) sendParts(ctx context.Context, st *stream, p *page.Page, sent map[string][]byte) error {
	for _, part := range p.Parts {
		var out bytes.Buffer
		if err := part.Body.Render(ctx, &out); err != nil {
			s.logger().Error("cannot render a part", "part", part.Name, "err", err)
			return err
		}
		if err := sendChanged(st, part.Name, out.Bytes(), sent); err != nil {
			return err
		}
	}
	if len(p.Charts) == 0 {
		return nil
	}
	data, err := json.Marshal(p.Charts)
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
