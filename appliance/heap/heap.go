// Package heap chooses how early Go's collector runs: early while little is
// allocated, because idle memory counts, and late while much is, because there a
// heap that is kept small costs a third of the CPU. A command, which is over within
// a second, collects hardly at all.
package heap

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// small, roomy and brief are percentages for debug.SetGCPercent. One process
	// holds what is usually five, some 200 MB; roomy is what Go begins with.
	small, roomy, brief = 20, 100, 400
	// busy is how many bytes a second are much. An idle lab allocates 2.5 MB a
	// second, one in which two guided labs are verified 20.
	busy = 8 << 20
	// pause is between two looks, and quiet is after how many of them with
	// little to see the heap is made small.
	pause = 5 * time.Second
	quiet = 3
)

// allocated is the name of a metric of the Go runtime, in bytes since its start.
const allocated = "/gc/heap/allocs:bytes"

// A command allocates 34 MB before main begins, as its packages are initialised. At
// Go's own percentage that is collected four times, for a quarter of all CPU that a
// command takes. Packages are initialised in the order of their import paths, once
// what they import is (Go spec, Package initialization), so a package that imports
// the standard library alone comes early. TestACommandHardlyCollects holds it there.
func init() { set(brief) }

// Stay is called by a process that is to run for long. An operator's GOGC wins.
func Stay() { set(roomy) }

func set(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// Keep chooses until ctx ends. What starting has taken goes back to the system
// when the process first is quiet. An operator's GOGC wins.
func Keep(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	var p pace
	ticks := time.NewTicker(pause)
	defer ticks.Stop()
	sample := []metrics.Sample{{Name: allocated}}
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		metrics.Read(sample)
		now := time.Now()
		switch p.next(sample[0].Value.Uint64(), now.Sub(last)) {
		case small:
			debug.SetGCPercent(small)
			debug.FreeOSMemory()
		case roomy:
			debug.SetGCPercent(roomy)
		}
		last = now
	}
}

// pace is what was seen of a process.
type pace struct {
	allocated uint64
	quiet     int // looks in a row with little to see
	small     bool
}

// next takes what has been allocated since the start, in bytes, and how long ago
// the last look was. It returns the percentage to set, 0 for the one that is set.
func (p *pace) next(allocated uint64, since time.Duration) int {
	much := float64(allocated-p.allocated) >= busy*since.Seconds()
	p.allocated = allocated
	p.quiet++
	switch {
	case much:
		p.quiet = 0
		if p.small {
			p.small = false
			return roomy
		}
	case !p.small && p.quiet >= quiet:
		p.small = true
		return small
	}
	return 0
}
