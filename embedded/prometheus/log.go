package prometheus

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// splitHandler keeps what Prometheus' parts say below a warning for the
// unit's page, and passes the rest on to the log.
type splitHandler struct {
	loud, quiet slog.Handler
}

func (h splitHandler) pick(l slog.Level) slog.Handler {
	if l < slog.LevelWarn {
		return h.quiet
	}
	return h.loud
}

func (h splitHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.pick(l).Enabled(ctx, l)
}

func (h splitHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Message = strings.TrimSpace(r.Message)
	if err := h.pick(r.Level).Handle(ctx, r); err != nil {
		return fmt.Errorf("write log line: %w", err)
	}
	return nil
}

func (h splitHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return splitHandler{loud: h.loud.WithAttrs(a), quiet: h.quiet.WithAttrs(a)}
}

func (h splitHandler) WithGroup(name string) slog.Handler {
	return splitHandler{loud: h.loud.WithGroup(name), quiet: h.quiet.WithGroup(name)}
}

func newSplitHandler(loud slog.Handler, quiet io.Writer) splitHandler {
	return splitHandler{loud: loud, quiet: slog.NewTextHandler(quiet, nil)}
}
