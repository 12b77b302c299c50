package mlops

import (
	"encoding/json"
	"time"
)

// ProjectSpec is everything that the cluster needs to train a project: the
// wanted state of its namespace, volume and trainer. Objects are named after
// the project, so applying the same spec twice changes nothing.
type ProjectSpec struct {
	Project     Project
	Dataset     Dataset
	Image       string            // runs the trainer
	Trainer     map[string]string // file name → content, mounted at /opt/benchtop
	TrainerMain string            // the file of Trainer that is started
	TrainerSHA  string            // digest of Trainer
	Secret      map[string]string // environment of the trainer that must stay secret
	// EnvironmentImage runs pushed code in Image's place, "" if Image has all that
	// it needs. EnvironmentRequest is what it was built for.
	EnvironmentImage, EnvironmentRequest string
}

// DeploymentSpec is everything that the cluster needs to serve a deployment:
// the wanted state of its servers, and how a version is brought to them. The
// objects are named after the deployment.
type DeploymentSpec struct {
	Deployment  Deployment        // with the host and the path of its ingress
	Image       string            // runs servers, and what brings versions
	Node        string            // where the volume lies
	GPU         GPURequests       // of its servers; a project's deployment has its project's
	Server      map[string]string // file name → content, mounted at /opt/benchtop
	ServerMain  string
	ServerSHA   string
	Bring       map[string]string // the trainer's code, of which one file brings versions and one measures them
	BringMain   string
	MeasureMain string
	BringSHA    string
	Secret      map[string]string // environment of what brings versions; a project's deployment uses its trainer's
	// EnvironmentImage runs servers, and what brings and measures versions, in
	// Image's place, "" if Image has all that the model needs.
	EnvironmentImage string
}

// Job is a training's Job as the cluster reports it.
type Job struct {
	Name       string
	Project    string
	Trigger    Trigger
	State      TrainingState
	Message    string
	Waits      bool   // it runs, but none of its pods does
	CodeSHA256 string // of the code that it runs
	Image      string
	CreatedAt  time.Time
	EndedAt    time.Time
}

// IsJSONObject reports whether s is one JSON object.
func IsJSONObject(s string) bool {
	var m map[string]json.RawMessage
	return json.Unmarshal([]byte(s), &m) == nil && m != nil
}
