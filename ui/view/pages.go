package view

import "time"

// Node is one place in the picture of the loop.
type Node struct {
	Kind  string // dataset, run, version, deployment or traffic
	Label string
	Title string
	URL   string
	Pill  *Pill
	Facts []Value
	// Flow says that something is moving from here to the next node.
	Flow bool
}

// Loop is the picture of one project.
type Loop struct {
	Project  string
	Nodes    []Node
	Schedule string
	Next     time.Time // zero if none is planned
	Training bool      // the way back from traffic to the dataset is taken now
	Problem  *Problem
}

// Unit is one unit of the process.
type Unit struct {
	Name     string
	Pill     Pill
	Detail   string // what it is doing, or why it failed
	Took     string
	Since    time.Time
	Restarts int
	Lines    []Line
	Open     bool // its lines are shown at once
}

// Line is one line of a log.
type Line struct {
	Time  time.Time
	Text  string
	Alarm bool
}

// Boot is the page before everything serves.
type Boot struct {
	Ready   int
	Total   int
	Summary string
	Failed  bool
	Units   []Unit
}

// Actions are the buttons that start a training.
type Actions struct {
	Projects []string
	CSRF     string
}

// Overview is the first page.
type Overview struct {
	Boot    *Boot // set until everything was ready
	Notices []Notice
	Loops   []Loop
	Problem *Problem
	Actions Actions
	Units   []Unit
	Machine []Chart
	Recent  RunTable
}

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

// ArtifactList is one directory of a run's artifacts.
type ArtifactList struct {
	Path    string
	Crumbs  []Link
	Rows    []ArtifactRow
	Problem *Problem
}

// ArtifactRow is a file or a directory.
type ArtifactRow struct {
	Name     string
	Dir      bool
	Size     string
	URL      string
	Download string
	Current  bool
}

// Artifacts is the page that shows artifacts.
type Artifacts struct {
	Run     Link
	List    ArtifactList
	Preview *Preview
}

// Preview shows a file.
type Preview struct {
	Path     string
	Size     string
	Download string
	Image    string     // address, for pictures
	Text     string     // for text and JSON
	Head     []string   // for tables
	Rows     [][]string // for tables
	Note     string     // what is left out, or why there is no preview
	Problem  *Problem
}

// Models is the list of registered models.
type Models struct {
	Rows    []ModelRow
	Problem *Problem
}

// ModelRow is one registered model.
type ModelRow struct {
	Name        string
	URL         string
	Description string
	Latest      string
	LatestAt    time.Time
	Aliases     []Alias
	Versions    int
	Accuracy    string
}

// Alias is a name for a version.
type Alias struct {
	Name    string
	Version string
}

// Model is one registered model.
type Model struct {
	Name        string
	Description string
	Facts       []Fact
	Versions    []VersionRow
	Chart       *Chart
	Problem     *Problem
}

// VersionRow is one model version.
type VersionRow struct {
	Version  string
	Pill     Pill
	Aliases  []string
	Run      *Link
	Accuracy string
	Created  time.Time
	Served   []Link
}

// Deployments is the list of deployments.
type Deployments struct {
	Rows    []DeploymentRow
	Problem *Problem
}

// DeploymentRow is one deployment.
type DeploymentRow struct {
	Name     string
	URL      string
	Pill     Pill
	Model    Value
	Replicas string
	Rate     string
	Errors   string
	P50, P99 string
	Address  string
}

// Deployment is the page of one deployment.
type Deployment struct {
	Name    string
	Pill    Pill
	Message string
	Facts   []Fact
	Stats   []Stat
	Charts  []Chart
	Pods    []PodRow
	Logs    []Link // per pod: its live log
	Form    PredictForm
	Curl    string
	Problem *Problem
	Metrics *Problem
}

// Stat is a number with a name.
type Stat struct {
	Name  string
	Value string
	Kind  string // Bad or Warn if it needs attention
}

// PodRow is one pod.
type PodRow struct {
	Namespace string
	Name      string
	URL       string
	Pill      Pill
	Restarts  int
	Node      string
	IP        string
	Started   time.Time
	Message   string
}

// PredictForm asks a deployment for a prediction.
type PredictForm struct {
	Action string
	Fields []Field
	Result *Prediction
	Note   string // why there is no form
}

// Field is one input of the form.
type Field struct {
	Name  string
	Label string
	Value string
	Error string
}

// Prediction is an answer of a deployment.
type Prediction struct {
	OK      bool
	Class   string
	Chances []Chance
	Version string
	Took    string
	Status  int
	Message string // of an error
	Raw     string
}

// Chance is the probability of one class.
type Chance struct {
	Class string
	Share float64
	Text  string
	Best  bool
}

// System is a page below System. One of its parts is set.
type System struct {
	Tab string
}

// SystemUnits shows the units, versions and the disk.
type SystemUnits struct {
	Notices    []Notice
	Units      []Unit
	Machine    []Chart
	Process    []Fact
	Components []Fact
}

// SystemPods shows pods.
type SystemPods struct {
	Namespaces []Option
	Rows       []PodRow
	Problem    *Problem
}

// SystemPod shows one pod.
type SystemPod struct {
	Pod     PodRow
	Facts   []Fact
	Log     string
	Problem *Problem
}

// SystemObjects shows the cluster's objects.
type SystemObjects struct {
	Kinds      []Option
	Namespaces []Option
	Rows       []ObjectRow
	Shown      string
	Problem    *Problem
}

// Option is one choice of a filter.
type Option struct {
	Value    string
	Text     string
	Selected bool
}

// ObjectRow is one object.
type ObjectRow struct {
	Kind, Namespace, Name, Status string
	Created                       time.Time
}

// SystemEvents shows events, warnings first.
type SystemEvents struct {
	Rows    []EventRow
	Problem *Problem
}

// EventRow is one event.
type EventRow struct {
	Pill      Pill
	Reason    string
	Object    string
	Namespace string
	Message   string
	Count     int
	Time      time.Time
}
