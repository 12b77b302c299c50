package view

import "time"

// Experiments is the list of experiments.
type Experiments struct {
	Name         string // shows those whose name contains it
	Deleted      bool   // shows deleted ones, too
	DeletedCount int
	Rows         []ExperimentRow
	Shown        string // said if there are more
	Problem      *Problem
	Empty        Empty
}

// ExperimentRow is one experiment.
type ExperimentRow struct {
	ID, Name, URL, Location string
	Runs                    int
	Newest, Created         time.Time
	Deleted                 bool
}
