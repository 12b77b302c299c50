package mlops

import (
	"errors"
	"io"
	"time"
)

// GuidedLab is one guided lab of the catalogue: what its author has written, as
// far as learners may see it.
type GuidedLab struct {
	Name    string    `json:"name"` // of the folder, for example from-name-to-pod
	Title   string    `json:"title"`
	Summary string    `json:"summary"` // one sentence
	Level   string    `json:"level"`   // beginner, intermediate or advanced
	Minutes int       `json:"minutes"` // that a newcomer needs
	Learn   []string  `json:"learn"`   // what one can do afterwards
	After   []string  `json:"after"`   // labs that are best taken before
	Intro   string    `json:"intro,omitempty"`
	Shows   []string  `json:"shows,omitempty"` // kinds of the object view, from left to right
	Tasks   []LabTask `json:"tasks"`
	Faults  int       `json:"faults"` // how many the lab can inject
}

// LabTask is one task of a guided lab.
type LabTask struct {
	ID        string        `json:"id"`
	Title     string        `json:"title"`
	After     []string      `json:"after,omitempty"` // tasks that come before
	Prose     string        `json:"prose,omitempty"` // Markdown; names of the session are filled in
	Questions []LabQuestion `json:"questions,omitempty"`
}

// LabQuestion asks for a prediction before one looks. It never blocks.
type LabQuestion struct {
	ID      string   `json:"id"`
	Ask     string   `json:"ask"`
	Choices []string `json:"choices,omitempty"` // none: a value is asked for
	Unit    string   `json:"unit,omitempty"`    // of the value
	// What follows is filled in once it was answered.
	Answer  string `json:"answer,omitempty"`
	Right   bool   `json:"right"`
	Correct string `json:"correct,omitempty"` // the right answer
	Because string `json:"because,omitempty"`
}

// LabState is how a session fares.
type LabState string

// The states of a session. Closed sessions stay as history.
const (
	LabOpening LabState = "opening" // its room is being made
	LabOpen    LabState = "open"
	LabClosing LabState = "closing" // its room is being removed
	LabClosed  LabState = "closed"
)

// LabSession is one user's stay in a guided lab. It is a row.
type LabSession struct {
	ID       int64     `json:"id"`
	Lab      string    `json:"lab"`
	User     string    `json:"user"`
	Room     string    `json:"room"` // the name of its namespace, and the prefix of all that is made for it elsewhere
	State    LabState  `json:"state"`
	Problem  string    `json:"problem,omitempty"` // why it can't be opened or closed; it is tried again
	Timed    bool      `json:"timed"`             // the user wants a stopwatch
	OpenedAt time.Time `json:"opened_at"`         // when it was asked for
	ReadyAt  time.Time `json:"ready_at,omitzero"` // when the room was made, or made anew by a reset: here the learner began
	ClosedAt time.Time `json:"closed_at,omitzero"`
}

// LabPass is a task that a session has passed. It is a row.
type LabPass struct {
	Task   string    `json:"task"`
	At     time.Time `json:"at"`
	Solved bool      `json:"solved,omitempty"` // by the author's solution, not by the learner
}

// LabHintTaken is how many hints of a task a session has asked for. It is a row.
type LabHintTaken struct {
	Task  string    `json:"task"` // "" for those of the fault that is being looked for
	Tier  int       `json:"tier"` // 1 to 3
	Topic string    `json:"topic"`
	Text  string    `json:"text"`
	At    time.Time `json:"at"`
}

// LabAnswer is an answer to a question. The first one counts. It is a row.
type LabAnswer struct {
	Task     string    `json:"task"`
	Question string    `json:"question"`
	Answer   string    `json:"answer"`
	Right    bool      `json:"right"`
	At       time.Time `json:"at"`
}

// LabBreak is a fault that was injected into a session. It is a row.
type LabBreak struct {
	ID        int64     `json:"id"`
	Fault     string    `json:"fault,omitempty"` // hidden until it is over
	Seed      int64     `json:"seed"`
	Timed     bool      `json:"timed"`
	At        time.Time `json:"at"`
	MendedAt  time.Time `json:"mended_at,omitzero"`
	GaveUpAt  time.Time `json:"gave_up_at,omitzero"`
	Title     string    `json:"title,omitempty"`     // what it was, once it is over
	Explained string    `json:"explained,omitempty"` // Markdown, once it is over
}

// Over reports whether nobody looks for the fault any more.
func (b LabBreak) Over() bool { return !b.MendedAt.IsZero() || !b.GaveUpAt.IsZero() }

// LabVerdict is what a check has found.
type LabVerdict struct {
	Holds bool      `json:"holds"`
	Saw   string    `json:"saw,omitempty"`   // why it does not hold
	Fault string    `json:"fault,omitempty"` // the check itself could not run: ours, never the learner's
	At    time.Time `json:"at,omitzero"`     // when it was found
}

// LabTaskView is a task with what its session has made of it.
type LabTaskView struct {
	LabTask
	Unlocked bool           `json:"unlocked"` // all tasks before it are passed
	Pass     *LabPass       `json:"pass,omitempty"`
	Verdict  LabVerdict     `json:"verdict"` // of a passed task: whether it still holds
	Hints    []LabHintTaken `json:"hints,omitempty"`
	MoreHint bool           `json:"more_hint"` // another hint can be asked for
}

// LabBreakView is the fault that is being looked for, or the last one.
type LabBreakView struct {
	LabBreak
	Symptom  string         `json:"symptom"` // Markdown
	Verdict  LabVerdict     `json:"verdict"`
	Hints    []LabHintTaken `json:"hints,omitempty"`
	MoreHint bool           `json:"more_hint"`
}

// LabView is everything that a page or a command shows of a lab to one user.
type LabView struct {
	GuidedLab
	Session  *LabSession   `json:"session,omitempty"` // nil if it isn't open for this user
	Shell    LabShell      `json:"shell"`
	Tasks    []LabTaskView `json:"tasks"`
	CanBreak string        `json:"can_break,omitempty"` // why no fault can be injected now, "" if one can
	Break    *LabBreakView `json:"break,omitempty"`
	Scene    LabScene      `json:"scene"`
	Progress LabProgress   `json:"progress"`
}

// LabShell says whether the shell of a session can be used.
type LabShell struct {
	Ready bool   `json:"ready"`
	Why   string `json:"why,omitempty"` // not ready
}

// LabProgress is what a user has reached in a lab in all sessions.
type LabProgress struct {
	Lab      string    `json:"lab"`
	Passed   int       `json:"passed"` // tasks
	Tasks    int       `json:"tasks"`
	Mended   int       `json:"mended"` // different faults
	Faults   int       `json:"faults"`
	DoneAt   time.Time `json:"done_at,omitzero"` // when the last task was first passed
	Open     bool      `json:"open"`             // a session is open
	Sessions int       `json:"sessions"`
}

// LabReached is what a user has reached in a lab, in all sessions.
type LabReached struct {
	Passed   map[string]time.Time // first pass of each task, by the learner
	Mended   map[string]time.Time // first mending of each fault, by the learner
	Sessions int
}

// LabEntry is a lab in the catalogue of a user.
type LabEntry struct {
	GuidedLab
	Progress LabProgress `json:"progress"`
	Next     bool        `json:"next"`            // what the path proposes to take now
	Lacks    string      `json:"lacks,omitempty"` // why this machine can't run it
}

// LabHistory is everything that is kept of a user's sessions in one lab, for export.
type LabHistory struct {
	LabSession
	Passes  []LabPass      `json:"passes"`
	Hints   []LabHintTaken `json:"hints"`
	Answers []LabAnswer    `json:"answers"`
	Breaks  []LabBreak     `json:"breaks"`
}

// LabScene is what the object view draws: things in columns, and lines between them.
type LabScene struct {
	Columns []LabColumn `json:"columns"`
	Lines   []LabLine   `json:"lines"`
}

// LabColumn has the things of one kind.
type LabColumn struct {
	Kind   string     `json:"kind"` // Ingress, Service, Pod, Claim, Volume, Node, Version …
	Things []LabThing `json:"things"`
	More   int        `json:"more,omitempty"` // that are not shown
}

// LabThing is one object.
type LabThing struct {
	ID    string   `json:"id"` // unique in the scene
	Name  string   `json:"name"`
	State string   `json:"state"` // one word or two: Running, Pending, 2 endpoints
	Mood  string   `json:"mood"`
	Facts []string `json:"facts,omitempty"`
}

// ErrUnsure is in what Leave answers where work is in the room, or may be, and
// nobody has said that they are sure.
var ErrUnsure = errors.New("nobody has said that they are sure")

// LabSure adds to a refusal with ErrUnsure how one says that one is sure. Other
// errors stay as they are.
func LabSure(err error, how string) error {
	if !errors.Is(err, ErrUnsure) {
		return err
	}
	return &Error{Code: CodeOf(err), Message: MessageOf(err) + " Say that you are sure with " + how + ".", Err: err}
}

// LabProject is the name of a room's project, for labs that have one.
func LabProject(room string) string { return room + "-model" }

// LabRoomLabel is on everything that the room itself is made of, and on nothing that
// a learner makes. It names the room.
const LabRoomLabel = "benchtop.dev/lab-room"

// LabClusterReads are the resources of the whole cluster that a lab may let its
// learners read.
var LabClusterReads = []string{"nodes", "persistentvolumes", "namespaces", "storageclasses", "ingressclasses", "priorityclasses", "runtimeclasses"}

// LabClusterKinds are the columns that the cluster draws.
var LabClusterKinds = []string{"Ingress", "Service", "Deployment", "ReplicaSet", "Pod", "Claim", "Volume", "Node", "CronJob", "Job"}

// The moods of things.
const (
	LabOK   = "ok"
	LabBusy = "busy"
	LabBad  = "bad"
	LabNone = "none"
)

// LabMissing is the state of a thing that another one names and that is not there.
const LabMissing = "not there"

// LabLine leads from one thing to another.
type LabLine struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Label string `json:"label,omitempty"` // for example 80 %
	Bad   bool   `json:"bad,omitempty"`   // it ought to lead there and does not
}

// LabRoom is what a session needs of the cluster.
type LabRoom struct {
	Name        string            // of the namespace, and of the shell's pod in namespace LabShells
	Lab         string            // the lab's name
	Namespaces  []string          // others that it works in, for example its project's
	ClusterRead []string          // resources of the whole cluster that the learner may read: nodes, persistentvolumes, storageclasses
	ProjectRead bool              // the learner may read, but not change, in Namespaces
	GPUs        bool              // pods may ask for GPUs
	Env         map[string]string // of the shell, and of pods that take the Secret lab
	Files       map[string]string // of the learner's home, by name without folders
	CPU, Memory string            // quota of the namespace, for example 2 and 2Gi; defaults if empty
	Pods        int               // quota; a default if 0
}

// LabShells is the namespace that the shells' pods live in. Learners have no
// rights there.
const LabShells = "lab-shells"

// Containers of a shell's pod.
const (
	LabLearner = "shell"  // with the learner's rights
	LabAuthor  = "author" // for the lab's own scripts: it may do everything in the session's namespaces
)

// LabScript is a script to run in a shell's pod with `sh -eu`.
type LabScript struct {
	Container string // LabLearner or LabAuthor
	Text      string
	Env       map[string]string
	Timeout   time.Duration
}

// LabOutput is what a script has said.
type LabOutput struct {
	Code   int
	Stdout string // at most 256 KiB of each
	Stderr string
}

// LabObjects asks for objects of Kubernetes.
type LabObjects struct {
	APIVersion string // of the kind; found by itself if empty
	Kind       string
	Namespace  string // "" for kinds without namespaces
	Name       string // one object, or all that the selectors choose
	Labels     string // label selector
	Fields     string // field selector
}

// LabTerminal is the learner's side of a terminal.
type LabTerminal struct {
	In    io.Reader      // what is typed; its end detaches, and the session in the shell lives on
	Out   io.Writer      // what the screen shows
	Sizes <-chan LabSize // the first size, and each new one
}

// LabSize is the size of a terminal in characters.
type LabSize struct{ Columns, Rows uint16 }
