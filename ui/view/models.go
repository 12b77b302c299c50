package view

import "time"

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
