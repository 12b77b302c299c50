package mlops

import (
	"encoding/json"
	"time"
)

// ProjectSpec is everything that the cluster needs to run a project: the
// wanted state of its namespace, volume, trainer and server. Objects are
// named after the project, so applying the same spec twice changes nothing.
type ProjectSpec struct {
	Project     Project
	Dataset     Dataset
	Host        string            // ingress host, for example iris.lab.internal
	Path        string            // ingress path on any host, for example /models/iris
	Image       string            // runs trainer and server
	Trainer     map[string]string // file name → content, mounted at /opt/benchtop
	TrainerMain string            // the file of Trainer that is started
	TrainerSHA  string            // digest of Trainer
	Server      map[string]string
	ServerMain  string
	ServerSHA   string
	Secret      map[string]string // environment of the trainer that must stay secret
}

// Job is a training's Job as the cluster reports it.
type Job struct {
	Name      string
	Project   string
	Trigger   Trigger
	State     TrainingState
	Message   string
	CreatedAt time.Time
	EndedAt   time.Time
}

// IsJSONObject reports whether s is one JSON object.
func IsJSONObject(s string) bool {
	var m map[string]json.RawMessage
	return json.Unmarshal([]byte(s), &m) == nil && m != nil
}
