package runtable

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// mostColumns bounds what one table shows; with more nobody finds anything.
const mostColumns = 40

// Column is one column of the table of runs: a metric, a param, a tag, or
// something that every run has. In addresses it is written entity.key, the
// key as it is: everything behind the first dot.
type Column struct {
	Entity string // metrics, params, tags or attributes
	Key    string
}

// String writes the column as in an address.
func (c Column) String() string { return c.Entity + "." + c.Key }

// attributes are the columns that every run can have, with their titles, in
// the order they are offered.
var attributes = []struct {
	key, title string
	sortable   bool // by MLflow's order_by
}{
	{"experiment", "Experiment", false}, {"start_time", "Started", true}, {"end_time", "Ended", true}, {"duration", "Duration", false},
	{"user_id", "User", true}, {"version", "Version", false}, {"dataset", "Dataset", false}, {"run_id", "Run id", true},
}

// titled are keys that have a name of their own.
var titled = map[Column]string{{"tags", mlops.TagTrigger}: "Trigger", {"tags", mlops.TagProject}: "Project"}

func (c Column) attribute() int {
	for i, a := range attributes {
		if c.Entity == "attributes" && a.key == c.Key {
			return i
		}
	}
	return -1
}

// parseColumn reads a column from an address.
func parseColumn(s string) (Column, error) {
	entity, key, _ := strings.Cut(s, ".")
	c := Column{entity, key}
	switch entity {
	case "metrics", "params", "tags":
		if key != "" && utf8.ValidString(key) {
			return c, nil
		}
	case "attributes":
		if c.attribute() >= 0 {
			return c, nil
		}
		var names []string
		for _, a := range attributes {
			names = append(names, a.key)
		}
		return c, mlops.Errorf(mlops.Invalid, "There is no attribute %q to show: expected one of %s.", view.Clip(key), strings.Join(names, ", "))
	}
	return c, mlops.Errorf(mlops.Invalid, "%q is no column: expected metrics.<key>, params.<key>, tags.<key> or attributes.<name>, for example metrics.accuracy.", view.Clip(s))
}

// ParseColumns reads the chosen columns of an address.
func ParseColumns(values []string) ([]Column, error) {
	var out []Column
	for _, v := range values {
		c, err := parseColumn(v)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if len(out) > mostColumns {
		return nil, mlops.Errorf(mlops.Invalid, "The table shows at most %d columns; %d are chosen.", mostColumns, len(out))
	}
	return out, nil
}

// title is what stands above the column.
func (c Column) title() string {
	if i := c.attribute(); i >= 0 {
		return attributes[i].title
	}
	if t, ok := titled[c]; ok {
		return t
	}
	return c.Key
}

// numeric reports whether the values stand at the right.
func (c Column) numeric() bool {
	return c.Entity == "metrics" || c.Key == "duration" && c.Entity == "attributes"
}

// plainKey is a key that order_by takes without quotes.
var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)

// orderKey is the column in order_by, "" if runs cannot be sorted by it. A
// quote within quotes is doubled.
func (c Column) orderKey() string {
	if i := c.attribute(); i >= 0 {
		if attributes[i].sortable {
			return c.String()
		}
		return ""
	}
	switch {
	case plainKey.MatchString(c.Key):
		return c.String()
	case strings.Contains(c.Key, "`") && !strings.Contains(c.Key, `"`):
		return c.Entity + `."` + c.Key + `"`
	}
	return c.Entity + ".`" + strings.ReplaceAll(c.Key, "`", "``") + "`"
}

// descendsFirst reports whether one wants the largest first: the newest, the
// best, and not Z.
func (c Column) descendsFirst() bool {
	return c.Entity == "metrics" || c == Column{"attributes", "start_time"} || c == Column{"attributes", "end_time"}
}

// value is what the column shows of a run.
func (s Tables) value(c Column, r mlops.Run, made *view.Link) view.Value {
	switch c.Entity {
	case "metrics":
		if v, ok := r.Metric(c.Key); ok {
			return view.Value{Text: view.Number(v), Title: strconv.FormatFloat(v, 'g', -1, 64)}
		}
		return view.Value{}
	case "params":
		return shortened(r.Param(c.Key))
	case "tags":
		return shortened(r.Tag(c.Key))
	}
	switch c.Key {
	case "experiment":
		return view.Ref(r.Experiment, List{Experiment: r.ExperimentID}.URL())
	case "start_time":
		return view.At(r.StartedAt)
	case "end_time":
		return view.At(r.EndedAt)
	case "duration":
		return Duration(r, s.Now())
	case "user_id":
		return view.Text(r.User)
	case "version":
		if made != nil {
			return view.Ref(made.Text, made.URL)
		}
	case "dataset":
		if len(r.Inputs) > 0 {
			return view.Value{Text: r.Inputs[0].Name, Title: r.Inputs[0].Digest}
		}
	case "run_id":
		return view.Digest(r.ID)
	}
	return view.Value{}
}

// cellRunes is how much of a value a cell shows. Values may have thousands of
// characters; the run's page has them in full.
const cellRunes = 60

func shortened(s string) view.Value {
	if utf8.RuneCountInString(s) <= cellRunes {
		return view.Text(s)
	}
	return view.Value{Text: string([]rune(s)[:cellRunes]) + "…", Title: view.Clip(s)}
}

const (
	defaultMetrics = 3 // of runs that are not the built-in trainer's
	defaultParams  = 3
)

// defaultColumns suit the runs that are shown: those of the built-in trainer
// are told apart by their trigger and accuracy, others by what they log first.
func defaultColumns(runs []mlops.Run, made map[string]*view.Link) []Column {
	builtIn, several := len(runs) == 0, false
	var others []mlops.Run
	for _, r := range runs {
		several = several || r.ExperimentID != runs[0].ExperimentID
		if r.Tag(mlops.TagTrigger) == "" {
			others = append(others, r)
		} else {
			builtIn = true
		}
	}
	var out []Column
	if several {
		out = append(out, Column{"attributes", "experiment"})
	}
	if builtIn {
		out = append(out, Column{"tags", mlops.TagTrigger})
	}
	out = append(out, Column{"attributes", "start_time"}, Column{"attributes", "duration"})
	if key := AccuracyKey(runs); key != "" {
		out = append(out, Column{"metrics", key})
	}
	if !several { // what they log differs from one experiment to the next
		own := keysOf(others)
		out = appendNew(out, own["metrics"], defaultMetrics)
		out = appendNew(out, own["params"], defaultParams)
	}
	if builtIn || len(made) > 0 {
		out = append(out, Column{"attributes", "version"})
	}
	return out
}

// appendNew appends at most n of the columns that are not there yet.
func appendNew(to, from []Column, n int) []Column {
	for _, c := range from {
		if n > 0 && !slices.Contains(to, c) {
			to, n = append(to, c), n-1
		}
	}
	return to
}

// keysOf collects what runs have logged, as columns by entity, sorted. Tags
// that clients set for themselves are left out but for those that people ask for.
func keysOf(runs []mlops.Run) map[string][]Column {
	seen, out := map[Column]bool{}, map[string][]Column{}
	add := func(c Column) {
		if !seen[c] {
			seen[c] = true
			out[c.Entity] = append(out[c.Entity], c)
		}
	}
	for _, r := range runs {
		for _, m := range r.Metrics {
			add(Column{"metrics", m.Key})
		}
		for _, kv := range r.Params {
			add(Column{"params", kv.Key})
		}
		for _, kv := range r.Tags {
			if !strings.HasPrefix(kv.Key, "mlflow.") || slices.Contains(shownTags, kv.Key) {
				add(Column{"tags", kv.Key})
			}
		}
	}
	for _, cs := range out {
		slices.SortFunc(cs, func(a, b Column) int { return strings.Compare(a.Key, b.Key) })
	}
	return out
}

var shownTags = []string{"mlflow.source.name", "mlflow.source.git.commit", "mlflow.user"}

// longTitle tells a metric from a param or a tag of the same name.
func (c Column) longTitle() string {
	switch {
	case c == nameColumn:
		return "Run"
	case c == statusColumn:
		return "Status"
	case c.title() != c.Key || c.Entity == "attributes":
		return c.title()
	}
	return strings.TrimSuffix(c.Entity, "s") + " " + c.Key
}

// mostOffered bounds the boxes of one kind; there are runs with thousands of
// keys. Others can be typed.
const mostOffered = 100

// ColumnChoices are the boxes of the panel that chooses columns: what the
// shown runs have logged, and what is chosen already.
func ColumnChoices(chosen []Column, runs []mlops.Run) []view.ColumnGroup {
	own := keysOf(runs)
	for _, a := range attributes {
		own["attributes"] = append(own["attributes"], Column{"attributes", a.key})
	}
	var out []view.ColumnGroup
	for _, g := range []struct{ entity, title string }{{"attributes", "Run"}, {"metrics", "Metrics"}, {"params", "Params"}, {"tags", "Tags"}} {
		group := view.ColumnGroup{Title: g.title}
		var all []Column
		for _, c := range chosen {
			if c.Entity == g.entity && g.entity != "attributes" {
				all = append(all, c)
			}
		}
		all = appendNew(all, own[g.entity], mostOffered)
		slices.SortStableFunc(all, func(a, b Column) int {
			if g.entity == "attributes" {
				return 0
			}
			return strings.Compare(a.title(), b.title())
		})
		for _, c := range all {
			group.Choices = append(group.Choices, view.Option{Value: c.String(), Text: c.title(), Selected: slices.Contains(chosen, c)})
		}
		if more := len(appendNew(all, own[g.entity], len(own[g.entity]))) - len(all); more > 0 {
			group.More = view.Plural(more, "more key is", "more keys are") + " not listed: type it below."
		}
		if len(group.Choices) > 0 {
			out = append(out, group)
		}
	}
	return out
}
