package page

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Site is what every page gets: the ports as far as who asks may use them, the
// clock, the log, and how to answer. What only some pages need they take beside
// it.
type Site struct {
	Registry ports.Registry
	Loop     ports.Loop
	Steps    ports.Steps
	Pushes   ports.Pushes
	Cluster  ports.Cluster
	GPUs     ports.GPUs
	Labs     ports.Labs
	Keys     ports.Keys
	Metrics  ports.Metrics
	Units    ports.Units

	Now func() time.Time
	Log func() *slog.Logger

	// Render answers with a page in its frame.
	Render func(c echo.Context, p *Page) error
	// StreamLines answers with an event stream of lines, for as long as who
	// asks may look. send is called when the stream is open, with a context
	// that ends with it; it sends batches of lines until there are no more, and
	// then returns.
	StreamLines func(c echo.Context, send func(ctx context.Context, lines chan<- []byte)) error
	// Terminal answers with a WebSocket that is the learner's side of a terminal,
	// until attach returns or who asks may not any more.
	Terminal func(c echo.Context, attach func(ctx context.Context, t mlops.LabTerminal) error) error
}

// Problem turns the error of a port into what a part of a page shows in its
// place. It returns nil for nil.
func (s *Site) Problem(what string, err error) *view.Problem {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &view.Problem{What: what, Message: "This takes longer than expected; the page goes on trying."}
	}
	switch mlops.CodeOf(err) {
	case mlops.Unavailable:
		return &view.Problem{What: what, Starting: true, Message: mlops.MessageOf(err)}
	case mlops.Internal:
		s.Log().Error("cannot read "+what, "err", err)
	}
	return &view.Problem{What: what, Message: mlops.MessageOf(err)}
}
