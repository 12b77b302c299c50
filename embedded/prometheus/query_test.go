package prometheus

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestQueryErrors(t *testing.T) {
	t.Parallel()
	u := run(t, Config{})
	ctx := context.Background()
	now := time.Now()
	for _, tc := range []struct {
		name string
		err  func() error
		code mlops.Code
		want string
	}{
		{"syntax", func() error { _, err := u.Query(ctx, "rate(", now); return err }, mlops.Invalid, "cannot be understood"},
		{"range vector", func() error { _, err := u.Query(ctx, "up[5m]", now); return err }, mlops.Invalid, "expected a vector or a scalar"},
		{"string", func() error { _, err := u.Query(ctx, `"x"`, now); return err }, mlops.Invalid, "gives a string"},
		{"range syntax", func() error { _, err := u.QueryRange(ctx, "up{", now, now, time.Second); return err }, mlops.Invalid, "cannot be understood"},
		{"no step", func() error { _, err := u.QueryRange(ctx, "up", now, now, 0); return err }, mlops.Invalid, "positive step"},
		{"backwards", func() error { _, err := u.QueryRange(ctx, "up", now, now.Add(-time.Hour), time.Second); return err }, mlops.Invalid, "end after the start"},
		{"too many points", func() error { _, err := u.QueryRange(ctx, "up", now.Add(-24*time.Hour), now, time.Second); return err }, mlops.Invalid, "use a longer step"},
		{"too many samples", func() error { _, err := u.Query(ctx, "count_over_time(vector(1)[90d:1s])", now); return err }, mlops.Invalid, "too many samples"},
	} {
		err := tc.err()
		if mlops.CodeOf(err) != tc.code || !strings.Contains(mlops.MessageOf(err), tc.want) {
			t.Errorf("%s: %s %q, want %s with %q", tc.name, mlops.CodeOf(err), mlops.MessageOf(err), tc.code, tc.want)
		}
	}
	u.stop()
	if _, err := u.Query(ctx, "up", now); mlops.CodeOf(err) != mlops.Unavailable {
		t.Errorf("after the stop: %v", err)
	}
	if _, err := u.QueryRange(ctx, "up", now, now, time.Second); mlops.CodeOf(err) != mlops.Unavailable {
		t.Errorf("after the stop: %v", err)
	}
}
