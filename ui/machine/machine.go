// Package machine measures the machine for the UI: CPU and memory from
// /proc, the disk from the file system that holds the data directory.
package machine

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// Machine implements ports.Machine on Linux.
type Machine struct {
	dir  string
	proc string
	mu   sync.Mutex
	last cpuTimes
}

// New returns a Machine whose disk is the one that holds dir. dir need not
// exist yet: its nearest parent counts then.
func New(dir string) *Machine { return &Machine{dir: dir, proc: "/proc"} }

var _ ports.Machine = (*Machine)(nil)

// Sample implements ports.Machine. CPU is the share since the call before, since
// the boot of the machine for the first.
func (m *Machine) Sample(context.Context) (mlops.MachineSample, error) {
	s := mlops.MachineSample{Cores: runtime.NumCPU()}
	stat, err := os.ReadFile(filepath.Join(m.proc, "stat"))
	if err != nil {
		return s, fmt.Errorf("measure cpu: %w", err)
	}
	now, err := parseCPU(stat)
	if err != nil {
		return s, fmt.Errorf("measure cpu: %w", err)
	}
	m.mu.Lock()
	s.CPU = now.share(m.last)
	m.last = now
	m.mu.Unlock()

	meminfo, err := os.ReadFile(filepath.Join(m.proc, "meminfo"))
	if err != nil {
		return s, fmt.Errorf("measure memory: %w", err)
	}
	if s.MemoryUsed, s.MemoryTotal, err = parseMemory(meminfo); err != nil {
		return s, fmt.Errorf("measure memory: %w", err)
	}
	if statm, err := os.ReadFile(filepath.Join(m.proc, "self/statm")); err == nil {
		s.ProcessBytes = parseResident(statm)
	}
	if s.DiskUsed, s.DiskTotal, err = disk(m.dir); err != nil {
		return s, fmt.Errorf("measure disk: %w", err)
	}
	return s, nil
}

// cpuTimes are jiffies since boot over all cores.
type cpuTimes struct{ busy, total uint64 }

func (t cpuTimes) share(before cpuTimes) float64 {
	if t.total <= before.total || t.busy < before.busy {
		return 0
	}
	return min(1, float64(t.busy-before.busy)/float64(t.total-before.total))
}

func parseCPU(stat []byte) (cpuTimes, error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 5 || fields[0] != "cpu" {
		return cpuTimes{}, fmt.Errorf("parse stat: expected a line cpu user nice system idle …, found %q", line)
	}
	var t cpuTimes
	// guest and guest_nice, from the ninth on, are counted in user and nice already.
	for i, f := range fields[1:min(len(fields), 9)] {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return cpuTimes{}, fmt.Errorf("parse stat: %w", err)
		}
		t.total += n
		if i != 3 && i != 4 { // idle and iowait
			t.busy += n
		}
	}
	return t, nil
}

func parseMemory(meminfo []byte) (used, total uint64, err error) {
	var available uint64
	lines := bufio.NewScanner(bytes.NewReader(meminfo))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "MemTotal:" && fields[0] != "MemAvailable:" {
			continue
		}
		n, err := strconv.ParseUint(fields[1], 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("parse meminfo: %w", err)
		}
		if fields[0] == "MemTotal:" {
			total = n << 10
		} else {
			available = n << 10
		}
	}
	if total == 0 || available > total {
		return 0, 0, fmt.Errorf("parse meminfo: expected MemTotal and MemAvailable, found %d and %d bytes", total, available)
	}
	return total - available, total, nil
}

// parseResident returns 0 for what it does not understand: the number is
// only shown.
func parseResident(statm []byte) uint64 {
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// disk returns used and total as df does: what only root may still use is
// neither free nor used.
func disk(dir string) (used, total uint64, err error) {
	for {
		var fs syscall.Statfs_t
		err := syscall.Statfs(dir, &fs)
		if err == nil {
			size := uint64(fs.Bsize)
			used = (fs.Blocks - fs.Bfree) * size
			return used, used + fs.Bavail*size, nil
		}
		parent := filepath.Dir(dir)
		if !os.IsNotExist(err) || parent == dir {
			return 0, 0, fmt.Errorf("statfs %s: %w", dir, err)
		}
		dir = parent
	}
}
