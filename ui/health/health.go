// Package health is how the machine and the units of the process are, for the
// pages that say so and for programs.
package health

import (
	"context"
	"fmt"

	"github.com/benchtop-lab/benchtop/ui/charts"
	"github.com/benchtop-lab/benchtop/ui/page"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Machine is how machine and process are, for the pages and programs that say so.
type Machine struct {
	*page.Site
	Sampler *Sampler
	Series  *charts.Reader
}

// Charts returns the charts of CPU, memory and disk. The last quarter of
// an hour was measured here; what lies further back is in the metrics. While
// those cannot be read, the charts show what was measured here.
func (s Machine) Charts(ctx context.Context, r charts.Range) ([]view.Chart, *view.Problem) {
	shown := s.measuredCharts()
	if r.Measured() {
		return shown, nil
	}
	to := s.Series.Until(r)
	for i, series := range []string{"benchtop_machine_cpu_ratio", "benchtop_machine_memory_used_bytes", "benchtop_machine_disk_used_bytes"} {
		points, err := s.Series.Get(ctx, fmt.Sprintf("max(%s)", r.Over("avg_over_time", series)), r, to)
		if err != nil {
			return s.measuredCharts(), s.Problem("more than the last minutes", err)
		}
		if len(points) > 0 {
			charts.Fill(&shown[i], to, r, points)
		}
	}
	return shown, nil
}

// measuredCharts shows what was measured here.
func (s Machine) measuredCharts() []view.Chart {
	points := s.Sampler.history()
	cpu := view.Chart{ID: "cpu", Title: "CPU", Unit: "percent", Max: 1, Lines: []string{"CPU"}, Y: [][]*float64{nil}, Summary: "no data yet"}
	memory := view.Chart{ID: "memory", Title: "Memory", Unit: "bytes", Lines: []string{"Memory"}, Y: [][]*float64{nil}, Summary: "no data yet"}
	disk := view.Chart{ID: "disk", Title: "Disk", Unit: "bytes", Lines: []string{"Disk"}, Y: [][]*float64{nil}, Summary: "no data yet"}
	for _, p := range points {
		x := float64(p.at.Unix())
		add := func(c *view.Chart, v float64) {
			c.X = append(c.X, x)
			c.Y[0] = append(c.Y[0], view.Finite(v))
		}
		add(&cpu, p.CPU)
		add(&memory, float64(p.MemoryUsed))
		add(&disk, float64(p.DiskUsed))
	}
	if len(points) > 0 {
		p := points[len(points)-1]
		cpu.Now = fmt.Sprintf("%s of %s", view.Percent(p.CPU), view.Plural(p.Cores, "core", "cores"))
		memory.Now = view.Bytes(float64(p.MemoryUsed)) + " of " + view.Bytes(float64(p.MemoryTotal))
		memory.Max = float64(p.MemoryTotal)
		disk.Now = view.Bytes(float64(p.DiskUsed)) + " of " + view.Bytes(float64(p.DiskTotal))
		disk.Max = float64(p.DiskTotal)
		for _, c := range []*view.Chart{&cpu, &memory, &disk} {
			c.Summary = "now " + c.Now
		}
	}
	return []view.Chart{cpu, memory, disk}
}

// Notices returns the banners that concern the whole machine.
func (s Machine) Notices() []view.Notice {
	var out []view.Notice
	if p, ok := s.Sampler.Last(); ok && p.DiskTotal > 0 {
		if p.Disk().NearlyFull() {
			used, free := float64(p.DiskUsed)/float64(p.DiskTotal), view.Bytes(float64(p.DiskTotal-p.DiskUsed))
			out = append(out, view.Notice{Kind: view.Warn, Text: fmt.Sprintf(
				"The disk is nearly full: %s used, %s left. Predictions go on; training and uploads may fail. Free some space or move the data directory to a larger disk.",
				view.Percent(used), free)})
		}
	}
	units := s.Units.Status(0)
	if _, _, state := Readiness(units); state == "stopping" {
		out = append(out, view.Notice{Kind: view.Busy, Text: "Benchtop is stopping. Pods go on serving."})
	}
	for _, u := range Units(units) {
		if u.Pill.Kind == view.Bad {
			out = append(out, view.Notice{Kind: view.Bad, Text: "Unit " + u.Name + " has failed: " + u.Detail,
				Link: &view.Link{Text: "Its last lines", URL: "/system#unit-" + u.Name}})
		}
	}
	return out
}
