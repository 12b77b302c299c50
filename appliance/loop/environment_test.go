package loop

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

var (
	request = strings.Repeat("1", 64)
	lock    = strings.Repeat("2", 64)
)

// asks has the Job of a project's newest training end because its code needs an
// environment.
func (w *world) asks(project, request string) {
	for i := range w.jobs {
		if w.jobs[i].Project == project {
			w.jobs[i].State, w.jobs[i].EndedAt = mlops.TrainingFailed, w.now
			w.rooms.asked = map[string]string{w.jobs[i].Name: request}
		}
	}
}

// builds has the builds that go on end with a report.
func (w *world) builds(r mlops.EnvironmentReport) {
	r.Request = request
	w.rooms.reports = map[string]mlops.EnvironmentReport{r.Request: r}
	for name, j := range w.rooms.builds {
		j.State = mlops.TrainingSucceeded
		w.rooms.builds[name] = j
	}
}

func report(known bool) mlops.EnvironmentReport {
	r := mlops.EnvironmentReport{LockSHA256: lock, Known: known, Packages: []mlops.EnvironmentPackage{{Name: "xgboost", Version: "3.1.2"}}, Lock: "xgboost==3.1.2"}
	if !known {
		r.Layer = &struct {
			Bytes  int64  `json:"bytes"`
			SHA256 string `json:"sha256"`
		}{9, strings.Repeat("3", 64)}
	}
	return r
}

// newestOf is the newest training of a project.
func (w *world) newestOf(project string) mlops.Training {
	for _, t := range slices.Backward(w.trainings) {
		if t.Project == project {
			return t
		}
	}
	return mlops.Training{}
}

func pushedWorld(t *testing.T) (*world, *Loop) {
	t.Helper()
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	if _, err := l.Push(t.Context(), "prices", pushed("a")); err != nil {
		t.Fatal(err)
	}
	run(t, l.Reconcile)
	return w, l
}

func TestEnvironment(t *testing.T) {
	w, l := pushedWorld(t)
	w.asks("prices", request)
	run(t, l.Reconcile)
	tr := w.newestOf("prices")
	if want := "its environment is being built, because it needs xgboost (train.py line 3 imports it)"; tr.State != mlops.TrainingRunning || tr.Message != want {
		t.Errorf("while it is built the training is %s, %q, want it running and %q", tr.State, tr.Message, want)
	}
	w.builds(report(false))
	run(t, l.Reconcile)
	if len(w.rooms.rows) != 1 || w.rooms.rows[0].LayerOf != request || w.rooms.rows[0].Base != "lab" || w.rooms.rows[0].LockSHA256 != lock {
		t.Fatalf("environments are %+v", w.rooms.rows)
	}
	run(t, l.Reconcile) // the image is being made
	if tr = w.newestOf("prices"); tr.State != mlops.TrainingRequested || tr.Environment != request || len(w.jobsOf("prices")) != 0 {
		t.Errorf("while its image is made the training is %+v with jobs %v", tr, w.jobsOf("prices"))
	}
	run(t, l.Reconcile)
	run(t, l.Reconcile)
	image := w.rooms.rows[0].EnvironmentImage("lab")
	jobs := w.jobsOf("prices")
	if len(jobs) != 1 || jobs[0].Image != image || w.newestOf("prices").State != mlops.TrainingRunning {
		t.Fatalf("jobs are %+v, want one in %s", jobs, image)
	}
	if spec := w.applied[len(w.applied)-1]; spec.EnvironmentImage != image || spec.EnvironmentRequest != request {
		t.Errorf("the cluster was given %+v", spec)
	}
	if len(w.rooms.builds) != 0 {
		t.Errorf("builds are left: %v", w.rooms.builds)
	}

	// The next push starts in it, and nothing is built.
	if _, err := l.Push(t.Context(), "prices", pushed("b")); err != nil {
		t.Fatal(err)
	}
	run(t, l.Reconcile)
	run(t, l.Reconcile)
	if jobs := w.jobsOf("prices"); len(jobs) != 1 || jobs[0].Image != image || len(w.rooms.specs) != 1 {
		t.Errorf("after a second push jobs are %+v, and %d environments were built", jobs, len(w.rooms.specs))
	}

	// Who deletes the layer gets it built again.
	w.rooms.lost = true
	l = w.start()
	run(t, l.Prepare)
	if spec := w.applied[len(w.applied)-1]; len(w.rooms.rows) != 0 || spec.EnvironmentImage != "" {
		t.Errorf("without its layer the environment is %+v, and the cluster was given %+v", w.rooms.rows, spec)
	}
	w.rooms.lost = false
	w.rooms.rows = []mlops.CodeEnvironment{{Project: "prices", Request: request, Base: "lab", LayerSHA256: lock}}

	// Another release has another Python: code asks anew, and nothing is reused.
	w.rooms.base = "lab-2"
	l = w.start()
	run(t, l.Prepare)
	if spec := w.applied[len(w.applied)-1]; spec.Project.Name != "prices" || spec.EnvironmentImage != "" {
		t.Errorf("on another base the cluster was given %+v", spec)
	}
}

func (w *world) jobsOf(project string) (out []mlops.Job) {
	for _, j := range w.jobs {
		if j.Project == project {
			out = append(out, j)
		}
	}
	return out
}

// Code that asks otherwise for the same packages gets the same layer.
func TestEnvironmentOfAKnownLock(t *testing.T) {
	w, l := pushedWorld(t)
	earlier := strings.Repeat("4", 64)
	w.rooms.rows = []mlops.CodeEnvironment{
		{Project: "prices", Request: earlier, LockSHA256: lock, Base: "lab", LayerSHA256: strings.Repeat("5", 64), LayerBytes: 7, LayerOf: earlier},
		{Project: "prices", Request: strings.Repeat("6", 64), LockSHA256: strings.Repeat("7", 64), Base: "an older lab"},
	}
	w.asks("prices", request)
	run(t, l.Reconcile)
	if len(w.rooms.specs) != 1 || !slices.Equal(w.rooms.specs[0].KnownLocks, []string{lock}) {
		t.Fatalf("built: %+v, want the locks of this base to be known", w.rooms.specs)
	}
	w.builds(report(true))
	run(t, l.Reconcile)
	if e := w.rooms.rows[len(w.rooms.rows)-1]; e.Request != request || e.LayerOf != earlier || e.LayerBytes != 7 {
		t.Errorf("the environment is %+v, want the layer of the earlier one", e)
	}
}

func TestEnvironmentErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *world)
		want string
	}{
		{"not to be had", func(w *world) {
			for name := range w.rooms.builds {
				w.rooms.builds[name] = mlops.Job{State: mlops.TrainingFailed, Message: "xgboost is not in this lab's package index"}
			}
		}, "xgboost is not in this lab's package index"},
		{"no report", func(w *world) {
			w.builds(report(false))
			w.rooms.reports = nil
		}, "its environment was built, and can't be used: there is no report on " + request},
		{"known and gone", func(w *world) { w.builds(report(true)) }, "its environment was not built, because there ought to be one of the same lock, and there is none: train again"},
		{"newer code", func(w *world) { w.projects[1].Code.SHA256 = strings.Repeat("c", 64) }, "newer code was pushed before its environment was built: xgboost (train.py line 3 imports it)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, l := pushedWorld(t)
			w.asks("prices", request)
			run(t, l.Reconcile)
			c.do(w)
			run(t, l.Reconcile)
			if tr := w.newestOf("prices"); tr.State != mlops.TrainingFailed || tr.Message != c.want {
				t.Errorf("the training is %s: %q, want it failed: %q", tr.State, tr.Message, c.want)
			}
		})
	}
	w, l := pushedWorld(t)
	w.asks("prices", request)
	run(t, l.Reconcile)
	for name := range w.rooms.builds {
		w.rooms.builds[name] = mlops.Job{State: mlops.TrainingRunning, Message: "the object store does not answer"}
	}
	run(t, l.Reconcile)
	if tr := w.newestOf("prices"); tr.State != mlops.TrainingRunning || tr.Message != "its environment could not be built yet: the object store does not answer. "+triedAgain {
		t.Errorf("after a fault the training is %s: %q", tr.State, tr.Message)
	}
}

// A process that dies at any call leaves what the next one ends: one training, in
// one environment, that was built once.
func TestCrashWhileAnEnvironmentIsBuilt(t *testing.T) {
	prepare := func() (*world, *Loop) {
		w, l := pushedWorld(t)
		w.asks("prices", request)
		w.calls = nil
		return w, l
	}
	all := func(ctx context.Context, w *world, l *Loop) error {
		for range 8 {
			if err := l.Reconcile(ctx); err != nil {
				return err
			}
			w.builds(report(false))
		}
		return nil
	}
	left := func(w *world) string {
		jobs := w.jobsOf("prices")
		tr := w.newestOf("prices")
		if len(jobs) != 1 || len(w.rooms.rows) != 1 || len(w.rooms.builds) != 0 || len(w.rooms.specs) != 1 ||
			jobs[0].Image != w.rooms.rows[0].EnvironmentImage("lab") || tr.State != mlops.TrainingRunning || tr.Job != jobs[0].Name {
			return fmt.Sprintf("jobs %+v, environments %v, builds %v, training %+v", jobs, w.rooms.rows, w.rooms.builds, tr)
		}
		return ""
	}
	w, l := prepare()
	if err := all(t.Context(), w, l); err != nil {
		t.Fatal(err)
	}
	if why := left(w); why != "" {
		t.Fatal(why)
	}
	for n := 1; n <= len(w.calls); n++ {
		for _, after := range []bool{false, true} {
			w, l := prepare()
			w.fail, w.after = n, after
			_ = all(t.Context(), w, l)
			w.fail = 0
			w.builds(report(false))
			l = w.start()
			run(t, l.Prepare)
			if err := all(t.Context(), w, l); err != nil {
				t.Fatal(err)
			}
			if why := left(w); why != "" {
				t.Errorf("after call %d (%t): %s", n, after, why)
			}
		}
	}
}

// Servers and measurements run in what the version was trained in.
func TestServedInItsEnvironment(t *testing.T) {
	w, ctx := newWorld(), t.Context()
	l := w.start()
	if err := boot(ctx, l); err != nil {
		t.Fatal(err)
	}
	w.rooms.rows = []mlops.CodeEnvironment{{Project: "iris", Request: request, LayerSHA256: lock, LayerOf: request, Base: "an older lab"}}
	w.runs["run-1"] = mlops.Run{ID: "run-1", Tags: []mlops.KV{{Key: mlops.TagProject, Value: "iris"}, {Key: mlops.TagEnvironment, Value: request}}}
	want := w.rooms.rows[0].EnvironmentImage("lab")
	if image, ready, err := l.modelImage(ctx, "run-1"); err != nil || ready || image != want {
		t.Errorf("at first it is %q, %t, %v, want %q to be made", image, ready, err, want)
	}
	if image, ready, err := l.modelImage(ctx, "run-1"); err != nil || !ready || image != want {
		t.Errorf("then it is %q, %t, %v, want %q", image, ready, err, want)
	}
	w.register(1, 0.9)
	w.runs["run-1"] = mlops.Run{ID: "run-1", Status: mlops.RunFinished, Tags: []mlops.KV{{Key: mlops.TagProject, Value: "iris"}, {Key: mlops.TagEnvironment, Value: request}}}
	untilServed(t, l)
	if s := w.deployed[len(w.deployed)-1]; s.EnvironmentImage != want {
		t.Errorf("servers were given %q, want %q", s.EnvironmentImage, want)
	}
	if r := w.revisions[len(w.revisions)-1]; r.State != mlops.RevisionLive {
		t.Errorf("the revision is %s: %s", r.State, r.Message)
	}
	n := len(w.deployed)
	w.register(2, 0.9)
	w.runs["run-2"] = w.runs["run-1"]
	untilServed(t, l)
	if len(w.deployed) != n {
		t.Error("servers were made anew for a version of the same environment")
	}
	for _, id := range []string{"", "gone"} {
		if image, ready, err := l.modelImage(ctx, id); image != "" || !ready || err != nil {
			t.Errorf("of run %q: %q, %t, %v, want the lab's", id, image, ready, err)
		}
	}
}

// untilServed makes passes of both kinds: the one that replaces servers comes before
// the one that asks them.
func untilServed(t *testing.T, l *Loop) {
	t.Helper()
	for range 6 {
		run(t, l.Reconcile)
		if _, err := l.release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
