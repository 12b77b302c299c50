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
	// A page that is told of its own changes shows them sooner, and looks more
	// often for what nobody announces.
	ownPause = 100 * time.Millisecond
	ownEvery = time.Second
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
		if err := st.send("build", []byte(s.cfg.Assets.Build())); err != nil {
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
			if !s.waitForChange(c, st, beat, p.Changed, unitsChanged, registryChanged) {
				return nil
			}
		}
	}
}

// waitForChange reports whether the stream goes on. own is the page's announcement,
// nil if it has none; after it the page need not be spared for long.
func (s *Server) waitForChange(c echo.Context, st *stream, beat *time.Ticker, own, units, registry <-chan struct{}) bool {
	first, every := livePause, liveEvery
	if own != nil {
		first, every = ownPause, ownEvery
	}
	pause, rest := time.NewTimer(first), time.NewTimer(livePause)
	defer pause.Stop()
	defer rest.Stop()
	select {
	case <-st.done:
		return false
	case <-pause.C:
	}
	tick := time.NewTimer(every)
	defer tick.Stop()
	var unitsNow, registryNow <-chan struct{} // nobody is heard before the rest is over
	for {
		select {
		case <-st.done:
			return false
		case <-rest.C:
			unitsNow, registryNow = units, registry
		case <-own:
			return true
		case <-unitsNow:
			return true
		case <-registryNow:
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
