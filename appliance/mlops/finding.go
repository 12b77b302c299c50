package mlops

// Level is how bad a finding is.
type Level string

// The levels.
const (
	LevelOK   Level = "ok"
	LevelWarn Level = "warn" // it works, with less
	LevelFail Level = "fail" // it does not work
)

// Finding is the outcome of one look at the machine or at a deployment: what is
// broken, what was seen, and what to do.
type Finding struct {
	Check   string `json:"check"`
	Level   Level  `json:"level"`
	Detail  string `json:"detail"`
	Seen    string `json:"seen,omitempty"`    // lines of a log that tell more
	Fix     string `json:"fix,omitempty"`     // what to do, for warn and fail
	Command string `json:"command,omitempty"` // how to do it in a terminal
	Place   string `json:"place,omitempty"`   // address of the page, or the part of the deployment's page, where it can be done
}
