package compare

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

const (
	maxCompared = 100
	maxAxes     = 12
)

// The choices of a comparison that have a fixed set of answers; the first is
// what an address without the choice means.
var (
	curveOvers  = []view.Choice{{Value: "step", Text: "Step"}, {Value: "time", Text: "Wall time"}, {Value: "relative", Text: "Relative time"}}
	curveScales = []view.Choice{{Value: "linear", Text: "Linear"}, {Value: "log", Text: "Log"}}
)

// compareChoices is the address of a comparison, so that what somebody sees
// can be shared.
type compareChoices struct {
	runs   []string
	only   bool     // only rows in which runs differ
	tags   []string // tags that are rows of the table
	axes   []string // of the parallel coordinates: params.<key>, metrics.<key>
	color  string   // metric that colours the lines, "" for a colour a run
	x, y   string   // of the scatter plot
	metric string   // of the curves, without "metrics."
	over   string
	scale  string
}

// parseCompare reads the address. What is no comparison at all is an error;
// a choice that is not understood is a notice, and falls back to its default.
func parseCompare(q url.Values) (compareChoices, []view.Notice, error) {
	ch := compareChoices{only: q.Get("only") != "", tags: unique(q["tag"]), axes: unique(q["axis"]), color: q.Get("color"), x: q.Get("x"), y: q.Get("y"),
		metric: q.Get("metric"), runs: unique(q["run"])}
	// A button of the form can add to the address but not take away from it.
	ch.runs = slices.DeleteFunc(ch.runs, func(id string) bool { return slices.Contains(q["without"], id) })
	switch {
	case len(ch.runs) < 2:
		return ch, nil, mlops.Errorf(mlops.Invalid, "A comparison needs at least two different runs; this address names %s. Choose the runs in the table of runs, and compare again.", view.Plural(len(ch.runs), "run", "runs"))
	case len(ch.runs) > maxCompared:
		return ch, nil, mlops.Errorf(mlops.Invalid, "At most %d runs can be compared at once; this address names %d. Filter the table of runs, and choose fewer.", maxCompared, len(ch.runs))
	}
	var notices []view.Notice
	fixed := func(name string, choices []view.Choice) string {
		got := q.Get(name)
		for _, c := range choices {
			if got == c.Value {
				return got
			}
		}
		if got != "" {
			var expected []string
			for _, c := range choices {
				expected = append(expected, c.Value)
			}
			notices = append(notices, view.Notice{Kind: view.Warn, Text: fmt.Sprintf("The address asks for %s=%s, which is not known: expected %s. Showing %s.", name, got, orList(expected), choices[0].Value)})
		}
		return choices[0].Value
	}
	ch.over, ch.scale = fixed("over", curveOvers), fixed("scale", curveScales)
	if len(ch.axes) > maxAxes {
		notices = append(notices, view.Notice{Kind: view.Warn, Text: fmt.Sprintf("The address names %d axes; the first %d are drawn, more cannot be told apart. Choose fewer.", len(ch.axes), maxAxes)})
		ch.axes = ch.axes[:maxAxes]
	}
	return ch, notices, nil
}

// values is the address's query. Defaults are left out.
func (ch compareChoices) values() url.Values {
	q := url.Values{"run": ch.runs}
	if ch.only {
		q.Set("only", "differences")
	}
	for name, values := range map[string][]string{"tag": ch.tags, "axis": ch.axes} {
		if len(values) > 0 {
			q[name] = values
		}
	}
	for name, value := range map[string]string{"color": ch.color, "x": ch.x, "y": ch.y, "metric": ch.metric} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if ch.over != curveOvers[0].Value {
		q.Set("over", ch.over)
	}
	if ch.scale != curveScales[0].Value {
		q.Set("scale", ch.scale)
	}
	return q
}

// with is the address with one choice changed; section is where on the page
// the reader goes on.
func (ch compareChoices) with(section string, change func(*compareChoices)) string {
	change(&ch)
	return "/compare?" + ch.values().Encode() + "#" + section
}

// links are the choices as links, one of them current.
func (ch compareChoices) links(section string, choices []view.Choice, current string, set func(*compareChoices, string)) []view.Choice {
	out := slices.Clone(choices)
	for i := range out {
		out[i].Current = out[i].Value == current
		out[i].URL = ch.with(section, func(c *compareChoices) { set(c, out[i].Value) })
	}
	return out
}

// unique drops what is empty or there twice.
func unique(values []string) []string {
	var out []string
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func orList(words []string) string {
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
