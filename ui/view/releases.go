package view

// Release is a button that changes what is served. It belongs to the form
// with the reason, which stands beside the live parts.
type Release struct {
	Text        string
	Label       string // the text for screen readers, where Text alone says too little
	URL         string
	Name, Value string
	Primary     bool
}

// ReleaseForm is the form that the buttons belong to, as it was sent.
type ReleaseForm struct {
	ID     string
	Action string
	CSRF   string
	Reason string
	Error  string
}

// History is what a deployment has served and was asked to.
type History struct {
	Operator bool // may change it
	Problem  *Problem
	Notice   *Notice // what the change that led here has done
	Buttons  []Release
	Rows     []RevisionRow
	Cut      bool // there are older ones
	Form     ReleaseForm
}

// RevisionRow is one revision.
type RevisionRow struct {
	ID       string
	Number   string
	Version  Value
	Pill     Pill
	Approved string
	Cause    string
	By       string
	At       Value
	Reason   string
	Findings []string // what gates found, or the message
	Changed  *Value   // compares its run with that of what was live before
	Buttons  []Release
}

// Gates are what versions of a project's model must pass.
type Gates struct {
	Project  string
	Operator bool
	Problem  *Problem
	Notice   *Notice
	Rows     []GateRow
	Approval bool
	Form     GatesForm
}

// GateRow is the bounds of one metric.
type GateRow struct{ Metric, Minimum, Maximum, Comparison string }

// GatesForm is the form to change gates, as it was sent.
type GatesForm struct{ Action, CSRF, Text, Error string }

// Serving says where a version is served and where it may be.
type Serving struct {
	Operator bool
	Problem  *Problem
	Rows     []ServingRow
	Form     ReleaseForm
	Deploy   *DeployForm // nil for who may not deploy
}

// ServingRow is one deployment of the version's model.
type ServingRow struct {
	Deployment Value
	Serves     Value // what it serves now
	Pill       *Pill // how far this version got there
	Verdict    string
	Findings   []string
	Buttons    []Release
}
