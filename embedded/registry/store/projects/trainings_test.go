package projects_test

import (
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

func TestTrainings(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	_, err := s.Projects.CreateTraining(ctx, "iris", mlops.TriggerManual)
	dbtest.WantCode(t, err, mlops.NotFound, `no project "iris"`)
	dbtest.Must(s.Projects.PutProject(ctx, mlops.Project{Name: "iris", Dataset: "iris", Schedule: "*/5 * * * *"}))(t)
	if p := dbtest.Must(s.Projects.PutProject(ctx, mlops.Project{Name: "iris", Dataset: "iris", Schedule: "0 * * * *", TimeZone: "Europe/Berlin", Node: "n"}))(t); p.ID != 1 || p.TimeZone != "Europe/Berlin" || p.Node != "n" || p.Schedule != "0 * * * *" {
		t.Errorf("the project was not changed in place: %+v", p)
	}
	tr := dbtest.Must(s.Projects.CreateTraining(ctx, "iris", mlops.TriggerFirstBoot))(t)
	if tr.Job != "iris-train-1" || tr.State != mlops.TrainingRequested || tr.Trigger != mlops.TriggerFirstBoot {
		t.Errorf("training: %+v", tr)
	}
	at := time.UnixMilli(5000)
	adopted := dbtest.Must(s.Projects.AdoptTraining(ctx, "iris", "cron-1", mlops.TriggerSchedule, at))(t)
	if again := dbtest.Must(s.Projects.AdoptTraining(ctx, "iris", "cron-1", mlops.TriggerSchedule, at))(t); again.ID != adopted.ID || !again.CreatedAt.Equal(at) {
		t.Errorf("adopted twice: %+v and %+v", adopted, again)
	}
	exp := dbtest.Must(s.Experiments.CreateExperiment(ctx, "iris", "", nil))(t)
	run := dbtest.Must(s.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: exp, Tags: []wire.KV{{Key: mlops.TagJob, Value: tr.Job}}}))(t)
	for _, step := range []struct {
		state mlops.TrainingState
		code  mlops.Code
	}{{mlops.TrainingRunning, ""}, {mlops.TrainingRunning, ""}, {mlops.TrainingRequested, mlops.InvalidState}, {mlops.TrainingSucceeded, ""}, {mlops.TrainingSucceeded, ""},
		{mlops.TrainingFailed, mlops.InvalidState}, {mlops.TrainingRunning, mlops.InvalidState}, {"odd", mlops.Invalid}} {
		if err := s.Projects.SetTraining(ctx, tr.ID, step.state, "m", time.UnixMilli(9000)); mlops.CodeOf(err) != step.code {
			t.Errorf("to %s: %v, want %q", step.state, err, step.code)
		}
	}
	dbtest.OK(t, s.Projects.SetTrainingCode(ctx, tr.ID, "c0de", "lab:1"))
	if got := dbtest.Must(s.Projects.Training(ctx, tr.ID))(t); got.CodeSHA256 != "c0de" || got.Image != "lab:1" || adopted.CodeSHA256 != "" {
		t.Errorf("the training ran %q in %q", got.CodeSHA256, got.Image)
	}
	all := dbtest.Must(s.Projects.Trainings(ctx, "iris", 10))(t)
	if len(all) != 2 || all[0].ID != tr.ID || all[0].RunID != run.Info.RunID || all[0].State != mlops.TrainingSucceeded || all[0].EndedAt.UnixMilli() != 9000 || all[1].RunID != "" {
		t.Errorf("trainings: %+v", all)
	}
}
