package view

import (
	"fmt"
	"time"

	"github.com/a-h/templ"
)

// Labs is the catalogue of guided labs.
type Labs struct {
	Problem *Problem
	Summary string    // what was reached so far
	Open    []LabCard // sessions that are open
	Path    []LabCard // all, from the first to the last
}

// LabCard is a lab of the catalogue.
type LabCard struct {
	ID, Number, Title, URL   string
	Summary, Level, Duration string
	Learn                    []string
	After                    []Link // better taken before
	Pill                     *Pill
	Tasks, Faults            LabMeter
	Next                     bool
	Lacks                    templ.Component // why this machine can't run it, nil if it can
}

// LabMeter is how many of how many were reached.
type LabMeter struct {
	Done, Of int
	Text     string
}

// LabPage is one lab: what it is about, or the bench that one works at.
type LabPage struct {
	Problem *Problem
	About   *LabAbout
	Bench   *LabBench
}

// LabAbout is a lab that is not open.
type LabAbout struct {
	Card  LabCard
	Intro templ.Component
	Tasks []string
	May   bool
	Who   string // may not start it, and why
	State LabAboutState
	URL   string
	CSRF  string
}

// LabAboutState is what changes while a lab opens or closes.
type LabAboutState struct {
	Notice  *Notice
	Closed  bool // it can be started
	Problem string
}

// LabBench is a lab that is open.
type LabBench struct {
	Title, Level, URL, CSRF string
	Head                    LabHead
	Steps                   []LabStep
	Panels                  []LabPanel
	Break                   LabBreakPanel
	Shell                   LabShell
	Scene                   LabScene
	Terminal                string // its address
	Solved                  *LabSolved
}

// LabHead is what the head of the bench says of now.
type LabHead struct {
	Passed    string
	Stopwatch time.Time // since when, zero without one
	Took      string    // what it said when the last task was passed
	Problem   string
}

// LabStep is a task, or the search for a fault, in the list of what there is to do.
type LabStep struct {
	ID, Mark, Title, URL string
	Kind                 string // open, passed, slipped, locked, next or broken
	State                string // in words
	Icon                 string // "" for the mark
	Current              bool
}

// LabPanel is the text of a task.
type LabPanel struct {
	ID, Number, Title string
	Current           bool
	Intro, Prose      templ.Component
	Verdict           LabVerdict
	Questions         []LabQuestion
	URL, CSRF         string
	Before, After     *Link
}

// LabVerdict is what the checks have found of a task, and what helps.
type LabVerdict struct {
	ID, URL, CSRF string
	Kind          string // good, bad, warn, idle
	Title         string
	Saw           templ.Component
	Fault         string // why the check could not run
	Locked        bool
	Passed        bool
	Hints         []LabHint
	More          string // the button for the next hint, "" if there is none
	Help          string // the field that says what hints are for: the task's id, "" for the fault
	Next          *Link
}

func (v LabVerdict) icon() string { return Pill{Kind: v.Kind}.icon() }

// LabHint is a hint that was taken.
type LabHint struct {
	Name string
	Text templ.Component
}

// LabQuestion asks for a prediction.
type LabQuestion struct {
	ID, Field string // of the page, of the form
	Task      string
	Ask       templ.Component
	Choices   []LabChoice
	Unit      string
	URL, CSRF string
	Answered  *LabAnswered
}

// LabChoice is one of several answers.
type LabChoice struct {
	Value string
	Text  templ.Component
}

// LabAnswered is what became of an answer.
type LabAnswered struct {
	Right                   bool
	Yours, Correct, Because templ.Component
}

// LabBreakPanel is the search for a fault.
type LabBreakPanel struct {
	Current bool
	State   LabBreakState
	URL     string
	CSRF    string
}

// LabBreakState is how the search goes.
type LabBreakState struct {
	Why       templ.Component // no fault can be injected now
	Button    string          // injects one, "" for none
	Looking   bool
	Symptom   templ.Component
	Verdict   LabVerdict
	Stopwatch time.Time
	Over      *LabMended
	Mended    string // how many of the lab's faults
	URL, CSRF string
}

// LabMended explains a fault that is over.
type LabMended struct {
	Kind, Text, Title string
	Explained         templ.Component
}

// LabShell says whether the terminal can be used.
type LabShell struct{ Why string }

// LabSolved is what the author's solution has printed.
type LabSolved struct{ Task, Output string }

// LabScene draws what the lab talks about.
type LabScene struct {
	Columns []LabColumn
	Lines   []LabLine
	Height  int  // in pixels
	Hidden  bool // how things fare is not told
}

// LabColumn has the things of one kind.
type LabColumn struct {
	Kind   string
	Things []LabThing
}

// LabThing is one object.
type LabThing struct {
	Name, State, Kind, Facts string
	Short                    string   // what is shown of a long name, "" for all
	Leads                    []string // in words: what its lines lead to
}

func (t LabThing) icon() string { return Pill{Kind: t.Kind}.icon() }

// LabLine is a line of the drawing: x in hundredths of a per cent, y in pixels.
type LabLine struct {
	X1, X2, Y1, Y2 int
	Label          string
	Bad            bool
}

func percent(hundredths int) string {
	return fmt.Sprintf("%d.%02d%%", hundredths/100, hundredths%100)
}

// LabLeave asks whether to leave a lab that has work in it.
type LabLeave struct {
	Title, Text, URL, CSRF string
}

func (c LabCard) kind() string {
	switch {
	case c.Next:
		return "lab-next"
	case c.Lacks != nil:
		return "lab-lacking"
	}
	return ""
}
