package machine

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/prometheus/procfs"
)

func TestSampleOfThisMachine(t *testing.T) {
	m := New(filepath.Join(t.TempDir(), "not", "there", "yet"))
	for range 2 {
		s, err := m.Sample(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if s.CPU < 0 || s.CPU > 1 || s.Cores < 1 {
			t.Errorf("CPU %v of %d cores", s.CPU, s.Cores)
		}
		if s.MemoryUsed == 0 || s.MemoryUsed > s.MemoryTotal || s.ProcessBytes == 0 || s.ProcessBytes > s.MemoryTotal {
			t.Errorf("memory %+v", s)
		}
		if s.DiskTotal == 0 || s.DiskUsed > s.DiskTotal {
			t.Errorf("disk %+v", s)
		}
	}
}

func TestCPUShare(t *testing.T) {
	before := procfs.CPUStat{User: 1, System: 0.5, Idle: 8, Iowait: 0.5, Guest: 0.4}
	after := procfs.CPUStat{User: 1.3, System: 0.7, Idle: 8.3, Iowait: 0.7, Guest: 0.5}
	// Half a second of one was neither idle nor waiting for a disk.
	if got := share(before, after); math.Abs(got-0.5) > 1e-9 {
		t.Errorf("share %v, want 0.5", got)
	}
	if got := share(after, before); got != 0 {
		t.Errorf("a clock that went back gives %v, want 0", got)
	}
	if got := share(after, after); got != 0 {
		t.Errorf("no time at all gives %v, want 0", got)
	}
}
