package uitest

import (
	"fmt"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// addRevisions adds what the deployment has served: two versions as they came,
// a rollback, and what was promoted by hand; between them one that a gate has
// refused.
func (w *World) addRevisions() {
	t := w.Clock()
	minimum := 0.9
	w.Projects[0].Gates = mlops.Gates{Metrics: map[string]mlops.Bound{"accuracy": {Minimum: &minimum, Comparison: mlops.CompareGTE}, "log_loss": {Comparison: mlops.CompareLTE}}}
	passed := func(value string) []mlops.GateResult {
		return []mlops.GateResult{{Metric: "accuracy", Bound: "at least 0.9", Value: value, Passed: true}}
	}
	rs := []mlops.Revision{
		{Version: 12, State: mlops.RevisionLive, Cause: mlops.CausePromote, By: "ada", Reason: "better on small flowers", Gates: passed("0.9771")},
		{Version: 11, State: mlops.RevisionRejected, Cause: mlops.CauseVersion, By: "benchtop", Gates: []mlops.GateResult{{Metric: "accuracy", Bound: "at least 0.97", Value: "0.9639"}},
			Message: "gate accuracy failed: 0.9639, expected at least 0.97"},
		{Version: 9, State: mlops.RevisionSuperseded, Cause: mlops.CauseRollback, By: "admin", Reason: "Version 10 takes every third virginica for versicolor."},
		{Version: 10, State: mlops.RevisionSuperseded, Cause: mlops.CauseVersion, By: "benchtop", Gates: passed("0.9645")},
		{Version: 9, State: mlops.RevisionSuperseded, Cause: mlops.CauseVersion, By: "benchtop", Gates: passed("0.9631")},
	}
	for i := range rs {
		r := &rs[i]
		r.ID, r.Number, r.Deployment, r.Model = int64(len(rs)-i), len(rs)-i, "iris", "iris"
		r.CreatedAt = t.Add(-time.Duration(i+1)*15*time.Minute + time.Minute)
		r.RunID = digest(fmt.Sprint("run", r.Version+1))[:32]
		if r.State != mlops.RevisionRejected {
			r.LiveAt = r.CreatedAt.Add(2 * time.Second)
		}
		if r.State.Terminal() {
			r.EndedAt = r.CreatedAt.Add(15 * time.Minute)
		}
	}
	w.Revisions = map[string][]mlops.Revision{"iris": rs}
	live := rs[0]
	w.Deployments[0].Revision = &live
}

// Put puts a revision at the head of a deployment's history.
func (w *World) Put(r mlops.Revision) {
	w.Change(func() {
		history := w.Revisions[r.Deployment]
		r.Number = len(history) + 1
		w.Revisions[r.Deployment] = append([]mlops.Revision{r}, history...)
	})
}

// Settle puts into service what is being put into service.
func (w *World) Settle() {
	w.Lock()
	var changed bool
	for i := range w.Deployments {
		d := &w.Deployments[i]
		if d.Revision == nil || d.Revision.State != mlops.RevisionStarting {
			continue
		}
		changed = true
		now, history := w.Clock(), w.Revisions[d.Name]
		for j := range history {
			r := &history[j]
			switch {
			case r.Number == d.Revision.Number:
				r.State, r.LiveAt = mlops.RevisionLive, now
				live := *r
				d.Revision, d.Version, d.RunID, d.LoadedAt = &live, fmt.Sprint(r.Version), r.RunID, now
			case r.State == mlops.RevisionLive:
				r.State, r.EndedAt = mlops.RevisionSuperseded, now
			}
		}
	}
	w.Unlock()
	if changed {
		w.Change(func() {})
	}
}

// Refused returns a full lab in which a gate has refused the newest version.
func Refused(now func() time.Time) *World {
	w := Full(now)
	w.serveOlder(1)
	return w
}

// Awaiting returns a full lab in which the newest version waits for a person.
func Awaiting(now func() time.Time) *World {
	w := Full(now)
	w.serveOlder(2)
	w.Projects[0].Gates.Approval = mlops.ApprovalRequired
	w.Put(mlops.Revision{Deployment: "iris", Model: "iris", Version: 12, RunID: w.Runs[1].ID, State: mlops.RevisionWaiting, Cause: mlops.CauseVersion, By: "benchtop",
		Gates:   []mlops.GateResult{{Metric: "accuracy", Bound: "at least 0.9", Value: "0.9771", Passed: true}, {Metric: "log_loss", Bound: "at most 0.1154", Value: "0.1123", Passed: true}},
		Message: "it waits for an approval: `benchtop approve iris`, or the deployment's page", CreatedAt: w.Clock().Add(-2 * time.Minute)})
	return w
}

// Held returns a full lab whose deployment is pinned and paused, so that the
// newest version waits.
func Held(now func() time.Time) *World {
	w := Full(now)
	w.serveOlder(2)
	w.Deployments[0].Pinned, w.Deployments[0].Paused = true, true
	w.Put(mlops.Revision{Deployment: "iris", Model: "iris", Version: 12, RunID: w.Runs[1].ID, State: mlops.RevisionWaiting, Cause: mlops.CausePromote, By: "ada", Reason: "better on small flowers",
		Message: "the deployment is paused: `benchtop resume iris`", CreatedAt: w.Clock().Add(-2 * time.Minute)})
	return w
}

// serveOlder forgets the newest n revisions and serves the newest that is left
// and was ever live.
func (w *World) serveOlder(n int) {
	rs := w.Revisions["iris"][n:]
	w.Revisions["iris"] = rs
	for i := range rs {
		r := &rs[i]
		if r.LiveAt.IsZero() {
			continue
		}
		r.State, r.EndedAt = mlops.RevisionLive, time.Time{}
		live, d := *r, &w.Deployments[0]
		d.Revision, d.Version, d.RunID, d.LoadedAt = &live, fmt.Sprint(r.Version), r.RunID, r.LiveAt
		return
	}
}
