package runs

import (
	"fmt"
	"testing"
)

func TestRemembered(t *testing.T) {
	var r remembered[int]
	asked := 0
	ask := func() (int, error) { asked++; return asked, nil }
	first := make(chan struct{})
	for range 3 {
		if v, err := r.get(first, ask); v != 1 || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
	}
	close(first)
	second := make(chan struct{})
	if v, _ := r.get(second, ask); v != 2 {
		t.Errorf("after a change: %d", v)
	}
	// The source had changed when the answer was read: it is not kept.
	third := make(chan struct{})
	close(third)
	r.get(third, ask)
	if v, _ := r.get(third, ask); v != 4 {
		t.Errorf("an answer that was old at once is kept: %d", v)
	}
	failing := func() (int, error) { return 0, fmt.Errorf("no") }
	if _, err := r.get(make(chan struct{}), failing); err == nil {
		t.Error("an error is swallowed")
	}
}
