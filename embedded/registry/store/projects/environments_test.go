package projects_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
)

func TestEnvironments(t *testing.T) {
	s, ctx := storetest.Open(t), t.Context()
	sha := func(digit string) string { return strings.Repeat(digit, 64) }
	code := &mlops.ProjectCode{SHA256: sha("a")}
	pushed := dbtest.Must(s.Projects.Push(ctx, mlops.Project{Name: "prices", Code: code}))(t)
	e := mlops.CodeEnvironment{Project: "prices", Request: sha("1"), LockSHA256: sha("2"), Base: "lab", LayerSHA256: sha("3"), LayerBytes: 7, LayerOf: sha("1"),
		Packages: []mlops.EnvironmentPackage{{Name: "xgboost", Version: "3.1.2", Bytes: 5, From: "xgboost.whl", SHA256: sha("4")}},
		Kept:     []mlops.EnvironmentPackage{{Name: "numpy", Version: "2.3"}}, Lock: "xgboost==3.1.2"}
	got := dbtest.Must(s.Projects.PutEnvironment(ctx, e))(t)
	e.ID, e.CreatedAt = got.ID, got.CreatedAt
	if !reflect.DeepEqual(got, e) || e.CreatedAt.IsZero() {
		t.Errorf("kept %+v, want %+v", got, e)
	}
	again := e
	again.LayerBytes = 8
	if got := dbtest.Must(s.Projects.PutEnvironment(ctx, again))(t); got.ID != e.ID || got.LayerBytes != 8 {
		t.Errorf("kept again %+v, want the row to be replaced", got)
	}
	if all := dbtest.Must(s.Projects.Environments(ctx, "prices"))(t); len(all) != 1 {
		t.Errorf("%d environments, want 1", len(all))
	}
	_, err := s.Projects.Environment(ctx, "prices", sha("9"))
	dbtest.WantCode(t, err, mlops.NotFound, "project prices has no environment")
	e.LayerSHA256 = "x"
	_, err = s.Projects.PutEnvironment(ctx, e)
	dbtest.WantCode(t, err, mlops.Invalid, "the layer of an environment of project prices is \"x\"")
	e.Project, e.LayerSHA256 = "wine", sha("3")
	_, err = s.Projects.PutEnvironment(ctx, e)
	dbtest.WantCode(t, err, mlops.NotFound, `no project "wine"`)

	// A training starts again in it, and so do the later ones of its project.
	id := pushed.Training.ID
	if err := s.Projects.SetTraining(ctx, id, mlops.TrainingRunning, "it waits", pushed.Training.CreatedAt); err != nil {
		t.Fatal(err)
	}
	if err := s.Projects.TrainIn(ctx, id, sha("1")); err != nil {
		t.Fatal(err)
	}
	if tr := dbtest.Must(s.Projects.Training(ctx, id))(t); tr.State != mlops.TrainingRequested || tr.Environment != sha("1") || tr.Message != "" {
		t.Errorf("the training is %+v", tr)
	}
	p := dbtest.Must(s.Projects.Project(ctx, "prices"))(t)
	if p.CodeEnvironment != sha("1") {
		t.Errorf("the project runs in %q", p.CodeEnvironment)
	}
	if p = dbtest.Must(s.Projects.Push(ctx, p))(t).Project; p.CodeEnvironment != sha("1") {
		t.Errorf("after another push it runs in %q", p.CodeEnvironment)
	}
	if err := s.Projects.SetTraining(ctx, id, mlops.TrainingFailed, "", p.CreatedAt); err != nil {
		t.Fatal(err)
	}
	dbtest.WantCode(t, s.Projects.TrainIn(ctx, id, sha("1")), mlops.InvalidState, "is failed and cannot start again")
	dbtest.WantCode(t, s.Projects.TrainIn(ctx, 99, sha("1")), mlops.NotFound, "no training 99")

	if err := s.Projects.DropEnvironment(ctx, got.ID); err != nil {
		t.Fatal(err)
	}
	if all := dbtest.Must(s.Projects.Environments(ctx, "prices"))(t); len(all) != 0 {
		t.Errorf("%d environments are left", len(all))
	}
	// They go with their project.
	e.Project = "prices"
	dbtest.Must(s.Projects.PutEnvironment(ctx, e))(t)
	p.Deleting = true
	dbtest.Must(s.Projects.PutProject(ctx, p))(t)
	if err := s.Projects.DeleteProject(ctx, "prices"); err != nil {
		t.Fatal(err)
	}
	dbtest.Must(s.Projects.PutProject(ctx, mlops.Project{Name: "prices", Code: code}))(t)
	if all := dbtest.Must(s.Projects.Environments(ctx, "prices"))(t); len(all) != 0 {
		t.Errorf("%d environments outlive their project", len(all))
	}
}
