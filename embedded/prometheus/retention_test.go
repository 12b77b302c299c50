package prometheus

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
)

// writeBlock puts a block with one sample of the series "old" into dir.
func writeBlock(t *testing.T, dir string, at time.Time) {
	t.Helper()
	w, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), dir, tsdb.DefaultBlockDuration)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	app := w.Appender(context.Background())
	if _, err := app.Append(0, labels.FromStrings("__name__", "old", "day", at.Format("02")), at.UnixMilli(), 1); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestRetentionByTime(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		keep time.Duration
		want int // blocks of the three
	}{{30 * 24 * time.Hour, 3}, {5 * 24 * time.Hour, 2}, {3 * time.Hour, 1}} {
		dir := t.TempDir()
		now := time.Now()
		for _, days := range []int{10, 4, 1} {
			writeBlock(t, dir, now.AddDate(0, 0, -days))
		}
		u := run(t, Config{Dir: dir, RetentionTime: tc.keep})
		eventually(t, func() string { // blocks that are too old are removed in the background
			s := u.server.Load()
			if n := len(s.db.Blocks()); n != tc.want {
				return fmt.Sprintf("with %s kept there are %d blocks, want %d", tc.keep, n, tc.want)
			}
			return ""
		})
		got, err := u.QueryRange(context.Background(), "old", now.AddDate(0, 0, -11), now, time.Hour)
		if err != nil || len(got) != tc.want {
			t.Errorf("with %s kept a query finds %v, %v; want %d series", tc.keep, got, err, tc.want)
		}
		u.stop()
	}
}
