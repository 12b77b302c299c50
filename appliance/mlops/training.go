package mlops

import "time"

// Trigger says why training was started.
type Trigger string

// The triggers of training.
const (
	TriggerFirstBoot Trigger = "first-boot"
	TriggerSchedule  Trigger = "schedule"
	TriggerManual    Trigger = "manual"
	TriggerDrift     Trigger = "drift"
	TriggerPush      Trigger = "push"
)

// TrainingState is how far a training got. It only moves forward.
type TrainingState string

// The states of a training.
const (
	TrainingRequested TrainingState = "requested" // the row exists, the Job may not
	TrainingRunning   TrainingState = "running"   // the Job exists
	TrainingSucceeded TrainingState = "succeeded"
	TrainingFailed    TrainingState = "failed"
)

// Terminal reports whether a training in this state has ended.
func (s TrainingState) Terminal() bool { return s == TrainingSucceeded || s == TrainingFailed }

// OutOfMemory is how the message of a training begins that was killed because it
// needed more memory than it may use.
const OutOfMemory = "OOMKilled"

// Waits says in words why the training's pod does not run yet, "" if it does.
// What has ended does not wait: its message says how it ended.
func (t Training) Waits() string {
	if t.State.Terminal() {
		return ""
	}
	return t.Message
}

// Training is one execution of a project's trainer: a Kubernetes Job. Its
// metrics are in the run that the Job's pod logs to the registry.
type Training struct {
	ID         int64         `json:"id"`
	Project    string        `json:"project"`
	Trigger    Trigger       `json:"trigger"`
	State      TrainingState `json:"state"`
	Job        string        `json:"job"`              // name of the Job in the project's namespace
	RunID      string        `json:"run_id,omitempty"` // known once the trainer has created its run
	Message    string        `json:"message,omitempty"`
	CodeSHA256 string        `json:"code_sha256,omitempty"` // of the trainer's code; known once the Job is there, like the image
	Image      string        `json:"image,omitempty"`
	// Environment is the request of the CodeEnvironment that its code asked for, ""
	// for the lab's Python as it is.
	Environment string    `json:"environment,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
}
