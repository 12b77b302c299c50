package loop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// register makes a version with a run that has ended.
func (w *world) register(version int, accuracy float64) {
	run := fmt.Sprintf("run-%d", version)
	w.versions[version] = run
	w.volume[version] = true
	w.runs[run] = mlops.Run{ID: run, Status: mlops.RunFinished, Metrics: []mlops.Metric{{Key: "accuracy", Value: accuracy}}}
}

// atRest makes passes until nothing is on its way.
func atRest(t *testing.T, l *Loop) {
	t.Helper()
	for range 20 {
		again, err := l.release(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		busy := again > 0
		select {
		case <-l.kick:
			busy = true
		default:
		}
		if !busy {
			return
		}
	}
	t.Fatal("the loop does not come to rest")
}

// history is what became of each revision, oldest first.
func (w *world) history() string {
	var b strings.Builder
	for _, r := range w.revisions {
		fmt.Fprintf(&b, "%d: v%d by %s is %s; ", r.Number, r.Version, r.Cause, r.State)
	}
	fmt.Fprintf(&b, "serves v%d, alias v%d", w.serves, w.alias)
	return b.String()
}

func expectHistory(t *testing.T, w *world, want string) {
	t.Helper()
	if got := w.history(); got != want {
		t.Errorf("found\n%s\nexpected\n%s", got, want)
	}
}

func (w *world) gates(t *testing.T, g mlops.Gates) {
	t.Helper()
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	w.projects[0].Gates = g
}

func least(f float64) mlops.Gates {
	return mlops.Gates{Metrics: map[string]mlops.Bound{"accuracy": {Minimum: &f}}}
}

// serving returns a loop whose deployment serves version 1.
func serving(t *testing.T) (*world, *Loop) {
	t.Helper()
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	w.register(1, 0.95)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is live; serves v1, alias v1")
	return w, l
}

func TestANewVersionGoesLive(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.9)
	atRest(t, l)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
}

func TestAMovedAliasIsFollowed(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.9)
	atRest(t, l)
	w.alias = 1 // by an MLflow client
	atRest(t, l)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is superseded; 3: v1 by alias is live; serves v1, alias v1")
}

func TestAFailedGateKeepsWhatIsServed(t *testing.T) {
	w, l := serving(t)
	w.gates(t, least(0.9))
	w.register(2, 0.8)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is live; 2: v2 by new version is rejected; serves v1, alias v1")
	if got := w.revisions[1].Message; got != "gate accuracy failed: 0.8, expected at least 0.9" {
		t.Errorf("it says %q", got)
	}
	_, err := l.Promote(t.Context(), "iris", 2, false, mlops.Act{By: "ann"})
	if mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(mlops.MessageOf(err), "version 2 of iris was not put into service: gate accuracy failed: 0.8, expected at least 0.9") {
		t.Errorf("error %v", err)
	}
	if _, err := l.Promote(t.Context(), "iris", 2, true, mlops.Act{By: "ann"}); mlops.CodeOf(err) != mlops.Invalid || !strings.Contains(mlops.MessageOf(err), "needs a reason") {
		t.Errorf("an override without a reason: error %v", err)
	}
	if _, err := l.Promote(t.Context(), "iris", 2, true, mlops.Act{By: "ann", Reason: "new flowers"}); err != nil {
		t.Fatal(err)
	}
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is rejected; 3: v2 by promote is rejected; 4: v2 by promote is live; serves v2, alias v2")
	if r := w.revisions[3]; r.Approved != "ann" || r.Reason != "new flowers" || len(r.Gates) != 1 || r.Gates[0].Passed {
		t.Errorf("on record is %+v", r)
	}
}

func TestGatesWaitForTheEndOfTheRun(t *testing.T) {
	w, l := serving(t)
	w.gates(t, least(0.9))
	w.register(2, 0.5)
	r := w.runs["run-2"]
	r.Status = mlops.RunRunning
	w.runs["run-2"] = r
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is live; 2: v2 by new version is judging; serves v1, alias v1")
	if got := w.revisions[1].Message; got != "its gates wait for the end of run run-2, which may log more metrics until then" {
		t.Errorf("it says %q", got)
	}
	w.register(2, 0.97)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
}

func TestComparison(t *testing.T) {
	w, l := serving(t)
	w.gates(t, mlops.Gates{Metrics: map[string]mlops.Bound{"accuracy": {Comparison: mlops.CompareGTE}}})
	w.register(2, 0.94)
	atRest(t, l)
	if got := w.revisions[1].Message; got != "gate accuracy failed: 0.94, expected at least 0.95" {
		t.Errorf("it says %q", got)
	}
	w.register(3, 0.95)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is rejected; 3: v3 by new version is live; serves v3, alias v3")
}

func TestApproval(t *testing.T) {
	w, l := serving(t)
	w.gates(t, mlops.Gates{Approval: mlops.ApprovalRequired})
	w.register(2, 0.9)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is live; 2: v2 by new version is waiting; serves v1, alias v1")
	if _, err := l.Approve(t.Context(), "iris", 0, mlops.Act{By: "ann"}); err != nil {
		t.Fatal(err)
	}
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
	w.register(3, 0.9)
	atRest(t, l)
	if r, err := l.Reject(t.Context(), "iris", 3, mlops.Act{By: "ann", Reason: "no"}); err != nil || r.State != mlops.RevisionRejected {
		t.Errorf("%+v, error %v", r, err)
	}
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; 3: v3 by new version is rejected; serves v2, alias v2")
	for number, want := range map[int]string{0: "no revision of deployment iris waits for a decision", 9: "deployment iris has no revision 9: see `benchtop revisions iris`", 2: "revision 2 is live"} {
		if _, err := l.Approve(t.Context(), "iris", number, mlops.Act{}); mlops.MessageOf(err) != want {
			t.Errorf("approve %d: error %v, expected %q", number, err, want)
		}
	}
}

func TestPause(t *testing.T) {
	w, l := serving(t)
	yes, no := true, false
	if _, err := l.Hold(t.Context(), "iris", nil, &yes); err != nil {
		t.Fatal(err)
	}
	w.register(2, 0.9)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is live; 2: v2 by new version is waiting; serves v1, alias v1")
	if _, err := l.Promote(t.Context(), "iris", 2, false, mlops.Act{}); !strings.Contains(mlops.MessageOf(err), "is paused: `benchtop resume iris` first") {
		t.Errorf("error %v", err)
	}
	if _, err := l.Hold(t.Context(), "iris", nil, &no); err != nil {
		t.Fatal(err)
	}
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
}

func TestPin(t *testing.T) {
	w, l := serving(t)
	yes, no := true, false
	if _, err := l.Hold(t.Context(), "iris", &yes, nil); err != nil {
		t.Fatal(err)
	}
	w.register(2, 0.9)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is live; serves v1, alias v1")
	if _, err := l.Hold(t.Context(), "iris", &no, nil); err != nil {
		t.Fatal(err)
	}
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")

	empty := newWorld()
	l = empty.start()
	run(t, l.Prepare)
	if _, err := l.Hold(t.Context(), "iris", &yes, nil); !strings.Contains(mlops.MessageOf(err), "serves nothing yet") {
		t.Errorf("error %v", err)
	}
}

func TestRollback(t *testing.T) {
	w, l := serving(t)
	if _, err := l.Rollback(t.Context(), "iris", 0, mlops.Act{}); !strings.Contains(mlops.MessageOf(err), "has served nothing else before") {
		t.Errorf("error %v", err)
	}
	// Gates ask nothing of what was served before.
	w.gates(t, least(0.96))
	w.register(2, 0.99)
	atRest(t, l)
	r, err := l.Rollback(t.Context(), "iris", 0, mlops.Act{By: "ann", Reason: " it was worse "})
	if err != nil || r.State != mlops.RevisionStarting || r.Reason != "it was worse" {
		t.Fatalf("%+v, error %v", r, err)
	}
	if w.told != 1 {
		t.Errorf("the servers were told version %d before Rollback returned", w.told)
	}
	atRest(t, l)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is superseded; 3: v1 by rollback is live; serves v1, alias v1")
	for to, want := range map[int]string{
		-1: "revision -1: expected the number of a revision, from 1",
		3:  "revision 3 is version 1, which deployment iris serves already",
		7:  "deployment iris has no revision 7: see `benchtop revisions iris`",
	} {
		if _, err := l.Rollback(t.Context(), "iris", to, mlops.Act{}); mlops.MessageOf(err) != want {
			t.Errorf("to %d: error %v, expected %q", to, err, want)
		}
	}
	w.register(3, 0.5)
	atRest(t, l)
	if _, err := l.Rollback(t.Context(), "iris", 4, mlops.Act{}); !strings.Contains(mlops.MessageOf(err), "was never live: to serve its version use `benchtop promote iris 3`") {
		t.Errorf("error %v", err)
	}
	if _, err := l.Rollback(t.Context(), "iris", 2, mlops.Act{}); err != nil {
		t.Fatal(err)
	}
	atRest(t, l)
	if w.serves != 2 {
		t.Errorf("it serves v%d", w.serves)
	}
}

// A rollback must find its version on the volume, whatever has come since. A
// version that was never live is nothing to go back to.
func TestWhatARollbackWantsStays(t *testing.T) {
	w, l := serving(t)
	if len(w.keeps) != 0 {
		t.Errorf("beside the first version %v stay", w.keeps)
	}
	for version := 2; version <= 5; version++ {
		w.register(version, 0.9)
		atRest(t, l)
	}
	if !slices.Equal(w.keeps, []int{4, 3, 2}) {
		t.Errorf("while version 5 is served %v stay", w.keeps)
	}
	if _, err := l.Rollback(t.Context(), "iris", 0, mlops.Act{By: "ann", Reason: "worse"}); err != nil {
		t.Fatal(err)
	}
	atRest(t, l)
	if w.serves != 4 || !slices.Equal(w.keeps, []int{5, 3, 2}) {
		t.Errorf("version %d is served, %v stay", w.serves, w.keeps)
	}
}

func TestAVersionIsBrought(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.9)
	delete(w.volume, 2)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
	if w.brought[2] != 1 {
		t.Errorf("it was brought %d times", w.brought[2])
	}
}

func TestAVersionThatCannotBeServed(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.9)
	delete(w.volume, 2)
	w.unloadable[2] = true
	atRest(t, l)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is live; 2: v2 by new version is failed; serves v1, alias v1")
	if got := w.revisions[1].Message; got != "version 2 could not be brought to the servers: the run has no serving/model.json" {
		t.Errorf("it says %q", got)
	}
	if w.told != 1 {
		t.Errorf("the servers are still told version %d", w.told)
	}
}

// What a Job could not reach fails no revision: it starts when that is back.
func TestAFaultFailsNothing(t *testing.T) {
	w, l := serving(t)
	w.away = "cannot reach s3.benchtop.svc:9000"
	w.register(2, 0.9)
	delete(w.volume, 2)
	for range 5 {
		if _, err := l.release(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(5 * time.Minute)
	}
	expectHistory(t, w, "1: v1 by new version is live; 2: v2 by new version is starting; serves v1, alias v2")
	if got := w.revisions[1].Message; got != "version 2 could not be brought to the servers yet: cannot reach s3.benchtop.svc:9000. It is tried again every few minutes" {
		t.Errorf("it says %q", got)
	}
	notes := 0
	for _, op := range w.calls {
		if op == "NoteRevision" {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("that was written %d times", notes)
	}
	w.away = ""
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
	if got := w.revisions[1].Message; got != "" {
		t.Errorf("it says %q", got)
	}
	w.broken["NoteRevision"], w.away = errors.New("no luck"), "cannot reach s3.benchtop.svc:9000"
	w.register(3, 0.9)
	delete(w.volume, 3)
	if _, err := l.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.release(t.Context()); err == nil || err.Error() != "note what keeps revision 3 of iris: no luck" {
		t.Errorf("error %v", err)
	}
}

// A volume that has lost what is live, while nothing can bring it.
func TestAFaultWhileAVersionIsHealed(t *testing.T) {
	w, l := serving(t)
	w.away = "cannot reach s3.benchtop.svc:9000"
	w.serves = 0
	clear(w.volume)
	d, err := w.Deployment(t.Context(), "iris")
	if err != nil {
		t.Fatal(err)
	}
	const want = "version 1 of deployment iris is not on its volume, and could not be brought yet: cannot reach s3.benchtop.svc:9000. It is tried again every few minutes"
	if well, err := l.healOne(t.Context(), d); well || err == nil || err.Error() != want {
		t.Errorf("well: %t, error %v", well, err)
	}
	w.away = ""
	for range 2 {
		l.heal(t.Context())
	}
	if !l.heal(t.Context()) || w.serves != 1 {
		t.Error(w.history())
	}
}

// Somebody renames the model while the Job that brings a version fails.
func TestAModelIsRenamedWhileAVersionIsBrought(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.9)
	delete(w.volume, 2)
	w.unloadable[2], w.rename = true, "flowers"
	for range 2 {
		if _, err := l.release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	expectHistory(t, w, "1: v1 by new version is live; 2: v2 by new version is starting; serves v1, alias v2")
	delete(w.unloadable, 2)
	for range 3 {
		atRest(t, l)
	}
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
}

// With nothing to go back to, the servers are told to serve nothing: they would
// go on trying to load what has failed.
func TestAFirstVersionThatCannotBeServed(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	w.register(1, 0.9)
	delete(w.volume, 1)
	w.unloadable[1] = true
	w.broken["ServeNothing"] = errors.New("the API server is away")
	for range 4 {
		_, _ = l.release(t.Context())
	}
	expectHistory(t, w, "1: v1 by new version is failed; serves v0, alias v1")
	if w.told != 1 {
		t.Fatalf("the servers are told version %d, expected the failed one: nothing could take it back yet", w.told)
	}
	delete(w.broken, "ServeNothing")
	if !l.heal(t.Context()) || w.told != 0 {
		t.Errorf("later the servers are told version %d", w.told)
	}
	w.told = 1 // a crash between the row and the servers
	l = w.start()
	run(t, l.Prepare)
	if w.told != 0 {
		t.Errorf("after a start the servers are told version %d", w.told)
	}
	w.register(2, 0.9)
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is failed; 2: v2 by new version is live; serves v2, alias v2")
}

func TestChangesOfWhatIsNotThere(t *testing.T) {
	w, l := serving(t)
	long := mlops.Act{Reason: strings.Repeat("a", mlops.MaxReason+1)}
	for name, c := range map[string]struct {
		do   func() error
		want string
	}{
		"promote, no deployment": {func() error { _, err := l.Promote(t.Context(), "none", 1, false, mlops.Act{}); return err }, `there is no deployment "none"`},
		"promote, no version":    {func() error { _, err := l.Promote(t.Context(), "iris", 9, false, mlops.Act{}); return err }, `registered model "iris" has no version 9`},
		"promote, served":        {func() error { _, err := l.Promote(t.Context(), "iris", 1, false, mlops.Act{}); return err }, "deployment iris serves version 1 already"},
		"promote, long reason":   {func() error { _, err := l.Promote(t.Context(), "iris", 1, false, long); return err }, "the reason has 1001 bytes, expected at most 1000"},
		"rollback":               {func() error { _, err := l.Rollback(t.Context(), "none", 0, mlops.Act{}); return err }, `there is no deployment "none"`},
		"approve":                {func() error { _, err := l.Approve(t.Context(), "none", 0, mlops.Act{}); return err }, `there is no deployment "none"`},
		"hold":                   {func() error { _, err := l.Hold(t.Context(), "none", nil, nil); return err }, `there is no deployment "none"`},
	} {
		if err := c.do(); mlops.MessageOf(err) != c.want {
			t.Errorf("%s: error %v, expected %q", name, err, c.want)
		}
	}
	if len(w.revisions) != 1 {
		t.Error("what was refused left a revision")
	}
}

// A crash at any call of new version → gate → deploy → rollback is ended by
// the next start: nothing twice, nothing half.
func TestCrashWhileReleasing(t *testing.T) {
	scenario := func(ctx context.Context, w *world, l *Loop) error {
		for range 4 {
			if _, err := l.release(ctx); err != nil {
				return err
			}
		}
		if w.serves == 1 && len(w.revisions) > 2 {
			return nil // it was rolled back before the crash
		}
		_, err := l.Rollback(ctx, "iris", 0, mlops.Act{By: "ann"})
		return err
	}
	prepare := func() (*world, *Loop) {
		w, l := serving(t)
		w.gates(t, least(0.9))
		w.register(2, 0.99)
		w.calls = nil
		return w, l
	}
	const end = "1: v1 by new version is superseded; 2: v2 by new version is superseded; 3: v1 by rollback is live; serves v1, alias v1"
	calls, l := prepare()
	if err := scenario(t.Context(), calls, l); err != nil {
		t.Fatal(err)
	}
	steps := calls.calls
	atRest(t, l)
	expectHistory(t, calls, end)
	for n := 1; n <= len(steps); n++ {
		for _, after := range []bool{false, true} {
			w, l := prepare()
			w.fail, w.after = n, after
			_ = scenario(t.Context(), w, l) // some failures are only logged, and mended by the next pass
			w.fail = 0
			l = w.start()
			run(t, l.Prepare)
			atRest(t, l)
			if w.serves != 1 || len(w.revisions) < 3 {
				if err := scenario(t.Context(), w, l); err != nil && !errors.Is(err, errCrash) {
					t.Errorf("after a crash at %s: %v", steps[n-1], err)
				}
				atRest(t, l)
			}
			if got := w.history(); got != end {
				t.Errorf("after a crash at call %d, %s (after its effect: %t):\n%s", n, steps[n-1], after, got)
			}
		}
	}
}

// Run reacts to a new version at once.
func TestRunFollowsModels(t *testing.T) {
	w, l := serving(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	defer func() { cancel(); <-done }()
	w.mu.Lock()
	w.register(2, 0.9)
	w.mu.Unlock()
	w.modelsC <- struct{}{}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		w.mu.Lock()
		got := w.history()
		w.mu.Unlock()
		if strings.HasSuffix(got, "2: v2 by new version is live; serves v2, alias v2") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(got)
		}
	}
}

// What is live and was lost from the volume is brought again.
func TestWhatTheVolumeLostIsBrought(t *testing.T) {
	w, l := serving(t)
	if !l.heal(t.Context()) || w.brought[1] != 0 {
		t.Errorf("a healthy deployment is found sick, or version 1 was brought %d times", w.brought[1])
	}
	w.volume, w.serves = map[int]bool{}, 0 // the cluster was thrown away
	if l.heal(t.Context()) {
		t.Error("a server without its version is found well")
	}
	if w.brought[1] != 1 || !l.heal(t.Context()) || w.serves != 1 {
		t.Errorf("version 1 was brought %d times, and v%d is served", w.brought[1], w.serves)
	}
	w.told = 7 // a failed revision's, and telling them otherwise has failed
	l.heal(t.Context())
	if w.told != 1 {
		t.Errorf("the servers are told version %d", w.told)
	}
	w.servers = 0
	if l.heal(t.Context()) {
		t.Error("no server at all is found well")
	}
	// Nothing live, nothing to look at.
	empty := newWorld()
	l = empty.start()
	run(t, l.Prepare)
	if !l.heal(t.Context()) {
		t.Error("a deployment that has served nothing yet is found sick")
	}
}

// A run that was killed never says so; its version is brought all the same.
func TestARunThatNeverEndsHoldsNothingUp(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.9)
	delete(w.volume, 2)
	r := w.runs["run-2"]
	r.Status = mlops.RunRunning
	w.runs["run-2"] = r
	for range 5 {
		if _, err := l.release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	expectHistory(t, w, "1: v1 by new version is live; 2: v2 by new version is starting; serves v1, alias v2")
	if w.brought[2] != 0 {
		t.Error("it was brought while its trainer may still write it")
	}
	w.now = w.now.Add(runPatience)
	for range 3 {
		if _, err := l.release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
}

// Servers that are slow are asked with patience.
func TestSlowServersAreNotAskedAllTheTime(t *testing.T) {
	w, l := serving(t)
	w.servers = 0
	w.register(2, 0.9)
	for range 2 {
		if again, err := l.release(t.Context()); err != nil || again > lookAgain {
			t.Errorf("looked at again in %s, %v", again, err)
		}
	}
	w.now = w.now.Add(usualStart + time.Second)
	if again, err := l.release(t.Context()); err != nil || again != lookLater {
		t.Errorf("looked at again in %s, %v, expected %s", again, err, lookLater)
	}
	w.broken["FollowModels"] = errors.New("disk full")
	if again, err := l.release(t.Context()); err == nil || again != lookLater {
		t.Errorf("after an error looked at again in %s, %v", again, err)
	}
}

// Servers of another image cannot load what needs the new one. They go on with
// what they serve until their successors are ready, and are no reason to bring or
// to fail the version.
func TestServersThatAreReplacedAreNotAsked(t *testing.T) {
	w, l := serving(t)
	w.outdated = 1
	w.register(2, 0.9)
	for _, servers := range []int{1, 2} { // the old one, then its successor beside it
		w.servers = servers
		for range 3 {
			w.now = w.now.Add(2 * runPatience)
			if _, err := l.release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.revisions[1]; got.State != mlops.RevisionStarting || w.brought[2] != 0 {
			t.Errorf("with %d servers it is %s: %s, and was brought %d times", servers, got.State, got.Message, w.brought[2])
		}
	}
	// What the new one lacks is brought beside the old one, too.
	delete(w.volume, 2)
	w.serves = 0
	if _, err := l.release(t.Context()); err != nil || w.brought[2] != 1 {
		t.Errorf("it was brought %d times, %v", w.brought[2], err)
	}
	w.servers, w.outdated = 1, 0
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
}

// What is live is looked for in the servers that stay.
func TestServersThatAreReplacedAreNotHealed(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.9)
	atRest(t, l)
	w.outdated = 1
	if l.heal(t.Context()) || w.brought[2] != 0 {
		t.Errorf("a server that is being replaced is found well, or version 2 was brought %d times", w.brought[2])
	}
}

// A large model takes longer to load than a small one to fail.
func TestALoadIsWaitedFor(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.9)
	delete(w.volume, 2)
	w.loading = true
	for range 20 {
		w.now = w.now.Add(10 * time.Second)
		if _, err := l.release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	expectHistory(t, w, "1: v1 by new version is live; 2: v2 by new version is starting; serves v1, alias v2")
	nudges := 0
	for _, call := range w.calls {
		if call == "NudgeServers" {
			nudges++
		}
	}
	if nudges > 2 {
		t.Errorf("servers that load were told %d times to look", nudges)
	}
	w.loading = false
	atRest(t, l)
	expectHistory(t, w, "1: v1 by new version is superseded; 2: v2 by new version is live; serves v2, alias v2")
}

// What has not served yet may never serve: nothing is judged by it.
func TestGatesCompareWithWhatServes(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.99)
	delete(w.volume, 2)
	w.loading = true
	if _, err := l.release(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, err := w.Deployment(t.Context(), "iris")
	if err != nil || d.Revision.State != mlops.RevisionStarting {
		t.Fatalf("it is %+v, %v", d.Revision, err)
	}
	if live, err := l.lastLive(t.Context(), d); err != nil || live == nil || live.Version != 1 {
		t.Errorf("compared with %+v, %v", live, err)
	}
}
