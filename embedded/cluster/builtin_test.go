package cluster

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestResourceMetricsStartAtOnceWhereTheyAreKnown(t *testing.T) {
	s, c := newAPIServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	never := make(chan struct{})
	if err := c.waitToServeMetrics(ctx, never); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("on a fresh cluster: %v, expected to wait", err)
	}
	if err := c.applySystem(t.Context(), "resource-metrics.yaml"); err != nil {
		t.Fatal(err)
	}
	if err := c.waitToServeMetrics(t.Context(), never); err != nil {
		t.Error(err)
	}
	s.broken = "apiservices"
	expectError(t, c.waitToServeMetrics(t.Context(), never), "look for the API of resource metrics: quota exceeded")
}
