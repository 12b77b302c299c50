package view

// ArtifactList is one directory of a run's artifacts.
type ArtifactList struct {
	Path    string
	Crumbs  []Link
	Rows    []ArtifactRow
	Shown   string // which of them, if not all
	Pager   Pager
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
