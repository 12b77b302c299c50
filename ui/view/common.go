package view

import "time"

// Problem is shown in the place of a part that could not be read.
type Problem struct {
	What     string // for example "runs"
	Starting bool   // its backend does not serve yet
	Message  string
}

// Pill kinds; each has a colour and a sign, so that colour is never alone.
const (
	Good = "good"
	Busy = "busy"
	Warn = "warn"
	Bad  = "bad"
	Idle = "idle"
)

// Pill is a short state.
type Pill struct{ Kind, Text string }

func (p Pill) icon() string {
	switch p.Kind {
	case Good:
		return "check"
	case Busy:
		return "spin"
	case Warn:
		return "warn"
	case Bad:
		return "cross"
	}
	return "dot"
}

// Notice is a banner at the head of a page.
type Notice struct {
	Kind string // Warn, Bad or Busy
	Text string
	Link *Link
}

func (n Notice) icon() string { return Pill{Kind: n.Kind}.icon() }

// Value is what a fact, a cell or a node shows. The first that is set of
// Time, Since and Text counts.
type Value struct {
	Text  string
	URL   string
	Code  bool      // digests, names: monospaced and broken anywhere
	Title string    // the full text of what is shortened
	Time  time.Time // shown relative
	Since time.Time // a duration that is still growing
	Pill  *Pill
}

// Text returns a plain value.
func Text(s string) Value { return Value{Text: s} }

// Code returns a monospaced value.
func Code(s string) Value { return Value{Text: s, Code: true} }

// At returns a time, shown relative.
func At(t time.Time) Value { return Value{Time: t} }

// Digest returns a digest, shortened.
func Digest(s string) Value { return Value{Text: Short(s), Title: s, Code: true} }

// Ref returns a linked value.
func Ref(text, url string) Value { return Value{Text: text, URL: url} }

// Fact is a named value.
type Fact struct {
	Name  string
	Value Value
}

// Empty says what a part will show one day and what to do until then.
type Empty struct {
	Icon  string
	Title string
	Text  string
	Code  string
}

// Failure is an error page.
type Failure struct {
	Status   int
	Title    string
	Message  string
	Starting bool
	Help     []Advice
}

// Advice is what to do about a failure: a text, and what to type.
type Advice struct{ Text, Code string }

// Login is the sign-in form.
type Login struct {
	Name  string
	Next  string
	Error string
	CSRF  string
}

// Chart is a line chart. The script draws it; Now and Summary say in words
// what it shows.
type Chart struct {
	ID      string       `json:"id"`
	Title   string       `json:"-"`
	Now     string       `json:"now"`
	Summary string       `json:"summary"`
	Unit    string       `json:"unit"`           // percent, bytes, seconds, rate or number
	Steps   bool         `json:"steps"`          // X is a step and not a time
	Step    string       `json:"step,omitempty"` // what X is called then, step if empty
	Max     float64      `json:"max,omitempty"`  // upper end of the scale, 0 for what fits
	Lines   []string     `json:"lines"`
	X       []float64    `json:"x"` // Unix seconds, or steps
	Y       [][]*float64 `json:"y"` // per line; null is no value
	Wide    bool         `json:"-"`
}

// Ranges offers how far charts over time go back.
type Ranges struct {
	Now     string // in words
	Links   []RangeLink
	Problem *Problem // why the charts show less
}

// RangeLink is one of several choices, of which one is made.
type RangeLink struct {
	Text, Title, URL string
	Current          bool
}

// Empty reports whether there is nothing to draw.
func (c Chart) Empty() bool { return len(c.X) == 0 }
