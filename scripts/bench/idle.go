package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Process is every process of one name, summed.
type Process struct {
	Name  string  `json:"name"`
	Count int     `json:"count"`
	PSS   float64 `json:"pss_mb"` // MB: 10^6 bytes; shared pages are divided among their users
	RSS   float64 `json:"rss_mb"`
	CPU   float64 `json:"cpu_percent"` // of one core
}

// atIdle measures all processes of the host whose init is given: the
// appliance, its children and its pods.
func (r *Report) atIdle(ctx context.Context, initPID int, d time.Duration) error {
	before, err := snapshot(initPID)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := sleep(ctx, d); err != nil {
		return err
	}
	after, err := snapshot(initPID)
	if err != nil {
		return err
	}
	elapsed := time.Since(start).Seconds()
	by := map[string]*Process{}
	var total Process
	for pid, p := range after {
		g := by[p.name]
		if g == nil {
			g = &Process{Name: p.name}
			by[p.name] = g
		}
		var cpu float64
		if b, ok := before[pid]; ok {
			cpu = 100 * (p.cpu - b.cpu) / elapsed
		}
		for _, sum := range []*Process{g, &total} {
			sum.Count++
			sum.PSS += p.pss
			sum.RSS += p.rss
			sum.CPU += cpu
		}
	}
	for _, g := range by {
		r.Processes = append(r.Processes, *g)
	}
	slices.SortFunc(r.Processes, func(a, b Process) int { return int(b.PSS - a.PSS) })
	r.add(Figure{Name: "idle memory (PSS)", Value: total.PSS, Unit: "MB", Target: 900, Note: fmt.Sprintf("%d processes", total.Count)})
	r.add(Figure{Name: "idle CPU", Value: total.CPU, Unit: "% of a core", Note: "over " + d.String()})
	return nil
}

type usage struct {
	name          string
	parent        int     // process id
	pss, rss, cpu float64 // MB, MB, seconds
}

// snapshot measures every process of the host with the given init, but that.
func snapshot(initPID int) (map[int]usage, error) {
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", initPID))
	if err != nil {
		return nil, fmt.Errorf("find the host's processes: %w", err)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	children := map[int][]int{}
	var found []int
	for _, d := range dirs {
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil || pid == initPID {
			continue
		}
		if f := statFields(d); f != nil {
			parent, _ := strconv.Atoi(f[1]) // always a number
			children[parent] = append(children[parent], pid)
		}
		if ns, err := os.Readlink(d + "/ns/pid"); err == nil && ns == namespace {
			found = append(found, pid)
		}
	}
	// Containers have namespaces of their own below the host's: they are
	// found as children of those that are in the host's.
	out := map[int]usage{}
	for len(found) > 0 {
		pid := found[0]
		found = append(found[1:], children[pid]...)
		if u, ok := measureProcess(fmt.Sprint("/proc/", pid)); ok {
			out[pid] = u
		}
	}
	return out, nil
}

// statFields returns the fields of a process' stat from its state on, nil if
// it has ended.
func statFields(dir string) []string {
	b, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return nil
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return nil
	}
	return f
}

// ticks are a second: USER_HZ, the same on every architecture that Go runs on.
const ticks = 100

// measureProcess returns false for a process that ended meanwhile.
func measureProcess(dir string) (u usage, ok bool) {
	comm, err1 := os.ReadFile(dir + "/comm")
	args, err2 := os.ReadFile(dir + "/cmdline")
	stat := statFields(dir)
	rollup, err3 := os.ReadFile(dir + "/smaps_rollup")
	if err1 != nil || err2 != nil || stat == nil || err3 != nil {
		return u, false
	}
	u.name = strings.TrimSpace(string(comm))
	if strings.HasPrefix(u.name, "python") {
		for _, a := range strings.Split(string(args), "\x00") {
			if strings.HasSuffix(a, ".py") {
				u.name += " " + filepath.Base(a)
			}
		}
	}
	for _, line := range strings.Split(string(rollup), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseFloat(f[1], 64) // the header line has none, and no match
		switch f[0] {
		case "Pss:":
			u.pss = kib * 1024 / 1e6
		case "Rss:":
			u.rss = kib * 1024 / 1e6
		}
	}
	u.parent, _ = strconv.Atoi(stat[1])         // always a number
	user, _ := strconv.ParseFloat(stat[11], 64) // clock ticks, always numbers
	system, _ := strconv.ParseFloat(stat[12], 64)
	u.cpu = (user + system) / ticks
	return u, true
}

// sizes weighs the binary, and what it would weigh as a download.
func (r *Report) sizes(binary string) error {
	f, err := os.Open(binary)
	if err != nil {
		return fmt.Errorf("weigh the binary: %w", err)
	}
	defer f.Close()
	var packed counter
	z, err := zstd.NewWriter(&packed, zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return fmt.Errorf("weigh the binary: %w", err)
	}
	n, err := io.Copy(z, f)
	if err != nil {
		return fmt.Errorf("weigh the binary: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("weigh the binary: %w", err)
	}
	r.add(Figure{Name: "binary on disk", Value: float64(n) / 1e6, Unit: "MB", Target: 545})
	r.add(Figure{Name: "binary compressed (zstd)", Value: float64(packed) / 1e6, Unit: "MB", Target: 325})
	return nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
