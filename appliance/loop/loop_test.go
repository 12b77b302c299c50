package loop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// summary is all that must not depend on where a crash happened.
func (w *world) summary() string {
	var b strings.Builder
	for _, d := range w.datasets {
		fmt.Fprintf(&b, "dataset %s v%d of %d bytes\n", d.Name, d.Version, len(w.objects[d.Key]))
	}
	for _, p := range w.projects {
		fmt.Fprintf(&b, "project %s of %s on %s at %s\n", p.Name, p.Dataset, p.Node, p.Schedule)
	}
	for _, t := range w.trainings {
		fmt.Fprintf(&b, "training %d of %s by %s is %s (%s)\n", t.ID, t.Project, t.Trigger, t.State, t.Message)
	}
	for _, j := range w.jobs {
		fmt.Fprintf(&b, "job %s of %s by %s\n", j.Name, j.Project, j.Trigger)
	}
	fmt.Fprintf(&b, "%d objects, applied %t", len(w.objects), len(w.applied) > 0)
	return b.String()
}

func expect(t *testing.T, w *world, want string) {
	t.Helper()
	if got := w.summary(); got != want {
		t.Errorf("found\n%s\nexpected\n%s", got, want)
	}
}

func run(t *testing.T, step func(context.Context) error) {
	t.Helper()
	if err := step(t.Context()); err != nil {
		t.Fatal(err)
	}
}

const afterFirstBoot = `dataset iris v1 of 50 bytes
project iris of iris on node-a at */30 * * * *
training 1 of iris by first-boot is running ()
job iris-train-1 of iris by first-boot
1 objects, applied true`

func TestFirstBoot(t *testing.T) {
	w := newWorld()
	run(t, w.start().Prepare)
	expect(t, w, afterFirstBoot)
	if s := w.applied[0]; s.Project.Name != "iris" || s.Dataset.Version != 1 || s.Image != "lab" {
		t.Errorf("applied %+v", s)
	}
	// The project's row decides; then bytes before the row, the row before its
	// projection. That it was the first start is remembered last.
	want := "LoopFact Project PutProject SetLoopFact Projects Projects TrainingJobs Dataset LoopFact Dataset Put PutDataset ProjectKey EnsureDeployment ApplyProject Trainings CreateTraining Project Dataset StartTraining iris SetTraining Deployments Project ApplyDeployment Deployment ServeNothing"
	if got := strings.Join(w.calls, " "); got != want {
		t.Errorf("the steps were\n%s\nexpected\n%s", got, want)
	}
}

func TestSecondBootChangesNothing(t *testing.T) {
	w := newWorld()
	run(t, w.start().Prepare)
	for range 3 {
		run(t, w.start().Prepare)
	}
	expect(t, w, afterFirstBoot)
}

// A crash at any call, before or after its effect, is mended by the next
// start: nothing is lost and nothing is done twice.
func TestCrashAnywhere(t *testing.T) {
	calls := newWorld()
	run(t, calls.start().Prepare)
	for n := 1; n <= len(calls.calls); n++ {
		for _, after := range []bool{false, true} {
			w := newWorld()
			w.fail, w.after = n, after
			err := boot(t.Context(), w.start())
			op := calls.calls[n-1]
			// A dataset that cannot be looked up is stored again.
			if looks := op == "Dataset"; !errors.Is(err, errCrash) && !looks {
				t.Errorf("%s fails (after its effect: %t): error %v", op, after, err)
			}
			run(t, w.start().Prepare)
			if got := w.summary(); got != afterFirstBoot {
				t.Errorf("after a crash at %s (after its effect: %t):\n%s", op, after, got)
			}
		}
	}
}

func TestErrorsSayWhatFailed(t *testing.T) {
	for op, want := range map[string]string{
		"Put":                "store dataset iris: no luck",
		"PutDataset":         "record dataset iris: no luck",
		"Project":            "read project iris: no luck",
		"PutProject":         "record project iris: no luck",
		"ApplyProject":       "no luck",
		"ProjectKey":         "make the key of project iris: no luck",
		"LoopFact":           "read whether this is the first start: no luck",
		"SetLoopFact":        "remember the first start: no luck",
		"Trainings":          "list trainings of iris: no luck",
		"CreateTraining":     "request first training of iris: no luck",
		"Projects":           "list projects: no luck",
		"TrainingJobs":       "no luck",
		"StartTraining iris": "no luck",
		"SetTraining":        "record start of job iris-train-1 of iris: no luck",
	} {
		w := newWorld()
		w.broken[op] = errors.New("no luck")
		if err := boot(t.Context(), w.start()); err == nil || err.Error() != want {
			t.Errorf("%s fails: error %v, expected %q", op, err, want)
		}
	}
}

func TestNodeStaysAndScheduleFollows(t *testing.T) {
	w := newWorld()
	run(t, w.start().Prepare)
	l := w.start()
	l.cfg.Node, l.cfg.Defaults.Schedule = "renamed", "0 * * * *"
	l.cfg.Defaults.TimeZone = "Europe/Berlin"
	run(t, l.Prepare)
	last := w.applied[len(w.applied)-1].Project
	if last.Node != "node-a" {
		t.Errorf("the project moved to node %s, away from its volume", last.Node)
	}
	if last.TimeZone != "Europe/Berlin" {
		t.Errorf("the new time zone was not applied: %q", last.TimeZone)
	}
	if last.Schedule != "0 * * * *" {
		t.Errorf("the new schedule was not applied: %s", last.Schedule)
	}
}

func TestTrain(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	training, err := l.Train(t.Context(), "iris")
	if err != nil {
		t.Fatal(err)
	}
	if training.Trigger != mlops.TriggerManual || training.State != mlops.TrainingRequested || training.Job != "iris-train-2" {
		t.Errorf("requested %+v", training)
	}
	if len(w.jobs) != 1 {
		t.Error("Train made a Job itself; that is Reconcile's work")
	}
	// The process dies here; the row is there, the Job is not.
	run(t, w.start().Reconcile)
	if len(w.jobs) != 2 || w.jobs[1].Name != "iris-train-2" || w.jobs[1].Trigger != mlops.TriggerManual {
		t.Errorf("jobs are %+v", w.jobs)
	}
	if w.trainings[1].State != mlops.TrainingRunning {
		t.Errorf("the training is %s", w.trainings[1].State)
	}
}

// `project edit … && project edit … && train` while a pass gives the first edit
// to the cluster: the training has the second edit too.
func TestATrainingHasTheEditsBeforeIt(t *testing.T) {
	for name, change := range map[string]func(ctx context.Context, l *Loop) error{
		"an edit": func(ctx context.Context, l *Loop) error {
			_, err := l.Edit(ctx, "iris", mlops.ProjectEdit{Schedule: new("0 6 * * *")})
			return err
		},
		"new data": func(ctx context.Context, l *Loop) error {
			_, err := l.AddDataset(ctx, "iris", "me", strings.NewReader("2,3,setosa,versicolor\n1.5,2.0,3.0,0\n4.0,5.0,6.0,1\n"))
			return err
		},
	} {
		w := newWorld()
		l := w.start()
		run(t, l.Prepare)
		if _, err := l.Edit(t.Context(), "iris", mlops.ProjectEdit{Schedule: new("0 5 * * *")}); err != nil {
			t.Fatal(err)
		}
		w.meanwhile = func() {
			if err := change(t.Context(), l); err != nil {
				t.Error(err)
			}
			if _, err := l.Train(t.Context(), "iris"); err != nil {
				t.Error(err)
			}
		}
		<-l.kick
		run(t, l.Reconcile)
		if len(w.jobs) != 1 || w.trainings[1].State != mlops.TrainingRequested {
			t.Errorf("%s: a Job was made of the project as it was before: %+v", name, w.jobs)
		}
		select {
		case <-l.kick:
		default:
			t.Errorf("%s: nothing wakes the next pass", name)
		}
		run(t, l.Reconcile)
		if last := w.applied[len(w.applied)-1]; len(w.jobs) != 2 || w.trainings[1].State != mlops.TrainingRunning || last.Project.Schedule == "0 5 * * *" && last.Dataset.Version != 2 {
			t.Errorf("%s: the Jobs are %+v, applied was %+v", name, w.jobs, last)
		}
	}
}

// A pass that cannot look whether a project was edited makes no Job.
func TestATrainingOfAProjectThatCannotBeRead(t *testing.T) {
	for op, want := range map[string]string{"Project": "read project iris: no luck", "Dataset": "read dataset iris: no luck"} {
		w := newWorld()
		l := w.start()
		run(t, l.Prepare)
		if _, err := l.Train(t.Context(), "iris"); err != nil {
			t.Fatal(err)
		}
		trainings, err := w.Trainings(t.Context(), "iris", recent)
		if err != nil {
			t.Fatal(err)
		}
		w.broken[op] = errors.New("no luck")
		if _, err := l.outdated(t.Context(), "iris", trainings); err == nil || err.Error() != want {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
}

func TestTrainErrors(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	if _, err := l.Train(t.Context(), "wine"); mlops.CodeOf(err) != mlops.NotFound || mlops.MessageOf(err) != `there is no project "wine"` {
		t.Errorf("an unknown project: error %v", err)
	}
	if len(w.trainings) != 1 {
		t.Error("a training of an unknown project was recorded")
	}
	w.broken["CreateTraining"] = errors.New("disk full")
	if _, err := l.Train(t.Context(), "iris"); err == nil || err.Error() != "request training of iris: disk full" {
		t.Errorf("error %v", err)
	}
}

func TestOutcomes(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	if _, err := l.Train(t.Context(), "iris"); err != nil {
		t.Fatal(err)
	}
	run(t, l.Reconcile)
	end := w.now.Add(20 * time.Second)
	w.jobs[0].State, w.jobs[0].EndedAt = mlops.TrainingSucceeded, end
	w.jobs[1].State, w.jobs[1].EndedAt, w.jobs[1].Message = mlops.TrainingFailed, end, "BackoffLimitExceeded: too many"
	run(t, l.Reconcile)
	if tr := w.trainings[0]; tr.State != mlops.TrainingSucceeded || !tr.EndedAt.Equal(end) {
		t.Errorf("the first training is %+v", tr)
	}
	if tr := w.trainings[1]; tr.State != mlops.TrainingFailed || tr.Message != "BackoffLimitExceeded: too many" || !tr.EndedAt.Equal(end) {
		t.Errorf("the second training is %+v", tr)
	}
	// The Jobs go (history limits, kubectl delete): the outcome stays.
	w.jobs = nil
	w.now = w.now.Add(time.Hour)
	w.calls = nil
	run(t, l.Reconcile)
	if w.trainings[0].State != mlops.TrainingSucceeded || w.trainings[1].Message != "BackoffLimitExceeded: too many" {
		t.Errorf("trainings are %+v", w.trainings)
	}
	if slices.Contains(w.calls, "SetTraining") {
		t.Error("a training that has ended was written again")
	}
}

func TestAJobOfTheScheduleIsAdopted(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	made := w.now.Add(time.Minute)
	w.jobs = append(w.jobs,
		mlops.Job{Name: "iris-trainer-29400000", Project: "iris", Trigger: mlops.TriggerSchedule, State: mlops.TrainingRunning, CreatedAt: made},
		mlops.Job{Name: "iris-trainer-29400030", Project: "iris", Trigger: mlops.TriggerSchedule, State: mlops.TrainingSucceeded, CreatedAt: made, EndedAt: made.Add(time.Second)},
		mlops.Job{Name: "other", Project: "nobody's", State: mlops.TrainingRunning})
	for range 2 {
		run(t, l.Reconcile)
	}
	if len(w.trainings) != 3 {
		t.Fatalf("%d trainings, expected first boot's and two adopted: %+v", len(w.trainings), w.trainings)
	}
	if tr := w.trainings[1]; tr.Job != "iris-trainer-29400000" || tr.Trigger != mlops.TriggerSchedule || tr.State != mlops.TrainingRunning || !tr.CreatedAt.Equal(made) {
		t.Errorf("adopted %+v", tr)
	}
	if tr := w.trainings[2]; tr.State != mlops.TrainingSucceeded || !tr.EndedAt.Equal(made.Add(time.Second)) {
		t.Errorf("a Job that had ended before anybody looked became %+v", tr)
	}
	w.broken["AdoptTraining"] = errors.New("disk full")
	w.jobs = append(w.jobs, mlops.Job{Name: "new", Project: "iris"})
	if err := l.Reconcile(t.Context()); err == nil || err.Error() != "record job new of iris: disk full" {
		t.Errorf("error %v", err)
	}
}

func TestADeletedJobIsAFailure(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	w.jobs = nil // kubectl delete job
	w.now = w.now.Add(30 * time.Second)
	run(t, l.Reconcile)
	if tr := w.trainings[0]; tr.State != mlops.TrainingRunning {
		t.Errorf("a Job that was made just now may not be listed yet, but its training is %s", tr.State)
	}
	w.now = w.now.Add(time.Minute)
	run(t, l.Reconcile)
	if tr := w.trainings[0]; tr.State != mlops.TrainingFailed || tr.Message != "its Job was deleted before it ended" || !tr.EndedAt.Equal(w.now) {
		t.Errorf("the training is %+v", tr)
	}
	if len(w.jobs) != 0 {
		t.Error("the Job was made again")
	}
}

func TestOneProjectDoesNotHoldUpOthers(t *testing.T) {
	w := newWorld()
	for _, name := range []string{"bad", "good", "worse"} {
		w.projects = append(w.projects, mlops.Project{Name: name, Dataset: "iris"})
		if _, err := w.CreateTraining(t.Context(), name, mlops.TriggerManual); err != nil {
			t.Fatal(err)
		}
	}
	w.broken["StartTraining bad"], w.broken["StartTraining worse"] = errors.New("no namespace"), errors.New("no quota")
	err := w.start().Reconcile(t.Context())
	if err == nil || err.Error() != "no namespace\nno quota" {
		t.Errorf("error %v, expected both", err)
	}
	if len(w.jobs) != 1 || w.jobs[0].Project != "good" {
		t.Errorf("jobs are %+v, expected one of project good", w.jobs)
	}
}

func TestRunReacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		l := w.start()
		run(t, l.Prepare)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.Run(ctx) }()

		begin := time.Now()
		if _, err := l.Train(ctx, "iris"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.mu.Lock()
		if len(w.jobs) != 2 {
			t.Errorf("%d jobs after a request, expected the new one at once", len(w.jobs))
		}
		w.jobs[0].State = mlops.TrainingSucceeded
		w.mu.Unlock()
		w.changed <- struct{}{}
		synctest.Wait()
		if got := w.state(0); got != mlops.TrainingSucceeded {
			t.Errorf("after a change of its Job the training is %s", got)
		}
		// A lost signal, and a pass that fails: a minute later all is well.
		w.mu.Lock()
		w.broken["TrainingJobs"] = errors.New("no answer")
		w.jobs[1].State = mlops.TrainingFailed
		w.mu.Unlock()
		w.changed <- struct{}{}
		synctest.Wait()
		w.mu.Lock()
		delete(w.broken, "TrainingJobs")
		w.mu.Unlock()
		if got := w.state(1); got != mlops.TrainingRunning {
			t.Errorf("the training is %s although nobody could look", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.state(1); got != mlops.TrainingFailed {
			t.Errorf("a minute later the training is %s", got)
		}
		if time.Since(begin) > 61*time.Second {
			t.Errorf("that took %s", time.Since(begin))
		}
		cancel()
		<-done
	})
}

func (w *world) state(training int) mlops.TrainingState {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trainings[training].State
}

// The Job says what it runs, and its pods why they ended.
func TestATrainingKeepsItsCodeAndItsEnd(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	w.jobs[0].CodeSHA256, w.jobs[0].Image = "c0de", "lab:1"
	w.jobs = append(w.jobs, mlops.Job{Name: "iris-trainer-1", Project: "iris", Trigger: mlops.TriggerSchedule, State: mlops.TrainingFailed, Message: "BackoffLimitExceeded: it failed thrice", CodeSHA256: "c0de", Image: "lab:1"})
	run(t, l.Reconcile)
	for _, tr := range w.trainings {
		if tr.CodeSHA256 != "c0de" || tr.Image != "lab:1" {
			t.Errorf("%s ran %q in %q", tr.Job, tr.CodeSHA256, tr.Image)
		}
	}
	if got := w.trainings[1].Message; got != "BackoffLimitExceeded: it failed thrice" {
		t.Errorf("the scheduled one says %q", got)
	}
	w.jobs[0].State, w.jobs[0].Message, w.why = mlops.TrainingFailed, "BackoffLimitExceeded: it failed thrice", map[string]string{"iris-train-1": "OOMKilled: it needs more"}
	w.calls = nil
	w.broken["TrainingSaid"] = errors.New("no luck")
	if err := l.Reconcile(t.Context()); err == nil || w.trainings[0].State != mlops.TrainingRunning {
		t.Errorf("error %v, it is %s: its end was recorded without its reason", err, w.trainings[0].State)
	}
	delete(w.broken, "TrainingSaid")
	run(t, l.Reconcile)
	if got := w.trainings[0]; got.State != mlops.TrainingFailed || got.Message != "OOMKilled: it needs more" {
		t.Errorf("it is %s and says %q", got.State, got.Message)
	}
}

// A pod that finds no room says why, until it runs.
func TestATrainingSaysWhyItWaits(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	run(t, l.Reconcile)
	w.jobs[0].Waits, w.why = true, map[string]string{"iris-train-1": "asks for 2 GPUs, the node has 1"}
	run(t, l.Reconcile)
	if got := w.trainings[0]; got.State != mlops.TrainingRunning || got.Message != "asks for 2 GPUs, the node has 1" {
		t.Errorf("it is %s and says %q", got.State, got.Message)
	}
	w.calls = nil
	run(t, l.Reconcile)
	for _, c := range w.calls {
		if c == "SetTraining" {
			t.Error("the same reason was written again")
		}
	}
	w.jobs[0].Waits = false
	run(t, l.Reconcile)
	if got := w.trainings[0]; got.State != mlops.TrainingRunning || got.Message != "" {
		t.Errorf("it runs, is %s and says %q", got.State, got.Message)
	}
}

// The servers of a project get its GPUs when it asks for them.
func TestServersGetTheProjectsGPUs(t *testing.T) {
	w := newWorld()
	l := w.start()
	run(t, l.Prepare)
	n := 1
	if _, err := l.Edit(t.Context(), "iris", mlops.ProjectEdit{GPU: &mlops.GPUEdit{Serving: &n}}); err != nil {
		t.Fatal(err)
	}
	run(t, l.Reconcile)
	last := w.deployed[len(w.deployed)-1]
	if last.Deployment.Name != "iris" || last.GPU.Serving != 1 {
		t.Errorf("the last one applied is %s with %+v", last.Deployment.Name, last.GPU)
	}
	before := len(w.deployed)
	run(t, l.Reconcile)
	if len(w.deployed) != before {
		t.Error("it was applied again without a change")
	}
}
