package projects_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
)

func TestProjectRows(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	p := dbtest.Must(s.Projects.PutProject(ctx, mlops.Project{Name: "wine", Dataset: "wine", Params: `{"C":2}`, Node: "n"}))(t)
	if p.Schedule != "" || p.TimeZone != "UTC" || p.Params != `{"C":2}` || p.Edited != (mlops.EditedFields{}) || p.Environment != nil || p.Deleting || p.CreatedAt.IsZero() {
		t.Errorf("made %+v", p)
	}
	p.Schedule, p.Edited = "0 * * * *", mlops.EditedFields{Schedule: true, Params: true, Resources: true, Environment: true}
	p.Resources = mlops.TrainerResources{Requests: mlops.ResourceAmounts{CPU: "100m"}, Limits: mlops.ResourceAmounts{Memory: "1Gi"}}
	p.Environment = mlops.Variables{"OMP_NUM_THREADS": "2"}
	if got := dbtest.Must(s.Projects.PutProject(ctx, p))(t); !got.Equal(p) {
		t.Errorf("changed to %+v, want %+v", got, p)
	}
	training := dbtest.Must(s.Projects.CreateTraining(ctx, "wine", mlops.TriggerFirstBoot))(t)
	dbtest.WantCode(t, s.Projects.DeleteProject(ctx, "wine"), mlops.InvalidState, "project wine is not being deleted")
	p.Deleting = true
	if got := dbtest.Must(s.Projects.PutProject(ctx, p))(t); !got.Deleting {
		t.Errorf("marked: %+v", got)
	}
	for range 2 { // deleting again is fine
		if err := s.Projects.DeleteProject(ctx, "wine"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Projects.Project(ctx, "wine")
	dbtest.WantCode(t, err, mlops.NotFound, `no project "wine"`)
	_, err = s.Projects.Training(ctx, training.ID)
	dbtest.WantCode(t, err, mlops.NotFound, "no training")
	dbtest.Must(s.Projects.PutProject(ctx, mlops.Project{Name: "wine", Dataset: "wine"}))(t)
	// Jobs are named after ids: none is given again.
	if again := dbtest.Must(s.Projects.CreateTraining(ctx, "wine", mlops.TriggerFirstBoot))(t); again.ID <= training.ID {
		t.Errorf("training %d after %d", again.ID, training.ID)
	}
}

func TestPush(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	code := &mlops.ProjectCode{SHA256: strings.Repeat("0a", 32), Bytes: 7, Files: 2, Commit: "c0ffee", Dirty: true, PushedBy: "ada", PushedAt: time.UnixMilli(1_790_000_000_000).UTC(),
		Plan: mlops.CodePlan{Kind: "script", Entry: "train.py", Command: []string{"python", "train.py"}}}
	made := dbtest.Must(s.Projects.Push(ctx, mlops.Project{Name: "prices", Code: code, Node: "n"}))(t)
	if !reflect.DeepEqual(made.Project.Code, code) || made.Training.Trigger != mlops.TriggerPush || made.Training.State != mlops.TrainingRequested || made.Training.Project != "prices" {
		t.Errorf("made %+v", made)
	}
	p := made.Project
	p.Schedule, p.Code.SHA256 = "0 * * * *", strings.Repeat("0b", 32)
	again := dbtest.Must(s.Projects.Push(ctx, p))(t)
	if again.Project.ID != made.Project.ID || again.Training.ID <= made.Training.ID || again.Project.Code.SHA256 != p.Code.SHA256 || again.Project.Schedule != p.Schedule {
		t.Errorf("pushed again: %+v", again)
	}
	_, err := s.Projects.Push(ctx, mlops.Project{Name: "prices", Dataset: "iris"})
	dbtest.WantCode(t, err, mlops.Invalid, "no code that could be pushed")
	p.Dataset = "iris"
	_, err = s.Projects.Push(ctx, p)
	dbtest.WantCode(t, err, mlops.Invalid, "expected its digest and no dataset")
	if all := dbtest.Must(s.Projects.Trainings(ctx, "prices", 9))(t); len(all) != 2 {
		t.Errorf("%d trainings, want 2: a refused push requests none", len(all))
	}
}

func TestLoopFacts(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	for _, want := range []string{"", "iris", "none"} {
		if want != "" {
			if err := s.Projects.SetLoopFact(ctx, "first-sample", want); err != nil {
				t.Fatal(err)
			}
		}
		if got := dbtest.Must(s.Projects.LoopFact(ctx, "first-sample"))(t); got != want {
			t.Errorf("remembered %q, want %q", got, want)
		}
	}
}
