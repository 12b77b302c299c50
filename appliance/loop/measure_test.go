package loop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// slowest allows a latency.
func slowest(ms float64) mlops.Gates {
	return mlops.Gates{Metrics: map[string]mlops.Bound{mlops.MeasuredLatency: {Maximum: &ms}}}
}

// measuring returns a loop that serves version 1, with gates, and whose Jobs
// find a latency of 2 ms.
func measuring(t *testing.T, g mlops.Gates) (*world, *Loop) {
	w, l := serving(t)
	w.gates(t, g)
	w.finds = func(_ mlops.Revision, served *mlops.Revision) mlops.Job {
		return mlops.Job{State: mlops.TrainingSucceeded, Message: fmt.Sprintf(`{"candidate": {"latency_p95_ms": 2, "accuracy": 0.8}, "against": %d, "served": {"accuracy": 0.7}, "holdout": "30 rows"}`, served.Version)}
	}
	return w, l
}

// found makes passes until what is measured is judged.
func found(t *testing.T, l *Loop) {
	t.Helper()
	for range 3 {
		atRest(t, l) // the end of a Job wakes the loop
	}
}

func TestACandidateIsMeasured(t *testing.T) {
	w, l := measuring(t, slowest(10000))
	w.register(2, 0.9)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is live; 2: v2 by new version is judging; serves v1, alias v1")
	if got := w.revisions[1].Message; got != "it is being measured for its gates: latency_p95_ms" {
		t.Errorf("while it is measured it says %q", got)
	}
	found(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
	if r := w.revisions[1]; len(r.Gates) != 1 || r.Gates[0].String() != "gate latency_p95_ms passed: 2 ms, expected at most 10000 ms (measured at 2026-01-02 03:04 UTC)" || r.Measured.Against != 1 {
		t.Errorf("on record is %+v", r)
	}
	w.gates(t, slowest(1e-6))
	w.register(3, 0.9)
	found(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; 3: v3 by new version is rejected; serves v2, alias v2")
	if got := w.revisions[2].Message; got != "gate latency_p95_ms failed: 2 ms, expected at most 1e-06 ms (measured at 2026-01-02 03:04 UTC). `benchtop promote iris 3` measures it again; with --override and --reason it is served all the same" {
		t.Errorf("it says %q", got)
	}
	if _, err := l.Promote(t.Context(), "iris", 3, true, mlops.Act{By: "ann", Reason: "fast enough"}); err != nil {
		t.Fatal(err)
	}
	found(t, l)
	if w.serves != 3 || w.measured != 2 || w.revisions[3].Gates[0].Note != "not measured: the gates are overridden" {
		t.Errorf("after an override v%d is served, %d were measured, on record is %+v", w.serves, w.measured, w.revisions[3])
	}
}

// One that waits has been measured once.
func TestWhatWaitsIsNotMeasuredAgain(t *testing.T) {
	g := slowest(10)
	g.Approval = mlops.ApprovalRequired
	w, l := measuring(t, g)
	w.register(2, 0.9)
	found(t, l)
	clear(w.measures) // its Job is long gone
	found(t, l)
	if r := w.revisions[1]; r.State != mlops.RevisionWaiting || w.measured != 1 {
		t.Errorf("measured %d times, it is %+v", w.measured, r)
	}
	if _, err := l.Approve(t.Context(), "iris", 0, mlops.Act{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	found(t, l)
	if w.serves != 2 {
		t.Error(w.history())
	}
}

// Only what the gates name is measured, so gates that name another metric while
// a revision waits have it measured once more.
func TestGatesThatAskForMore(t *testing.T) {
	g := slowest(10)
	g.Approval = mlops.ApprovalRequired
	w, l := measuring(t, g)
	w.register(2, 0.9)
	found(t, l)
	if r := w.revisions[1]; r.State != mlops.RevisionWaiting || !slices.Equal(w.asked[r.ID], []string{mlops.MeasuredLatency}) || !slices.Equal(r.Measured.Asked, w.asked[r.ID]) {
		t.Errorf("%v was asked for, on record is %+v", w.asked, r.Measured)
	}
	one := 1.0
	g.Metrics[mlops.MeasuredSize] = mlops.Bound{Maximum: &one}
	w.gates(t, g)
	w.finds = func(mlops.Revision, *mlops.Revision) mlops.Job {
		return mlops.Job{State: mlops.TrainingSucceeded, Message: `{"candidate": {"latency_p95_ms": 2, "model_size_mb": 0.5}}`}
	}
	found(t, l)
	r := w.revisions[1]
	if r.State != mlops.RevisionWaiting || w.measured != 2 || !slices.Equal(w.asked[r.ID], []string{mlops.MeasuredLatency, mlops.MeasuredSize}) {
		t.Errorf("measured %d times, %v was asked for, it is %+v", w.measured, w.asked, r)
	}
	delete(g.Metrics, mlops.MeasuredLatency) // fewer need no other Job
	found(t, l)
	if w.measured != 2 {
		t.Errorf("measured %d times", w.measured)
	}
}

// A first version has nothing that its importances could be compared with: no
// Job is made that could fail it.
func TestStabilityOfAFirstVersion(t *testing.T) {
	half := 0.5
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	w.gates(t, mlops.Gates{Metrics: map[string]mlops.Bound{mlops.MeasuredStability: {Minimum: &half}}})
	w.finds = func(mlops.Revision, *mlops.Revision) mlops.Job {
		return mlops.Job{State: mlops.TrainingFailed, Message: "no memory"}
	}
	w.register(1, 0.9)
	found(t, l)
	expectHistory(t, w, "1: v1 by new version is live; serves v1, alias v1")
	if w.measured != 0 || w.revisions[0].Gates[0].Note != "nothing is served yet that it could be compared with" {
		t.Errorf("measured %d times, on record is %+v", w.measured, w.revisions[0].Gates)
	}
	w.register(2, 0.9)
	found(t, l)
	if r := w.revisions[1]; w.measured != 1 || r.State != mlops.RevisionRejected {
		t.Errorf("measured %d times, the second is %s: %s", w.measured, r.State, r.Message)
	}
}

// Two datasets, two hold-outs: both versions are evaluated on one.
func TestVersionsOfTwoDatasetsAreComparedAnew(t *testing.T) {
	w, l := measuring(t, mlops.Gates{Metrics: map[string]mlops.Bound{"accuracy": {Comparison: mlops.CompareGTE}}})
	w.register(2, 0.8)
	r := w.runs["run-2"]
	r.Inputs = []mlops.DatasetInput{{Name: "iris", Digest: "new"}}
	w.runs["run-2"] = r
	found(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
	if got := w.revisions[1].Gates[0].String(); got != "gate accuracy passed: 0.8, expected at least 0.7 (both versions measured on the 30 rows at 2026-01-02 03:04 UTC)" {
		t.Errorf("on record is %q", got)
	}
	// On the same dataset nothing has to be measured.
	w.register(3, 0.8)
	w.runs["run-3"] = mlops.Run{ID: "run-3", Status: mlops.RunFinished, Metrics: w.runs["run-3"].Metrics, Inputs: r.Inputs}
	atRest(t, l)
	if w.serves != 3 || w.measured != 1 {
		t.Errorf("measured %d times: %s", w.measured, w.history())
	}
}

func TestAMeasurementThatFails(t *testing.T) {
	for _, c := range []struct {
		job  mlops.Job
		want string
	}{
		{mlops.Job{State: mlops.TrainingFailed, Message: "the registry was not ready within 180 s"}, "could not be measured: the registry was not ready within 180 s"},
		{mlops.Job{State: mlops.TrainingSucceeded}, "could not be measured: its Job has ended without a result"},
		{mlops.Job{State: mlops.TrainingSucceeded, Message: `{"errors": [{"metrics": ["latency_p95_ms"], "reason": "the server cannot load it"}]}`}, "could not be measured: the server cannot load it"},
	} {
		w, l := measuring(t, slowest(10))
		w.finds = func(mlops.Revision, *mlops.Revision) mlops.Job { return c.job }
		w.register(2, 0.9)
		found(t, l)
		r := w.revisions[1]
		if r.State != mlops.RevisionRejected || !strings.Contains(r.Message, c.want) || !strings.Contains(r.Message, "`benchtop promote iris 2` measures it again") {
			t.Errorf("it is %s: %q, expected %q", r.State, r.Message, c.want)
		}
		if w.serves != 1 {
			t.Error(w.history())
		}
	}
}

// What a Job could not reach is no fault of the version: it is judged when that
// is back, however long it takes.
func TestAFaultRejectsNothing(t *testing.T) {
	w, l := measuring(t, slowest(10))
	w.away = "cannot reach s3.benchtop.svc:9000"
	w.register(2, 0.9)
	atRest(t, l)
	want := "it is being measured for its gates: latency_p95_ms"
	for range 5 {
		if r := w.revisions[1]; r.State != mlops.RevisionJudging || r.Message != want {
			t.Errorf("it is %s: %q, expected %q", r.State, r.Message, want)
		}
		atRest(t, l)
		want = "it could not be measured for its gates yet: cannot reach s3.benchtop.svc:9000. It is tried again every few minutes"
	}
	if w.revisions[1].Measuring() {
		t.Error("a command would wait for it, for ever")
	}
	w.away = ""
	found(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
	if r := w.revisions[1]; r.Message != "" || r.Measured.Failed != "" {
		t.Errorf("it says %q, on record is %+v", r.Message, r.Measured)
	}
}

// Somebody renames the model while its Job ends: what the Job says of the old
// name is no verdict, and another one is made for the new.
func TestAModelIsRenamedWhileItIsMeasured(t *testing.T) {
	w, l := measuring(t, slowest(10))
	succeeds := w.finds
	w.finds = func(r mlops.Revision, served *mlops.Revision) mlops.Job {
		if r.Model == "iris" {
			w.rename = "flowers"
			return mlops.Job{State: mlops.TrainingFailed, Message: "there is no model iris"}
		}
		return succeeds(r, served)
	}
	w.register(2, 0.9)
	for range 6 {
		atRest(t, l)
	}
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
	if r := w.revisions[1]; w.measured != 2 || r.Measured == nil || r.Measured.Failed != "" {
		t.Errorf("measured %d times, on record is %+v", w.measured, r.Measured)
	}
}

// A crash at any call while a version is measured is ended by the next start,
// and nothing is measured twice.
func TestCrashWhileMeasuring(t *testing.T) {
	scenario := func(ctx context.Context, l *Loop) (errs error) {
		for range 6 {
			if _, err := l.release(ctx); err != nil {
				return errors.Join(errs, err)
			}
		}
		return errs
	}
	prepare := func() (*world, *Loop) {
		w, l := measuring(t, slowest(10))
		w.register(2, 0.99)
		w.calls = nil
		return w, l
	}
	const end = "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2"
	calls, l := prepare()
	if err := scenario(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	steps := calls.calls
	expectHistory(t, calls, end)
	for n := 1; n <= len(steps); n++ {
		for _, after := range []bool{false, true} {
			w, l := prepare()
			w.fail, w.after = n, after
			_ = scenario(t.Context(), l) // some failures are only logged, and mended by the next pass
			w.fail = 0
			l = w.start()
			run(t, l.Prepare)
			found(t, l)
			if got := w.history(); got != end || w.measured != 1 || w.revisions[1].Measured == nil {
				t.Errorf("after a crash at call %d, %s (after its effect: %t): measured %d times\n%s", n, steps[n-1], after, w.measured, got)
			}
		}
	}
}
