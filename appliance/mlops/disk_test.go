package mlops

import "testing"

func TestNearlyFull(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		free, total uint64
		want        bool
	}{
		{0, 0, false}, // unknown
		{0, gib, true},
		{200 * gib, 2000 * gib, false}, {101 * gib, 2000 * gib, false}, {100 * gib, 2000 * gib, true},
		{3 * gib, 40 * gib, false}, {2 * gib, 40 * gib, true}, {5 * gib / 2, 40 * gib, false},
		{gib + 1, 5 * gib, false}, {gib, 5 * gib, true}, {gib / 4, gib / 4, true},
	} {
		if got := (DiskSpace{c.free, c.total}).NearlyFull(); got != c.want {
			t.Errorf("%d of %d free: nearly full is %t", c.free, c.total, got)
		}
	}
}

func TestShortPod(t *testing.T) {
	for name, want := range map[string]string{"iris-7c9d8b6f54-q2x7k": "q2x7k", "one": "one", "": ""} {
		if got := ShortPod(name); got != want {
			t.Errorf("%q is short for %q", got, name)
		}
	}
}
