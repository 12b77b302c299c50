package view

import "time"

// RunTable is a list of runs.
type RunTable struct {
	Rows    []RunRow
	Problem *Problem
	Empty   Empty
	Newer   string // address of the first page, if this is not it
	Older   string // address of the next page
}

// RunRow is one run, or a training that has no run yet.
type RunRow struct {
	URL      string
	Name     string
	Pill     Pill
	Trigger  string
	Project  string
	Started  time.Time
	Duration Value
	Accuracy string
	Version  *Link
}

// Runs is the list of runs.
type Runs struct {
	Filter      string
	FilterError string
	Actions     Actions
	Table       RunTable
}

// Run is the page of a run, of a training, or of both.
type Run struct {
	Title     string
	Pill      Pill
	Facts     []Fact
	Lineage   []Fact
	Message   string // why the training failed, or what it waits for
	Params    []Fact
	Metrics   []Metric
	Charts    []Chart
	Tags      []Fact
	Log       string // address of the live log, "" if there is none
	LogText   string // the kept log of a run that has ended
	LogURL    string // where to download that
	Artifacts ArtifactList
	HasRun    bool
	Problem   *Problem
}

// Metric is the latest value of a metric.
type Metric struct {
	Key   string
	Value string
	Step  string
}
