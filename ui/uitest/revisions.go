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
