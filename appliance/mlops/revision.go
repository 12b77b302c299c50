package mlops

import (
	"strings"
	"time"
)

// RevisionState is how far a revision got.
type RevisionState string

// The states of a revision, in their order. Rejected, superseded and failed
// are ends.
const (
	RevisionJudging    RevisionState = "judging"    // its gates are being looked at
	RevisionWaiting    RevisionState = "waiting"    // for an approval, or until the deployment goes on
	RevisionRejected   RevisionState = "rejected"   // a gate or a person said no
	RevisionStarting   RevisionState = "starting"   // it ought to be served; the servers are loading it
	RevisionLive       RevisionState = "live"       // every server that is ready answers with it
	RevisionSuperseded RevisionState = "superseded" // another one was put into service
	RevisionFailed     RevisionState = "failed"     // it could not be served
)

// Terminal reports whether a revision in this state has ended.
func (s RevisionState) Terminal() bool {
	return s == RevisionRejected || s == RevisionSuperseded || s == RevisionFailed
}

// Cause is what made a revision.
type Cause string

// The causes of a revision.
const (
	CauseVersion  Cause = "new version" // a version was registered
	CauseAlias    Cause = "alias"       // the followed alias was moved
	CausePromote  Cause = "promote"
	CauseRollback Cause = "rollback"
	CauseDeploy   Cause = "deploy" // the first of a deployment that somebody made
)

// Revision is a model version put into service once, or refused. A rollback is
// a new revision of an old version.
type Revision struct {
	ID         int64         `json:"id"`
	Deployment string        `json:"deployment"`
	Number     int           `json:"number"` // counts from 1 for each deployment
	Model      string        `json:"model"`
	Version    int           `json:"version"`
	RunID      string        `json:"run_id,omitempty"`
	CodeSHA256 string        `json:"code_sha256,omitempty"` // of the code that trained the version, as far as its run says
	Image      string        `json:"image,omitempty"`       // that the code ran in
	State      RevisionState `json:"state"`
	Cause      Cause         `json:"cause"`
	By         string        `json:"by"`
	Reason     string        `json:"reason,omitempty"`
	Gates      []GateResult  `json:"gates,omitempty"`
	Measured   *Measurement  `json:"measured,omitempty"`    // what its gates have had measured, nil for nothing
	Approved   string        `json:"approved_by,omitempty"` // who let it pass although it had to wait, or a gate had failed
	Override   bool          `json:"override,omitempty"`    // it passes whatever its gates find
	Message    string        `json:"message,omitempty"`     // what it waits for, or why it ended
	CreatedAt  time.Time     `json:"created_at"`
	StartedAt  time.Time     `json:"started_at,omitzero"` // when it was put into service, which may have waited for an approval
	LiveAt     time.Time     `json:"live_at,omitzero"`
	EndedAt    time.Time     `json:"ended_at,omitzero"`
}

// BeingMeasured is how the message of a revision begins that is judging because
// it is being measured.
const BeingMeasured = "it is being measured for its gates"

// Measuring reports whether a revision is being measured, which takes seconds.
func (r Revision) Measuring() bool {
	return r.State == RevisionJudging && strings.HasPrefix(r.Message, BeingMeasured)
}

// Serving is what a pod of a deployment answers with.
type Serving struct {
	Pod     string
	Ready   bool
	Version string // "" before its first
	Wanted  string // version that it has been told to serve, "" for none
	Loading bool   // it loads what it ought to serve; a large model takes its time
	Error   string // why it does not serve what it ought to
	// Outdated says that it runs another image than the deployment's servers have
	// by now: it goes as soon as its successor is ready.
	Outdated bool
}
