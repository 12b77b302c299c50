package logs

import (
	"bytes"
	"context"
	"io"

	"github.com/labstack/echo/v4"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/page"
)

// logTail is how many lines of each pod a log begins with.
const logTail = 400

// podLogs streams the log of a pod, line by line, until the pod ends.
func (s *section) podLogs(c echo.Context) error {
	ctx, cancel := context.WithCancel(c.Request().Context())
	defer cancel()
	log, err := s.Cluster.Logs(ctx, c.Param("namespace"), c.Param("name"), true, logTail)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	return s.StreamLines(c, func(ctx context.Context, lines chan<- []byte) {
		// The reader blocks in Read until its log is closed.
		defer context.AfterFunc(ctx, func() { _ = log.Close() })()
		readLines(log, lines, ctx.Done())
	})
}

// deploymentLogs streams the logs of a deployment's pods as one, each line with
// its pod, for as long as somebody looks.
func (s *section) deploymentLogs(c echo.Context) error {
	found, cancelFind := page.Gather(c)
	defer cancelFind()
	d, err := s.desk.Find(found, c.Param("name"))
	if err != nil {
		return err
	}
	return s.StreamLines(c, func(ctx context.Context, lines chan<- []byte) {
		err := s.Cluster.DeploymentLogs(ctx, d, c.QueryParam("pod"), true, logTail, func(batch []mlops.LogLine) error {
			select {
			case lines <- mergedLines(batch):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil && ctx.Err() == nil {
			s.Log().Warn("a merged log ended", "deployment", d.Name, "err", err)
		}
	})
}

// mergedLines writes the short name of its pod before each line. "(ended)" marks
// what a container has said that is no more.
func mergedLines(batch []mlops.LogLine) []byte {
	var out bytes.Buffer
	for i, l := range batch {
		if i > 0 {
			out.WriteByte('\n')
		}
		out.WriteString(mlops.ShortPod(l.Pod))
		if l.Ended {
			out.WriteString(" (ended)")
		}
		out.WriteString("  " + l.Text)
	}
	return out.Bytes()
}

// readLines sends whole lines in batches of what arrived together.
func readLines(r io.Reader, out chan<- []byte, done <-chan struct{}) {
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
