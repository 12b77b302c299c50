package loop

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func pushed(digit string) mlops.ProjectCode {
	return mlops.ProjectCode{SHA256: strings.Repeat(digit, 64), Bytes: 9, Files: 1, Plan: mlops.CodePlan{Kind: "script", Entry: "train.py", Command: []string{"python", "train.py"}}}
}

func TestPush(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	l := w.start()
	if err := boot(ctx, l); err != nil {
		t.Fatal(err)
	}
	first, err := l.Push(ctx, "prices", pushed("a"))
	if err != nil || first.Training.Trigger != mlops.TriggerPush {
		t.Fatalf("pushed %+v: %v", first, err)
	}
	p := first.Project
	if p.Schedule != "" || p.TimeZone != "UTC" || p.Dataset != "" || p.Node != "node-a" {
		t.Errorf("a pushed project is %+v, want no schedule and no dataset", p)
	}
	if err := boot(ctx, l); err != nil {
		t.Fatal(err)
	}
	spec := w.applied[len(w.applied)-1]
	if spec.Project.Code == nil || spec.Project.Code.SHA256 != strings.Repeat("a", 64) || spec.Dataset.ID != 0 {
		t.Errorf("the cluster was given %+v", spec)
	}
	d, err := w.Deployment(ctx, "prices")
	if err != nil {
		t.Fatal(err)
	}
	if bring, err := l.specOf(ctx, d); err != nil || bring.BringSHA != spec.TrainerSHA || bring.BringSHA == "" {
		t.Errorf("versions are brought with code %q, want that of the project, %q: %v", bring.BringSHA, spec.TrainerSHA, err)
	}
	if got := w.keys["prices"]; got.String() != "code/prices/:ro" {
		t.Errorf("its key reaches %v, want its code only", got)
	}
	if got := w.trainings[first.Training.ID-1]; got.State != mlops.TrainingRunning {
		t.Errorf("training is %+v, want it running", got)
	}

	// A newer push ends what the earlier one trains, and says so.
	second, err := l.Push(ctx, "prices", pushed("b"))
	if err != nil {
		t.Fatal(err)
	}
	if err := boot(ctx, l); err != nil {
		t.Fatal(err)
	}
	if got := w.trainings[first.Training.ID-1]; got.State != mlops.TrainingFailed || got.Message != "a newer push took its place: "+second.Training.Job {
		t.Errorf("the earlier training is %+v", got)
	}
	if len(w.jobs) == 0 || w.jobs[len(w.jobs)-1].Name != second.Training.Job {
		t.Errorf("jobs are %+v, want that of %s", w.jobs, second.Training.Job)
	}
	for _, j := range w.jobs {
		if j.Name == first.Training.Job {
			t.Errorf("job %s goes on", j.Name)
		}
	}
	if got := w.trainings[second.Training.ID-1]; got.State != mlops.TrainingRunning {
		t.Errorf("the newer training is %+v", got)
	}
}

func TestPushErrors(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	l := w.start()
	if err := boot(ctx, l); err != nil {
		t.Fatal(err)
	}
	refused := func(name string, code mlops.Code, want string) {
		t.Helper()
		_, err := l.Push(ctx, name, pushed("a"))
		if mlops.CodeOf(err) != code || !strings.Contains(mlops.MessageOf(err), want) {
			t.Errorf("push of %s: %v, want %s with %q", name, err, code, want)
		}
	}
	refused("No", mlops.Invalid, `project name "No" is not usable`)
	refused("iris", mlops.InvalidState, "project iris is trained on dataset iris by the lab's own trainer: push your code under another name, `benchtop push --project NAME`")
	if _, err := l.Push(ctx, "prices", pushed("a")); err != nil {
		t.Fatal(err)
	}
	dataset := "wine"
	if _, err := l.Edit(ctx, "prices", mlops.ProjectEdit{Dataset: &dataset}); mlops.CodeOf(err) != mlops.InvalidState || !strings.Contains(err.Error(), "runs code of its own") {
		t.Errorf("a dataset for it: %v", err)
	}
	if _, err := l.Delete(ctx, "prices"); err != nil {
		t.Fatal(err)
	}
	refused("prices", mlops.InvalidState, "project prices is being deleted")
}

// A crash at any call of a push, the second of a project, is ended by the next
// start and by pushing again: the newer code is what trains, once, and nothing of
// the older one goes on.
func TestCrashWhilePushing(t *testing.T) {
	push := func(ctx context.Context, l *Loop) error {
		if _, err := l.Push(ctx, "prices", pushed("b")); err != nil {
			return err
		}
		return l.Reconcile(ctx)
	}
	prepare := func() (*world, *Loop) {
		w := newWorld()
		l := w.start()
		run(t, l.Prepare)
		if _, err := l.Push(t.Context(), "prices", pushed("a")); err != nil {
			t.Fatal(err)
		}
		run(t, l.Reconcile)
		w.calls = nil
		return w, l
	}
	left := func(w *world) string {
		var running []string
		for _, tr := range w.trainings {
			if tr.Project == "prices" && !tr.State.Terminal() {
				running = append(running, tr.Job)
			}
		}
		var jobs []string
		for _, j := range w.jobs {
			if j.Project == "prices" {
				jobs = append(jobs, j.Name)
			}
		}
		code := ""
		for _, p := range w.projects {
			if p.Name == "prices" {
				code = p.Code.SHA256[:1]
			}
		}
		if len(running) != 1 || !slices.Equal(running, jobs) || code != "b" {
			return fmt.Sprintf("code %s, trainings %v, jobs %v", code, running, jobs)
		}
		return ""
	}
	all, l := prepare()
	if err := push(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if why := left(all); why != "" {
		t.Fatal(why)
	}
	for n := 1; n <= len(all.calls); n++ {
		for _, after := range []bool{false, true} {
			w, l := prepare()
			w.fail, w.after = n, after
			_ = push(t.Context(), l)
			w.fail = 0
			l = w.start()
			run(t, l.Prepare)
			if why := left(w); why == "" && slices.Contains(all.calls[:n], "Push") {
				continue // it was there, and the start has ended it
			}
			if err := push(t.Context(), l); err != nil { // who got no answer says it again
				t.Errorf("pushed again after a crash at %s: %v", all.calls[n-1], err)
			}
			if why := left(w); why != "" {
				t.Errorf("after a crash at call %d, %s (after its effect: %t): %s", n, all.calls[n-1], after, why)
			}
		}
	}
}
