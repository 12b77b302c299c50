package deployments_test

import (
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
)

// own makes a second deployment of iris.
func (s *lab) own(t *testing.T, name, follows string, version int) mlops.Deployment {
	t.Helper()
	return dbtest.Must(s.Deployments.CreateDeployment(t.Context(), mlops.Deployment{Name: name, Model: "iris", Follows: follows, Replicas: 2}, version, mlops.Act{By: "ann", Reason: "try"}))(t)
}

// newest is the newest revision of a deployment.
func (s *lab) newest(t *testing.T, deployment string) mlops.Revision {
	t.Helper()
	return dbtest.Must(s.Deployments.Revisions(t.Context(), deployment, 1))(t)[0]
}

func TestADeploymentBeginsWithItsFirstRevision(t *testing.T) {
	s, ctx := served(t, 3), t.Context()
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "other", "", nil))(t)
	dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "other", Source: "s3://mlflow/y"}))(t)
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", "champion", "2"))
	for name, c := range map[string]struct {
		follows       string
		version, want int
	}{"newest": {"", 0, 3}, "second": {"champion", 0, 2}, "first": {"", 1, 1}} {
		d := s.own(t, name, c.follows, c.version)
		if !d.Own || d.Replicas != 2 || d.Project != "iris" || d.Namespace != "iris" || d.Automatic || d.Follows != c.follows || d.Revision != nil || d.Deleting {
			t.Errorf("%s is %+v", name, d)
		}
		if r := s.newest(t, name); r.Version != c.want || r.Cause != mlops.CauseDeploy || r.State != mlops.RevisionJudging || r.By != "ann" || r.Reason != "try" || r.Number != 1 {
			t.Errorf("%s begins with %+v", name, r)
		}
	}
	d := dbtest.Must(s.Deployments.CreateDeployment(ctx, mlops.Deployment{Name: "other", Model: "other", Replicas: 1}, 0, mlops.Act{}))(t)
	if d.Project != "" || d.Namespace != "models" {
		t.Errorf("a model without a project is served as %+v", d)
	}
	iris := dbtest.Must(s.Deployments.Deployment(ctx, "iris"))(t)
	if iris.Own || iris.Replicas != 1 {
		t.Errorf("the project's deployment is %+v", iris)
	}
}

func TestResolveVersion(t *testing.T) {
	s, ctx := served(t, 2), t.Context()
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", "champion", "1"))
	for _, c := range []struct {
		alias         string
		version, want int
	}{{"", 0, 2}, {"champion", 0, 1}, {"", 2, 2}} {
		if got := dbtest.Must(s.Deployments.ResolveVersion(ctx, "iris", c.alias, c.version))(t); got != c.want {
			t.Errorf("alias %q, version %d: %d, want %d", c.alias, c.version, got, c.want)
		}
	}
	_, err := s.Deployments.ResolveVersion(ctx, "iris", "", 9)
	dbtest.WantCode(t, err, mlops.NotFound, `registered model "iris" has no version 9`)
	_, err = s.Deployments.ResolveVersion(ctx, "none", "", 9)
	dbtest.WantCode(t, err, mlops.NotFound, `there is no registered model "none"`)
}

// Following an alias or serving by hand moves no alias: only the project's
// deployment does.
func TestOwnDeploymentsMoveNoAlias(t *testing.T) {
	s, ctx := served(t, 2), t.Context()
	s.goLive(t)
	s.own(t, "beside", mlops.LiveAlias, 0)
	first := s.newest(t, "beside")
	if first.Version != 2 {
		t.Fatalf("it begins with %+v", first)
	}
	dbtest.OK(t, s.Deployments.StartRevision(ctx, first.ID))
	dbtest.OK(t, s.Deployments.LiveRevision(ctx, first.ID))
	back := dbtest.Must(s.Deployments.CreateRevision(ctx, "beside", 1, mlops.CausePromote, false, mlops.Act{}))(t)
	dbtest.OK(t, s.Deployments.StartRevision(ctx, back.ID))
	dbtest.OK(t, s.Deployments.LiveRevision(ctx, back.ID))
	want(t, s, "1: v2 live by new version", 2)
	if n := dbtest.Must(s.Deployments.FollowModels(ctx))(t); n != 0 {
		t.Errorf("%d revisions came of a promotion beside", n)
	}
	// A failed one leaves the alias where it is, too.
	failed := dbtest.Must(s.Deployments.CreateRevision(ctx, "beside", 2, mlops.CausePromote, false, mlops.Act{}))(t)
	dbtest.OK(t, s.Deployments.StartRevision(ctx, failed.ID))
	dbtest.OK(t, s.Deployments.FailRevision(ctx, failed.ID, "broken"))
	want(t, s, "1: v2 live by new version", 2)
	// When the alias moves, both follow; new versions alone concern one.
	s.version(t)
	if n := dbtest.Must(s.Deployments.FollowModels(ctx))(t); n != 1 {
		t.Errorf("a new version made %d revisions", n)
	}
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", mlops.LiveAlias, "3"))
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	if r := s.newest(t, "beside"); r.Version != 3 || r.Cause != mlops.CauseAlias {
		t.Errorf("the newest is %+v", r)
	}
	want(t, s, "3: v3 judging by alias, 2: v3 superseded by new version, 1: v2 live by new version", 3)
}

// A project trains under its own name, whatever becomes of the model.
func TestARenamedModelTakesItsDeploymentsAlong(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	s.goLive(t)
	s.own(t, "beside", mlops.LiveAlias, 0)
	first := s.newest(t, "beside")
	dbtest.OK(t, s.Deployments.StartRevision(ctx, first.ID))
	dbtest.OK(t, s.Deployments.LiveRevision(ctx, first.ID))
	for range 2 { // there and back
		dbtest.Must(s.Models.RenameRegisteredModel(ctx, "iris", "flowers"))(t)
		if n := dbtest.Must(s.Deployments.FollowModels(ctx))(t); n != 0 {
			t.Errorf("the other name made %d revisions", n)
		}
		if d := dbtest.Must(s.Deployments.Deployment(ctx, "beside"))(t); d.Model != "flowers" || d.Project != "iris" || d.Revision.Model != "flowers" {
			t.Errorf("it is of %s, project %s, and serves %+v", d.Model, d.Project, d.Revision)
		}
		if d := dbtest.Must(s.Deployments.Deployment(ctx, "iris"))(t); d.Model != "iris" || d.Revision.Model != "iris" {
			t.Errorf("the project's is of %s and serves %+v", d.Model, d.Revision)
		}
		if _, err := s.Models.RenameRegisteredModel(ctx, "flowers", "flowers"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Models.RenameRegisteredModel(ctx, "flowers", "iris"); err != nil {
			t.Fatal(err)
		}
		dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	}
	dbtest.Must(s.Models.RenameRegisteredModel(ctx, "iris", "flowers"))(t)
	_, err := s.Deployments.CreateRevision(ctx, "beside", 1, mlops.CausePromote, false, mlops.Act{})
	dbtest.WantCode(t, err, mlops.InvalidState, "deployment beside serves version 1 already")
	dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "flowers", Source: "s3://mlflow/x"}))(t)
	dbtest.OK(t, s.Models.SetAlias(ctx, "flowers", mlops.LiveAlias, "2"))
	if n := dbtest.Must(s.Deployments.FollowModels(ctx))(t); n != 1 {
		t.Errorf("the moved alias made %d revisions", n)
	}
	if r := s.newest(t, "beside"); r.Number != 2 || r.Version != 2 || r.Model != "flowers" {
		t.Errorf("the newest is %+v", r)
	}
}

func TestReplicas(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	dbtest.OK(t, s.Deployments.SetReplicas(ctx, "iris", 0))
	if d := dbtest.Must(s.Deployments.Deployment(ctx, "iris"))(t); d.Replicas != 0 {
		t.Errorf("it has %d replicas", d.Replicas)
	}
	// Values that were set stay.
	dbtest.Must(s.Deployments.EnsureDeployment(ctx, mlops.Deployment{Name: "iris", Project: "iris", Model: "iris"}))(t)
	if d := dbtest.Must(s.Deployments.Deployment(ctx, "iris"))(t); d.Replicas != 0 {
		t.Errorf("it has %d replicas", d.Replicas)
	}
	dbtest.WantCode(t, s.Deployments.SetReplicas(ctx, "iris", 21), mlops.Invalid, "replicas is 21: expected 0 to 20")
	dbtest.WantCode(t, s.Deployments.SetReplicas(ctx, "none", 2), mlops.NotFound, `there is no deployment "none"`)
}

func TestADeploymentEnds(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	s.own(t, "beside", mlops.LiveAlias, 1)
	dbtest.WantCode(t, s.Deployments.DeleteDeployment(ctx, "beside"), mlops.InvalidState, "is not being deleted")
	dbtest.WantCode(t, s.Deployments.EndDeployment(ctx, "iris"), mlops.InvalidState, "deployment iris is its project's: it goes with the project")
	dbtest.WantCode(t, s.Deployments.EndDeployment(ctx, "none"), mlops.NotFound, `there is no deployment "none"`)
	dbtest.OK(t, s.Deployments.EndDeployment(ctx, "beside"))
	if open := dbtest.Must(s.Deployments.OpenRevisions(ctx))(t); len(open) != 0 {
		t.Errorf("what is being deleted goes on: %+v", open)
	}
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", mlops.LiveAlias, "1"))
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	if r := s.newest(t, "beside"); r.Number != 1 {
		t.Errorf("what is being deleted follows its alias: %+v", r)
	}
	dbtest.OK(t, s.Deployments.DeleteDeployment(ctx, "beside"))
	dbtest.OK(t, s.Deployments.DeleteDeployment(ctx, "beside"))
	if _, err := s.Deployments.Deployment(ctx, "beside"); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("it is still there: %v", err)
	}
	// Those of a project go with it.
	s.own(t, "beside", "", 1)
	p := dbtest.Must(s.Projects.Project(ctx, "iris"))(t)
	p.Deleting = true
	dbtest.Must(s.Projects.PutProject(ctx, p))(t)
	_, err := s.Deployments.CreateDeployment(ctx, mlops.Deployment{Name: "third", Model: "iris", Replicas: 1}, 1, mlops.Act{})
	dbtest.WantCode(t, err, mlops.InvalidState, "project iris is being deleted")
	dbtest.OK(t, s.Projects.DeleteProject(ctx, "iris"))
	if ds := dbtest.Must(s.Deployments.Deployments(ctx))(t); len(ds) != 0 {
		t.Errorf("left are %+v", ds)
	}
}

func TestWhatCannotBeDeployed(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	dbtest.Must(s.Projects.PutProject(ctx, mlops.Project{Name: "wine", Dataset: "wine"}))(t)
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "empty", "", nil))(t)
	for _, c := range []struct {
		d       mlops.Deployment
		version int
		code    mlops.Code
		want    string
	}{
		{mlops.Deployment{Name: "iris", Model: "iris"}, 1, mlops.Exists, `there is a deployment iris already, of model "iris"`},
		{mlops.Deployment{Name: "wine", Model: "iris"}, 1, mlops.Exists, `there is a deployment wine already`},
		{mlops.Deployment{Name: "B", Model: "iris"}, 1, mlops.Invalid, "is not usable"},
		{mlops.Deployment{Name: "b", Model: "none"}, 0, mlops.NotFound, `there is no registered model "none"`},
		{mlops.Deployment{Name: "b", Model: "iris"}, 9, mlops.NotFound, `registered model "iris" has no version 9`},
		{mlops.Deployment{Name: "b", Model: "iris", Follows: "best"}, 0, mlops.NotFound, `registered model "iris" has no alias "best"`},
		{mlops.Deployment{Name: "b", Model: "empty"}, 0, mlops.InvalidState, `has no version yet that is ready`},
		{mlops.Deployment{Name: "b", Model: "iris", Replicas: 30}, 0, mlops.Invalid, `expected 0 to 20`},
	} {
		_, err := s.Deployments.CreateDeployment(ctx, c.d, c.version, mlops.Act{})
		dbtest.WantCode(t, err, c.code, c.want)
	}
	if ds := dbtest.Must(s.Deployments.Deployments(ctx))(t); len(ds) != 1 {
		t.Errorf("what was refused left %+v", ds)
	}
	_, err := s.Projects.PutProject(ctx, mlops.Project{Name: "models", Dataset: "iris"})
	dbtest.WantCode(t, err, mlops.Invalid, `a project cannot be named "models"`)
}
