package compare

import (
	"slices"
	"strings"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/pills"
	"github.com/benchtop-lab/benchtop/ui/runtable"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const (
	// compareRows bounds a group, so that runs with thousands of metrics
	// still make a page that a browser can show.
	compareRows = 300
	cellChars   = 100
	titleChars  = 1000
)

// compareTable has the runs side by side.
func compareTable(ch compareChoices, runs []mlops.Run, shown []view.ComparedRun, fields compareFields, made map[string]*view.Link, now time.Time) view.CompareTable {
	t := view.CompareTable{Runs: shown, Only: ch.only, Toggle: ch.with("table", func(c *compareChoices) { c.only = !c.only })}
	t.Groups = append(t.Groups, limited("Run", ch.only, runRows(runs, made, now)))
	var params, metrics []view.CompareRow
	for _, f := range fields {
		row := view.CompareRow{Name: f.key, Code: true, Differs: f.differs()}
		for i := range runs {
			row.Cells = append(row.Cells, cell(f.text[i]))
		}
		if f.metric {
			metrics = append(metrics, row)
		} else {
			params = append(params, row)
		}
	}
	t.Groups = append(t.Groups, limited("Metrics", ch.only, metrics), limited("Params", ch.only, params))
	var tags []string
	for _, r := range runs {
		for _, tag := range r.Tags {
			tags = append(tags, tag.Key)
		}
	}
	slices.Sort(tags)
	for _, key := range slices.Compact(tags) {
		t.Tags = append(t.Tags, view.Option{Value: key, Text: key, Selected: slices.Contains(ch.tags, key)})
	}
	if len(ch.tags) > 0 {
		var rows []view.CompareRow
		for _, key := range ch.tags {
			rows = append(rows, valueRow(key, true, runs, func(r mlops.Run) view.Value { return cell(r.Tag(key)) }))
		}
		t.Groups = append(t.Groups, limited("Tags", ch.only, rows))
	}
	t.Groups = slices.DeleteFunc(t.Groups, func(g view.CompareGroup) bool { return len(g.Rows) == 0 && g.Same == 0 })
	return t
}

// runRows are the facts that every run has.
func runRows(runs []mlops.Run, made map[string]*view.Link, now time.Time) []view.CompareRow {
	rows := []view.CompareRow{
		valueRow("Status", false, runs, func(r mlops.Run) view.Value { p := pills.Run(r.Status); return view.Value{Pill: &p, Text: p.Text} }),
		valueRow("Experiment", false, runs, func(r mlops.Run) view.Value { return view.Text(r.Experiment) }),
		valueRow("Started", false, runs, func(r mlops.Run) view.Value { return view.At(r.StartedAt) }),
		valueRow("Duration", false, runs, func(r mlops.Run) view.Value { return runtable.Duration(r, now) }),
	}
	if slices.ContainsFunc(runs, func(r mlops.Run) bool { return len(r.Inputs) > 0 }) {
		rows = append(rows, valueRow("Dataset", false, runs, func(r mlops.Run) view.Value {
			var names, digests []string
			for _, in := range r.Inputs {
				names, digests = append(names, in.Name+" "+view.Short(in.Digest)), append(digests, in.Name+" "+in.Digest)
			}
			return view.Value{Text: strings.Join(names, ", "), Title: strings.Join(digests, ", ")}
		}))
	}
	if slices.ContainsFunc(runs, func(r mlops.Run) bool { return made[r.ID] != nil }) {
		rows = append(rows, valueRow("Model version", false, runs, func(r mlops.Run) view.Value {
			if link := made[r.ID]; link != nil {
				return view.Ref(link.Text, link.URL)
			}
			return view.Value{}
		}))
	}
	return rows
}

func valueRow(name string, code bool, runs []mlops.Run, value func(mlops.Run) view.Value) view.CompareRow {
	row := view.CompareRow{Name: name, Code: code}
	for i, r := range runs {
		v := value(r)
		row.Cells = append(row.Cells, v)
		row.Differs = row.Differs || i > 0 && !sameValue(v, row.Cells[0])
	}
	return row
}

func sameValue(a, b view.Value) bool {
	return a.Text == b.Text && a.Title == b.Title && a.URL == b.URL && a.Time.Equal(b.Time) && a.Since.Equal(b.Since)
}

// limited leaves out what was not asked for, and what would be too much.
func limited(name string, only bool, rows []view.CompareRow) view.CompareGroup {
	g := view.CompareGroup{Name: name}
	for _, row := range rows {
		switch {
		case only && !row.Differs:
			g.Same++
		case len(g.Rows) == compareRows:
			g.Extra++
		default:
			g.Rows = append(g.Rows, row)
		}
	}
	return g
}

// cell shortens what would burst a column; its title has more of it.
func cell(text string) view.Value {
	if short := cutTo(text, cellChars); short != text {
		return view.Value{Text: short, Title: cutTo(text, titleChars)}
	}
	return view.Text(text)
}

// cutTo keeps the first characters of a text.
func cutTo(text string, chars int) string {
	if runes := []rune(text); len(runes) > chars {
		return string(runes[:chars-1]) + "…"
	}
	return text
}
