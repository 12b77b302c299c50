package health

import (
	"fmt"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Booting reports whether the process has not been ready as a whole yet. A
// unit that is started again after a failure does not count: the other
// pages have something to show by then.
func Booting(units []supervise.Status) bool {
	for _, u := range units {
		switch u.State {
		case supervise.Waiting, supervise.Starting, supervise.Failed:
			if u.Restarts == 0 && u.TookMs == 0 && u.Took == 0 {
				return true
			}
		}
	}
	return false
}

// Readiness counts the units that serve.
func Readiness(units []supervise.Status) (ready, total int, state string) {
	state = "ready"
	for _, u := range units {
		switch u.State {
		case supervise.Ready:
			ready++
		case supervise.Stopping, supervise.Stopped:
			state = "stopping"
		case supervise.Failed:
			if state != "stopping" {
				state = "degraded"
			}
		default:
			if state == "ready" {
				state = "starting"
			}
		}
	}
	return ready, len(units), state
}

// Units shows the units of the process.
func Units(units []supervise.Status) []view.Unit {
	out := make([]view.Unit, 0, len(units))
	for _, u := range units {
		v := view.Unit{Name: u.Name, Pill: pills.Unit(u.State), Since: u.Since, Restarts: u.Restarts}
		if u.TookMs > 0 {
			v.Took = view.Duration(u.Took)
		}
		switch u.State {
		case supervise.Failed:
			v.Detail, v.Open = u.Error, true
		case supervise.Starting:
			v.Detail = u.Progress
		}
		for _, l := range u.Lines {
			v.Lines = append(v.Lines, view.Line{Time: l.Time, Text: l.Text, Alarm: alarming(l.Text)})
		}
		out = append(out, v)
	}
	return out
}

// alarming reports whether a line of a log says that something is wrong. It
// only chooses a colour, so a guess is good enough.
func alarming(line string) bool {
	for _, mark := range []string{"level=ERROR", "level=error", "level=fatal", "\"level\":\"error\"", "panic:", "FATAL"} {
		if strings.Contains(line, mark) {
			return true
		}
	}
	// klog starts a line with the severity and the date.
	return len(line) > 5 && (line[0] == 'E' || line[0] == 'F') && strings.Trim(line[1:5], "0123456789") == ""
}

// Boot shows how far the start is.
func Boot(units []supervise.Status) *view.Boot {
	ready, total, _ := Readiness(units)
	b := &view.Boot{Ready: ready, Total: total, Units: Units(units)}
	b.Summary = fmt.Sprintf("%d of %s ready", ready, view.Plural(total, "unit is", "units are"))
	for _, u := range units {
		if u.State == supervise.Failed {
			b.Failed = true
			b.Summary += fmt.Sprintf("; %s failed", u.Name)
		}
	}
	return b
}
