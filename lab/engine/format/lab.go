// Package format reads labs: folders with a lab.yaml, prose, scripts and
// manifests. All that is wrong with a lab is found when it is read.
package format

import (
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/lab/engine/check"
)

// Lab is a lab as its author wrote it.
type Lab struct {
	Name, Title, Summary, Level string
	Minutes, Order              int
	Learn, After, Shows         []string
	Needs                       Needs
	Intro                       string
	Home                        map[string]string // files of the learner's home
	Manifests                   []Manifest        // in the order in which they are applied
	Setup                       string            // script, "" for none
	Tasks                       []*Task           // each comes behind those that it needs
	Break                       Break
	Faults                      []*Fault
}

// Needs is what a lab needs of the machine.
type Needs struct {
	Dataset     string // of its project, "" for none
	GPUs        bool
	Leak        bool     // a second key, that setup.sh lets leak
	Cluster     []string // resources of the whole cluster that the learner may read
	CPU, Memory string   // quota, "" for the default
	Pods        int      // quota, 0 for the default
}

// Manifest is a file of setup.
type Manifest struct {
	Name, Text string
	Objects    []Object
}

// Object is what a manifest makes.
type Object struct{ Kind, Name string }

// Task is something to reach.
type Task struct {
	ID, Title       string
	After           []string
	Prose           string
	Questions       []Question
	Check           *check.Check
	Hints           []string // when the expectation that fails has none
	Solution, Reset string
	Wrong           []Wrong
}

// Wrong is a plausible wrong attempt.
type Wrong struct{ Name, Script string }

// Question asks for a prediction.
type Question struct {
	ID, Ask, Unit, Because string
	Choices                []string
	Right                  int      // index of the right choice
	Texts                  []string // right answers, the first is shown
	Number                 float64  // right answer if there are neither choices nor texts
	Within                 float64  // how far an answer may be from Number
}

// Break says how a lab fares when nothing is broken.
type Break struct {
	Symptom string
	Check   *check.Check
	Hints   []string
}

// Fault is something that can be broken.
type Fault struct {
	ID, Title, Explain string
	Hints              []string
	Inject, Mend       string
}

// Public is the lab as learners may see it.
func (l *Lab) Public() mlops.GuidedLab {
	out := mlops.GuidedLab{Name: l.Name, Title: l.Title, Summary: l.Summary, Level: l.Level, Minutes: l.Minutes, Learn: l.Learn, After: l.After,
		Intro: l.Intro, Shows: l.Shows, Faults: len(l.Faults)}
	for _, t := range l.Tasks {
		out.Tasks = append(out.Tasks, t.Public())
	}
	return out
}

// Public is the task as learners may see it: its questions without answers.
func (t *Task) Public() mlops.LabTask {
	out := mlops.LabTask{ID: t.ID, Title: t.Title, After: t.After, Prose: t.Prose}
	for _, q := range t.Questions {
		out.Questions = append(out.Questions, mlops.LabQuestion{ID: q.ID, Ask: q.Ask, Choices: q.Choices, Unit: q.Unit})
	}
	return out
}

// Task returns the task of that ID, or nil.
func (l *Lab) Task(id string) *Task {
	for _, t := range l.Tasks {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// Fault returns the fault of that ID, or nil.
func (l *Lab) Fault(id string) *Fault {
	for _, f := range l.Faults {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// Question returns the question of that ID, or nil.
func (t *Task) Question(id string) *Question {
	for i := range t.Questions {
		if t.Questions[i].ID == id {
			return &t.Questions[i]
		}
	}
	return nil
}

// Later returns the tasks that come after one, by way of others too, in order.
func (l *Lab) Later(id string) (later []*Task) {
	behind := map[string]bool{id: true}
	for _, t := range l.Tasks { // sorted: what a task needs comes before it
		for _, before := range t.After {
			if behind[before] && !behind[t.ID] {
				behind[t.ID] = true
				later = append(later, t)
			}
		}
	}
	return later
}

// Bounds of a lab.
const (
	maxHome     = 200 << 10 // bytes of all files of home/
	maxFile     = 64 << 10  // bytes of any other file
	maxTasks    = 8
	maxHints    = 3
	introLines  = 15 // without the empty ones
	taskLines   = 40
	leastFaults = 2
	// Longest is how long a script of a lab may run, other than those of checks.
	Longest = 120 * time.Second
)
