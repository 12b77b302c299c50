package view

// Datasets is the page of datasets.
type Datasets struct {
	CSRF       string
	MayOperate bool
	Form       DatasetForm
	Rows       []DatasetRow
	Problem    *Problem
}

// DatasetForm is what was typed in, and what is wrong with it.
type DatasetForm struct{ Name, Source, Error string }

// DatasetRow is one version of a dataset.
type DatasetRow struct {
	Name, URL, Version string // Version is empty for one that is not stored
	Digest, Size       Value
	Runs, Versions     int
	LastRun            Value
}

// Dataset is the page of one version of a dataset.
type Dataset struct {
	Name     string
	Facts    []Fact
	Serving  []Value // deployments that serve a version made from it
	Runs     Link
	Versions []DatasetVersion
	More     int // versions that are not listed
}

// DatasetVersion is a model version that was made from a dataset.
type DatasetVersion struct {
	Version, Run Link
	Context      string
	Made         Value
	Served       []Value
}
