package view

import "time"

// Models is the list of registered models.
type Models struct {
	Query   string
	Rows    []ModelRow
	Pager   Pager
	Empty   Empty
	Problem *Problem
}

// ModelRow is one registered model.
type ModelRow struct {
	Name        string
	URL         string
	Description string
	Latest      *Link
	LatestAt    time.Time
	Aliases     []Alias
	More        string // how many aliases are not shown
	Versions    string
	Metric      string // what Value is
	Value       string // of the newest version's run
	Served      []Value
}

// Alias is a name for a version.
type Alias struct {
	Name    string
	Version string
	URL     string // of the version
}

// Pager leads to the first and to the next page of a list.
type Pager struct{ First, Next string }

// Model is one registered model.
type Model struct {
	Name        string
	Description string
	Facts       []Fact
	Tags        []Fact
	Aliases     AliasPanel
	Metric      MetricChoice
	Chart       *Chart
	Versions    []VersionRow
	Shown       string // which of the versions these are, if not all
	Pager       Pager
	Problem     *Problem
}

// MetricChoice is the form that chooses the metric of the chart and the table.
type MetricChoice struct {
	Action  string
	Name    string
	Options []string
	Missing bool   // no run on this page has the metric
	Page    string // of the versions, which stays
}

// VersionRow is one model version in the table of its model.
type VersionRow struct {
	Version string
	URL     string
	Pill    Pill
	Stage   string
	Aliases []string
	Run     Value
	Value   string // of the chosen metric
	Created time.Time
	Served  []Value
}

// AliasPanel shows aliases and, to an admin, the forms that change them.
type AliasPanel struct {
	Rows    []Alias
	Names   []string // all of the model's, to choose from
	Version string   // of the page, "" where the form has a field for it
	Admin   bool
	CSRF    string
	Set     string // addresses of the forms
	Remove  string
	Form    AliasForm
	Notice  *Notice // what the last change has done
}

// AliasForm is what was typed, with what is wrong with it.
type AliasForm struct {
	Alias        string
	Version      string
	AliasError   string
	VersionError string
}
