package labs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// The drawing: columns share the width equally, and things have the same height,
// so that lines can be drawn without knowing how wide the page is. The style
// sheet knows these numbers too.
const (
	cellHeight = 64   // pixels, of a thing with its distance
	cellMargin = 1000 // hundredths of a per cent of a column, on each side of a thing
)

var moods = map[string]string{mlops.LabOK: view.Good, mlops.LabBusy: view.Busy, mlops.LabBad: view.Bad}

// place is where a thing is.
type place struct {
	column, y int
	name      string
}

func scene(v mlops.LabView) view.LabScene {
	s, rows, room := v.Scene, 1, ""
	if v.Session != nil {
		room = v.Session.Room
	}
	for _, c := range s.Columns {
		rows = max(rows, len(c.Things))
	}
	out := view.LabScene{Height: rows * cellHeight, Hidden: looking(v)}
	at := map[string]place{}
	for i, c := range s.Columns {
		col := view.LabColumn{Kind: c.Kind}
		if c.More > 0 {
			col.Kind += fmt.Sprintf(" (+%d more)", c.More)
		}
		for k, t := range c.Things {
			kind := moods[t.Mood]
			if kind == "" {
				kind = view.Idle
			}
			col.Things = append(col.Things, view.LabThing{Name: t.Name, Short: short(t.Name, room), State: t.State, Kind: kind, Facts: strings.Join(t.Facts, " · ")})
			at[t.ID] = place{i, (rows-len(c.Things))*cellHeight/2 + k*cellHeight + cellHeight/2, t.Name}
		}
		out.Columns = append(out.Columns, col)
	}
	for _, l := range s.Lines {
		from, known := at[l.From]
		to, knownTo := at[l.To]
		if !known || !knownTo {
			continue // one of them is among those that are not shown
		}
		width := 10000 / len(s.Columns)
		left, right := width*cellMargin/10000, width-width*cellMargin/10000
		line := view.LabLine{X1: from.column*width + right, X2: to.column*width + left, Y1: from.y, Y2: to.y, Label: l.Label, Bad: l.Bad}
		if to.column <= from.column {
			line.X1, line.X2 = from.column*width+left, to.column*width+right
		}
		if to.column == from.column {
			line.X2 = line.X1
		}
		out.Lines = append(out.Lines, line)
		lead := "leads to " + to.name
		if l.Bad {
			lead = "does not lead to " + to.name + ", and should"
		}
		if l.Label != "" {
			lead += ": " + l.Label
		}
		i := slices.IndexFunc(s.Columns[from.column].Things, func(t mlops.LabThing) bool { return t.ID == l.From })
		out.Columns[from.column].Things[i].Leads = append(out.Columns[from.column].Things[i].Leads, lead)
	}
	return out
}

// short is a name without what names the room, which all of them begin with: there
// is room for their ends only. What it returns begins with "…", or is "" if the
// name is not the room's.
func short(name, room string) string {
	end, ok := strings.CutPrefix(name, room)
	if !ok || room == "" || end == "" || !strings.ContainsAny(end[:1], "-._/ ") {
		return ""
	}
	return "…" + end
}
