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
	TimeZone string
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

// trainButtons is how many projects have a button each. More would fill the page.
const trainButtons = 3

// Actions are the buttons that start a training.
type Actions struct {
	Projects []string
	CSRF     string
}

// Overview is the first page.
type Overview struct {
	Boot    *Boot // set until everything was ready
	Notices []Notice
	GPUs    *GPULine // nil without any
	Loops   []Loop
	More    int         // projects that have no picture
	Beside  Deployments // those that are not their project's
	Problem *Problem
	Actions Actions
	Units   []Unit
	Machine []Chart
	Ranges  Ranges
	Recent  RunTable
}
