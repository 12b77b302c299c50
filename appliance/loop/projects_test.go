package loop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func add(t *testing.T, l *Loop, sample string) mlops.Project {
	t.Helper()
	p, err := l.Add(t.Context(), mlops.ProjectRequest{Sample: sample})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAddASample(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	if p := add(t, l, "wine"); p.Dataset != "wine" || p.Node != "node-a" || p.Schedule != "*/30 * * * *" {
		t.Errorf("added %+v", p)
	}
	if len(w.applied) != 1 {
		t.Error("Add applied the project itself; that is the next pass's work")
	}
	// The process dies here; the row is there.
	run(t, w.start().Prepare)
	last := w.applied[len(w.applied)-1]
	if last.Project.Name != "wine" || last.Dataset.Key[:5] != "wine/" || last.Secret["AWS_ACCESS_KEY_ID"] != "project-wine" || last.Secret["MLFLOW_TRACKING_PASSWORD"] != "token-of-wine" {
		t.Errorf("applied %+v", last)
	}
	if w.keys["wine"] != (mlops.KeyBucket{Name: "datasets", Prefix: "wine/"}) {
		t.Errorf("the key of wine reaches %s", w.keys["wine"])
	}
	if len(w.trainings) != 2 || w.trainings[1].Job != "wine-train-2" || w.trainings[1].Trigger != mlops.TriggerFirstBoot || w.trainings[1].State != mlops.TrainingRunning {
		t.Errorf("trainings are %+v", w.trainings)
	}
}

func TestAddErrors(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	w.spaces["wine"] = -1
	for sample, want := range map[string]struct {
		code mlops.Code
		text string
	}{
		"titanic": {mlops.Invalid, `there is no sample "titanic": expected one of iris, wine`},
		"iris":    {mlops.Exists, "project iris exists already: see `benchtop project show iris`"},
		"wine":    {mlops.Exists, "the namespace wine is somebody else's"},
	} {
		if _, err := l.Add(t.Context(), mlops.ProjectRequest{Sample: sample}); mlops.CodeOf(err) != want.code || mlops.MessageOf(err) != want.text {
			t.Errorf("%s: %v, expected %s", sample, err, want.text)
		}
	}
	if len(w.projects) != 1 {
		t.Errorf("projects are %+v", w.projects)
	}
}

func TestEditsStayAndTheRestFollowsTheConfiguration(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	memory := "2Gi"
	schedule, same, params := "0 3 * * *", "UTC", mlops.JSONObject(`{ "C": 0.5 }`)
	p, err := l.Edit(t.Context(), "iris", mlops.ProjectEdit{Schedule: &schedule, TimeZone: &same})
	if err != nil || p.Schedule != schedule || p.Edited != (mlops.EditedFields{Schedule: true}) {
		t.Fatalf("edited to %+v, %v: a time zone that is the same was not edited", p, err)
	}
	l = w.start()
	l.cfg.Defaults = mlops.ProjectDefaults{Schedule: "* * * * *", TimeZone: "Asia/Tokyo", Params: `{"C":2}`}
	run(t, l.Prepare)
	if got := w.projects[0]; got.Schedule != schedule || got.TimeZone != "Asia/Tokyo" || got.Params != `{"C":2}` {
		t.Errorf("with another configuration the project is %+v", got)
	}
	if last := w.applied[len(w.applied)-1].Project; !last.Equal(w.projects[0]) {
		t.Errorf("applied %+v", last)
	}
	if p, err = l.Edit(t.Context(), "iris", mlops.ProjectEdit{Params: &params}); err != nil || p.Params != `{"C":0.5}` || !p.Edited.Params {
		t.Errorf("edited to %+v, %v", p, err)
	}
	none := ""
	if p, err = l.Edit(t.Context(), "iris", mlops.ProjectEdit{Schedule: &none}); err != nil || p.Schedule != "" {
		t.Errorf("by hand only: %+v, %v", p, err)
	}
	run(t, l.Reconcile)
	if last := w.applied[len(w.applied)-1].Project; last.Schedule != "" || last.Params != `{"C":0.5}` {
		t.Errorf("applied %+v", last)
	}
	applied := len(w.applied)
	run(t, l.Reconcile)
	if len(w.applied) != applied {
		t.Error("a project that has not changed was applied again")
	}
	edit := mlops.ProjectEdit{Environment: &mlops.VariablesEdit{"A": &schedule}, Resources: &mlops.ResourcesEdit{Limits: mlops.AmountsEdit{Memory: &memory}}}
	if p, err = l.Edit(t.Context(), "iris", edit); err != nil || !p.Edited.Resources || !p.Edited.Environment {
		t.Errorf("edited to %+v, %v", p, err)
	}
	run(t, l.Reconcile)
	if last := w.applied[len(w.applied)-1].Project; last.Resources.Limits.Memory != "2Gi" || last.Environment["A"] != schedule {
		t.Errorf("applied %+v", last)
	}
	bad := "nonsense"
	if _, err := l.Edit(t.Context(), "iris", mlops.ProjectEdit{Schedule: &bad}); mlops.CodeOf(err) != mlops.Invalid || mlops.MessageOf(err) != "schedule of project iris: that is nonsense" {
		t.Errorf("error %v", err)
	}
	if _, err := l.Edit(t.Context(), "wine", mlops.ProjectEdit{Schedule: &schedule}); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("error %v", err)
	}
}

func TestWithoutASample(t *testing.T) {
	w := newWorld()
	l := w.start()
	l.cfg.First = ""
	run(t, l.Prepare)
	if len(w.projects) != 0 || len(w.applied) != 0 {
		t.Errorf("projects are %+v", w.projects)
	}
	// The first start has decided.
	run(t, w.start().Prepare)
	if len(w.projects) != 0 {
		t.Errorf("the second start made %+v", w.projects)
	}
}

// settle passes until nothing is left to do.
func settle(t *testing.T, l *Loop) {
	t.Helper()
	for range 5 {
		run(t, l.Reconcile)
		if l.again == 0 {
			return
		}
	}
	t.Fatal("the loop does not come to rest")
}

func TestDelete(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	add(t, l, "wine")
	run(t, l.Reconcile)
	p, err := l.Delete(t.Context(), "iris")
	if err != nil || !p.Deleting {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := l.Train(t.Context(), "iris"); mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(mlops.MessageOf(err), "project iris is being deleted") {
		t.Errorf("training it: %v", err)
	}
	if _, err := l.Add(t.Context(), mlops.ProjectRequest{Sample: "iris"}); mlops.CodeOf(err) != mlops.InvalidState {
		t.Errorf("adding it: %v", err)
	}
	if _, err := l.Edit(t.Context(), "iris", mlops.ProjectEdit{}); mlops.CodeOf(err) != mlops.InvalidState {
		t.Errorf("editing it: %v", err)
	}
	if again, err := l.Delete(t.Context(), "iris"); err != nil || !again.Equal(p) {
		t.Errorf("deleting it again: %+v, %v", again, err)
	}
	settle(t, l)
	if len(w.projects) != 1 || w.projects[0].Name != "wine" || len(w.jobs) != 1 || w.endedRuns["iris-train-1"] != mlops.RunKilled || len(w.keys) != 1 {
		t.Errorf("left are projects %+v, jobs %+v, runs ended %v, keys %v", w.projects, w.jobs, w.endedRuns, w.keys)
	}
	if len(w.objects) != 2 || len(w.datasets) != 2 {
		t.Errorf("datasets must stay: %v", w.datasets)
	}
	if _, err := l.Delete(t.Context(), "iris"); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("one that is not there: %v", err)
	}
	// It does not come back by itself, and its name can be used again.
	run(t, w.start().Prepare)
	if len(w.projects) != 1 {
		t.Errorf("after a start there are %+v", w.projects)
	}
	l = w.start()
	add(t, l, "iris")
	run(t, l.Prepare)
	if len(w.jobs) != 2 || w.jobs[1].Name != "iris-train-3" {
		t.Errorf("jobs are %+v", w.jobs)
	}
}

// A crash at any call of a deletion, before or after its effect, is mended by
// the next start.
func TestCrashWhileDeleting(t *testing.T) {
	begun := func() (*world, *Loop) {
		w := newWorld()
		l := w.start()
		run(t, l.Prepare)
		w.jobs = append(w.jobs, mlops.Job{Name: "iris-trainer-1", Project: "iris", Trigger: mlops.TriggerSchedule, State: mlops.TrainingRunning, CreatedAt: w.now})
		w.calls = nil
		return w, l
	}
	deletion := func(w *world, l *Loop) error {
		if _, err := l.Delete(context.Background(), "iris"); err != nil {
			return err
		}
		for range 4 {
			if err := l.Reconcile(context.Background()); err != nil || l.again == 0 {
				return err
			}
		}
		return nil
	}
	all, l := begun()
	if err := deletion(all, l); err != nil {
		t.Fatal(err)
	}
	if len(all.projects) != 0 || len(all.calls) < 10 {
		t.Fatalf("projects %+v after %v", all.projects, all.calls)
	}
	for n := 1; n <= len(all.calls); n++ {
		for _, after := range []bool{false, true} {
			w, l := begun()
			w.fail, w.after = n, after
			if err := deletion(w, l); !errors.Is(err, errCrash) {
				t.Fatalf("%s fails (after its effect: %t): error %v", all.calls[n-1], after, err)
			}
			l = w.start()
			run(t, l.Prepare)
			if len(w.projects) > 0 && !w.projects[0].Deleting {
				continue // it crashed before the row was marked: nothing was deleted
			}
			settle(t, l)
			if len(w.projects) != 0 || len(w.jobs) != 0 || len(w.keys) != 0 || w.endedRuns["iris-train-1"] != mlops.RunKilled || w.endedRuns["iris-trainer-1"] != mlops.RunKilled {
				t.Errorf("after a crash at %s (after its effect: %t): projects %+v, jobs %+v, keys %v, runs ended %v", all.calls[n-1], after, w.projects, w.jobs, w.keys, w.endedRuns)
			}
		}
	}
}

func TestAProjectThatFailsHoldsUpNoStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		l := w.start()
		run(t, l.Prepare)
		add(t, l, "wine")
		l = w.start()
		w.broken["StartTraining wine"] = errors.New("no quota")
		run(t, l.Prepare)
		if err := l.Troubles()["wine"]; err == nil || err.Error() != "no quota" || len(l.Troubles()) != 1 {
			t.Errorf("troubles are %v", l.Troubles())
		}
		delete(w.broken, "StartTraining wine")
		ctx, cancel := context.WithTimeout(t.Context(), later+soon)
		defer cancel()
		l.Run(ctx) // it is tried again without a signal
		if len(l.Troubles()) != 0 || w.state(1) != mlops.TrainingRunning {
			t.Errorf("later the troubles are %v and the training is %s", l.Troubles(), w.state(1))
		}
	})
}
