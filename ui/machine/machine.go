// Package machine measures the machine for the UI: CPU and memory from
// /proc, the disk from the file system that holds the data directory.
package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"github.com/prometheus/procfs"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/ports"
)

// Machine implements ports.Machine on Linux.
type Machine struct {
	dir  string
	mu   sync.Mutex
	last procfs.CPUStat
}

// New returns a Machine whose disk is the one that holds dir. dir need not
// exist yet: its nearest parent counts then.
func New(dir string) *Machine { return &Machine{dir: dir} }

var _ ports.Machine = (*Machine)(nil)

// Sample implements ports.Machine. CPU is the share since the call before, since
// the boot of the machine for the first.
func (m *Machine) Sample(context.Context) (mlops.MachineSample, error) {
	s := mlops.MachineSample{Cores: runtime.NumCPU()}
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return s, fmt.Errorf("measure the machine: %w", err)
	}
	stat, err := proc.Stat()
	if err != nil {
		return s, fmt.Errorf("measure cpu: %w", err)
	}
	m.mu.Lock()
	s.CPU = share(m.last, stat.CPUTotal)
	m.last = stat.CPUTotal
	m.mu.Unlock()

	memory, err := proc.Meminfo()
	if err != nil {
		return s, fmt.Errorf("measure memory: %w", err)
	}
	total, available := memory.MemTotalBytes, memory.MemAvailableBytes
	if total == nil || available == nil || *available > *total {
		return s, errors.New("measure memory: expected MemTotal and MemAvailable in /proc/meminfo")
	}
	s.MemoryUsed, s.MemoryTotal = *total-*available, *total
	if self, err := proc.Self(); err == nil {
		if stat, err := self.Stat(); err == nil {
			s.ProcessBytes = uint64(stat.ResidentMemory()) // only shown
		}
	}
	if s.DiskUsed, s.DiskTotal, err = disk(m.dir); err != nil {
		return s, fmt.Errorf("measure disk: %w", err)
	}
	return s, nil
}

// share is the part of the time between two moments that all cores together
// were busy, 0 if the clock of the later one went back.
func share(before, now procfs.CPUStat) float64 {
	total := sum(now) - sum(before)
	idle := now.Idle + now.Iowait - before.Idle - before.Iowait
	if total <= 0 || idle > total {
		return 0
	}
	return min(1, 1-idle/total)
}

// sum leaves out Guest and GuestNice, which User and Nice count too.
func sum(t procfs.CPUStat) float64 {
	return t.User + t.Nice + t.System + t.Idle + t.Iowait + t.IRQ + t.SoftIRQ + t.Steal
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
