package view

// RunTable is a list of runs.
type RunTable struct {
	Name, Status RunColumn // the columns that every table has
	Columns      []RunColumn
	Rows         []RunRow
	Select       bool // runs can be selected, to compare them
	Problem      *Problem
	Empty        Empty
	Pager        Pager
}

// RunColumn is the header of a column.
type RunColumn struct {
	Column  string // entity.key
	Title   string
	Kind    string // metric, param or tag, where two columns have the same title
	Numeric bool
	URL     string // the list sorted by it, "" if it cannot be
	Sorted  string // ascending, descending or ""
}

func (c RunColumn) label() string {
	if c.Kind == "" {
		return c.Title
	}
	return c.Title + " (" + c.Kind + ")"
}

// RunRow is one run, or a training that has no run yet.
type RunRow struct {
	ElementID string
	RunID     string // "" without a run
	URL       string
	Name      string
	Parent    *Link  // the run that this one is a child of
	Waits     string // why its training does not run yet, "" if it does
	Pill      Pill
	Cells     []Value // as many as there are columns
}

// selectable reports whether the table has a run to select.
func (t RunTable) selectable() bool {
	if !t.Select || t.Problem != nil {
		return false
	}
	for _, r := range t.Rows {
		if r.RunID != "" {
			return true
		}
	}
	return false
}

// Runs is the list of runs.
type Runs struct {
	Experiments     []Option
	ExperimentError string
	Filter          string
	FilterError     string
	FilterForm      []Hidden // what the form that filters keeps
	Clear           string   // the list without the filter, "" if there is none
	Columns         []ColumnGroup
	ColumnError     string
	Chosen          int // columns that the address names
	Orders          []Option
	Order           string // "" for the newest first
	OrderError      string
	ColumnForm      []Hidden // what the form that chooses columns keeps
	Reset           string   // the list with the usual columns and order, "" if it has them
	Actions         Actions
	Table           RunTable
}

// Hidden is a hidden field of a form.
type Hidden struct{ Name, Value string }

// ColumnGroup are the columns of one kind that can be chosen.
type ColumnGroup struct {
	Title   string
	Choices []Option
	More    string // said if there are too many to list
}

// Run is the page of a run, of a training, or of both.
type Run struct {
	Title       string
	Pill        Pill
	Facts       []Fact
	Lineage     []Fact
	Description string // what its author has noted about it
	Children    *Children
	Models      []LoggedModel
	Message     string // why the training failed, or what it waits for
	Params      []Fact
	Metrics     []Metric
	Charts      []Chart
	Tags        []Fact
	Log         string // address of the live log, "" if there is none
	LogText     string // the kept log of a run that has ended
	LogURL      string // where to download that
	Artifacts   ArtifactList
	HasRun      bool
	Problem     *Problem
}

// Metric is the latest value of a metric.
type Metric struct {
	Key   string
	Value string
	Step  string
}

// Children are the runs below a run.
type Children struct {
	Table RunTable
	All   Link
}

// LoggedModel is a model that a run has logged.
type LoggedModel struct {
	Name, Type, ID, Step string
	Pill                 Pill
}
