package machine

import (
	"context"
	"math"
	"path/filepath"
	"testing"
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
	before, err := parseCPU([]byte("cpu  100 0 50 800 50 0 0 0 40 0\ncpu0 1 1 1 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := parseCPU([]byte("cpu  130 0 70 830 70 0 0 0 50 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	// 50 of 100 jiffies were neither idle nor waiting for a disk.
	if got := after.share(before); math.Abs(got-0.5) > 1e-9 {
		t.Errorf("share %v, want 0.5", got)
	}
	if got := before.share(after); got != 0 {
		t.Errorf("a clock that went back gives %v, want 0", got)
	}
	for _, bad := range []string{"", "cpu 1 2", "cpux 1 2 3 4", "cpu 1 2 x 4 5"} {
		if _, err := parseCPU([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestMemory(t *testing.T) {
	used, total, err := parseMemory([]byte("MemTotal:  1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\n"))
	if err != nil || total != 1000<<10 || used != 600<<10 {
		t.Errorf("used %d of %d, %v", used, total, err)
	}
	for _, bad := range []string{"", "MemTotal: x kB\n", "MemTotal: 1 kB\nMemAvailable: 2 kB\n"} {
		if _, _, err := parseMemory([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if parseResident([]byte("10")) != 0 || parseResident([]byte("10 x")) != 0 || parseResident([]byte("10 2")) == 0 {
		t.Error("resident memory")
	}
}
