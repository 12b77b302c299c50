package view

// Version is the page of one model version.
type Version struct {
	Model       Link
	Title       string
	Name        string // v12
	Pill        Pill
	Newer       *Link // the newest version, if this is not it
	Description string
	Facts       []Fact
	Served      []Value
	Tags        []Fact
	Lineage     Lineage
	Serving     Serving
	Aliases     AliasPanel
	Load        []Snippet
	Run         *Link
	Metrics     []Fact
	MoreMetrics int
	Params      []Fact
	MoreParams  int
	Problem     *Problem
}

// Snippet is code to copy.
type Snippet struct{ Title, Label, Code string }

// Lineage is the picture of where a version comes from and what serves it,
// and the list of all that the picture shortens.
type Lineage struct {
	Label  string
	Stages []Stage
	Full   []Fact
}

// Stage is a column of the picture; everything in it leads to the next.
type Stage struct {
	Kind  string // inputs, run, versions or deployments
	Title string
	Nodes []LineageNode
}

// LineageNode is one place in the picture.
type LineageNode struct {
	Kind    string // dataset, code, image, run, version or deployment
	Label   string
	Title   string
	Hover   string // the title in full
	URL     string
	Pill    *Pill
	Facts   []Value
	Links   []Link
	Missing bool // there is none, or nobody knows
	Current bool // this page is about it
	Flow    bool // it is at work
}
