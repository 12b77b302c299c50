// Package pills says in one word and a colour how something is: the same on every
// page.
package pills

import (
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/appliance/supervise"
	"github.com/benchtop-lab/benchtop/ui/view"
)

// Unit says how a unit of the process is.
func Unit(s supervise.State) view.Pill {
	switch s {
	case supervise.Ready:
		return view.Pill{Kind: view.Good, Text: "ready"}
	case supervise.Starting, supervise.Stopping:
		return view.Pill{Kind: view.Busy, Text: string(s)}
	case supervise.Failed:
		return view.Pill{Kind: view.Bad, Text: "failed"}
	}
	return view.Pill{Kind: view.Idle, Text: string(s)}
}

// Run says how a run is.
func Run(s mlops.RunStatus) view.Pill {
	switch s {
	case mlops.RunFinished:
		return view.Pill{Kind: view.Good, Text: "finished"}
	case mlops.RunRunning:
		return view.Pill{Kind: view.Busy, Text: "running"}
	case mlops.RunFailed:
		return view.Pill{Kind: view.Bad, Text: "failed"}
	case mlops.RunKilled:
		return view.Pill{Kind: view.Bad, Text: "killed"}
	}
	return view.Pill{Kind: view.Idle, Text: "scheduled"}
}

// Training says how a training is.
func Training(s mlops.TrainingState) view.Pill {
	switch s {
	case mlops.TrainingSucceeded:
		return view.Pill{Kind: view.Good, Text: "succeeded"}
	case mlops.TrainingRunning:
		return view.Pill{Kind: view.Busy, Text: "running"}
	case mlops.TrainingFailed:
		return view.Pill{Kind: view.Bad, Text: "failed"}
	}
	return view.Pill{Kind: view.Busy, Text: "requested"}
}

// Pod says how a pod is.
func Pod(p mlops.Pod) view.Pill {
	switch {
	case p.Phase == "Succeeded":
		return view.Pill{Kind: view.Good, Text: "succeeded"}
	case p.Phase == "Failed":
		return view.Pill{Kind: view.Bad, Text: "failed"}
	case p.Phase == "Running" && p.Ready:
		return view.Pill{Kind: view.Good, Text: "ready"}
	case p.Phase == "Running":
		return view.Pill{Kind: view.Warn, Text: "not ready"}
	}
	return view.Pill{Kind: view.Busy, Text: "pending"}
}

// Deployment says how a deployment is.
func Deployment(d mlops.Deployment) view.Pill {
	switch {
	case d.Deleting:
		return view.Pill{Kind: view.Busy, Text: "being deleted"}
	case d.Answers() && d.Ready >= d.Replicas:
		return view.Pill{Kind: view.Good, Text: "serving"}
	case d.Ready > 0:
		return view.Pill{Kind: view.Warn, Text: "degraded"}
	case d.Replicas == 0:
		return view.Pill{Kind: view.Idle, Text: "scaled to zero"}
	}
	return view.Pill{Kind: view.Busy, Text: "not ready"}
}

// Version says how a model version is.
func Version(status string) view.Pill {
	switch status {
	case "READY":
		return view.Pill{Kind: view.Good, Text: "ready"}
	case "FAILED_REGISTRATION":
		return view.Pill{Kind: view.Bad, Text: "failed"}
	}
	return view.Pill{Kind: view.Busy, Text: "pending"}
}

// LoggedModel says how a logged model is.
func LoggedModel(status string) view.Pill {
	switch status {
	case "READY":
		return view.Pill{Kind: view.Good, Text: "ready"}
	case "UPLOAD_FAILED":
		return view.Pill{Kind: view.Bad, Text: "upload failed"}
	}
	return view.Pill{Kind: view.Busy, Text: "pending"}
}

// Revision says how a revision is.
func Revision(s mlops.RevisionState) view.Pill {
	switch s {
	case mlops.RevisionLive:
		return view.Pill{Kind: view.Good, Text: "live"}
	case mlops.RevisionStarting, mlops.RevisionJudging:
		return view.Pill{Kind: view.Busy, Text: string(s)}
	case mlops.RevisionWaiting:
		return view.Pill{Kind: view.Warn, Text: "waiting"}
	case mlops.RevisionRejected, mlops.RevisionFailed:
		return view.Pill{Kind: view.Bad, Text: string(s)}
	}
	return view.Pill{Kind: view.Idle, Text: string(s)}
}

// Holds says whether a deployment is pinned or paused.
func Holds(d mlops.Deployment) []view.Pill {
	var out []view.Pill
	if d.Pinned {
		out = append(out, view.Pill{Kind: view.Idle, Text: "pinned"})
	}
	if d.Paused {
		out = append(out, view.Pill{Kind: view.Warn, Text: "paused"})
	}
	return out
}
