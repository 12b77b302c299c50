package mlops

import (
	"strings"
	"time"
)

// PodLogQuery says which part of a pod's log is wanted.
type PodLogQuery struct {
	Namespace, Pod string
	Previous       bool      // of the container before the present one
	Follow         bool      // go on with what comes
	Tail           int       // begin with the last lines, 0 for all
	Since          time.Time // leave out what was said before the second of Since
}

// LogLine is a line of a pod's log.
type LogLine struct {
	Time time.Time `json:"time"` // zero if unknown
	Pod  string    `json:"pod"`
	// Ended says that the container that said it has ended since; another one
	// of the pod has taken its place.
	Ended bool   `json:"ended,omitempty"`
	Text  string `json:"text"`
}

// ShortPod is the part of a pod's name that tells it from its siblings:
// "q2x7k" of "iris-7c9d8b6f54-q2x7k".
func ShortPod(name string) string { return name[strings.LastIndexByte(name, '-')+1:] }
