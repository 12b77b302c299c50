package store

import (
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// own makes a second deployment of iris.
func (s *Store) own(t *testing.T, name, follows string, version int) mlops.Deployment {
	t.Helper()
	return must(s.CreateDeployment(t.Context(), mlops.Deployment{Name: name, Model: "iris", Follows: follows, Replicas: 2}, version, mlops.Act{By: "ann", Reason: "try"}))(t)
}

// newest is the newest revision of a deployment.
func (s *Store) newest(t *testing.T, deployment string) mlops.Revision {
	t.Helper()
	return must(s.Revisions(t.Context(), deployment, 1))(t)[0]
}

func TestADeploymentBeginsWithItsFirstRevision(t *testing.T) {
	s, ctx := served(t, 3), t.Context()
	must(s.CreateRegisteredModel(ctx, "other", "", nil))(t)
	must(s.CreateModelVersion(ctx, NewVersion{Name: "other", Source: "s3://mlflow/y"}))(t)
	ok(t, s.SetAlias(ctx, "iris", "champion", "2"))
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
	d := must(s.CreateDeployment(ctx, mlops.Deployment{Name: "other", Model: "other", Replicas: 1}, 0, mlops.Act{}))(t)
	if d.Project != "" || d.Namespace != "models" {
		t.Errorf("a model without a project is served as %+v", d)
	}
	iris := must(s.Deployment(ctx, "iris"))(t)
	if iris.Own || iris.Replicas != 1 {
		t.Errorf("the project's deployment is %+v", iris)
	}
}

func TestResolveVersion(t *testing.T) {
	s, ctx := served(t, 2), t.Context()
	ok(t, s.SetAlias(ctx, "iris", "champion", "1"))
	for _, c := range []struct {
		alias         string
		version, want int
	}{{"", 0, 2}, {"champion", 0, 1}, {"", 2, 2}} {
		if got := must(s.ResolveVersion(ctx, "iris", c.alias, c.version))(t); got != c.want {
			t.Errorf("alias %q, version %d: %d, want %d", c.alias, c.version, got, c.want)
		}
	}
	_, err := s.ResolveVersion(ctx, "iris", "", 9)
	wantCode(t, err, mlops.NotFound, `registered model "iris" has no version 9`)
	_, err = s.ResolveVersion(ctx, "none", "", 9)
	wantCode(t, err, mlops.NotFound, `there is no registered model "none"`)
}

// What others follow, and what is served by hand, moves no alias: it is the
// project's deployment's.
func TestOwnDeploymentsMoveNoAlias(t *testing.T) {
	s, ctx := served(t, 2), t.Context()
	s.goLive(t)
	s.own(t, "beside", mlops.LiveAlias, 0)
	first := s.newest(t, "beside")
	if first.Version != 2 {
		t.Fatalf("it begins with %+v", first)
	}
	ok(t, s.StartRevision(ctx, first.ID))
	ok(t, s.LiveRevision(ctx, first.ID))
	back := must(s.CreateRevision(ctx, "beside", 1, mlops.CausePromote, false, mlops.Act{}))(t)
	ok(t, s.StartRevision(ctx, back.ID))
	ok(t, s.LiveRevision(ctx, back.ID))
	want(t, s, "1: v2 live by new version", 2)
	if n := must(s.FollowModels(ctx))(t); n != 0 {
		t.Errorf("%d revisions came of a promotion beside", n)
	}
	// A failed one leaves the alias where it is, too.
	failed := must(s.CreateRevision(ctx, "beside", 2, mlops.CausePromote, false, mlops.Act{}))(t)
	ok(t, s.StartRevision(ctx, failed.ID))
	ok(t, s.FailRevision(ctx, failed.ID, "broken"))
	want(t, s, "1: v2 live by new version", 2)
	// When the alias moves, both follow; new versions alone concern one.
	s.version(t)
	if n := must(s.FollowModels(ctx))(t); n != 1 {
		t.Errorf("a new version made %d revisions", n)
	}
	ok(t, s.SetAlias(ctx, "iris", mlops.LiveAlias, "3"))
	must(s.FollowModels(ctx))(t)
	if r := s.newest(t, "beside"); r.Version != 3 || r.Cause != mlops.CauseAlias {
		t.Errorf("the newest is %+v", r)
	}
	want(t, s, "3: v3 judging by alias, 2: v3 superseded by new version, 1: v2 live by new version", 3)
}

func TestReplicas(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	ok(t, s.SetReplicas(ctx, "iris", 0))
	if d := must(s.Deployment(ctx, "iris"))(t); d.Replicas != 0 {
		t.Errorf("it has %d replicas", d.Replicas)
	}
	// What was there stays as it was set.
	must(s.EnsureDeployment(ctx, mlops.Deployment{Name: "iris", Project: "iris", Model: "iris"}))(t)
	if d := must(s.Deployment(ctx, "iris"))(t); d.Replicas != 0 {
		t.Errorf("it has %d replicas", d.Replicas)
	}
	wantCode(t, s.SetReplicas(ctx, "iris", 21), mlops.Invalid, "replicas is 21: expected 0 to 20")
	wantCode(t, s.SetReplicas(ctx, "none", 2), mlops.NotFound, `there is no deployment "none"`)
}

func TestADeploymentEnds(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	s.own(t, "beside", mlops.LiveAlias, 1)
	wantCode(t, s.DeleteDeployment(ctx, "beside"), mlops.InvalidState, "is not being deleted")
	wantCode(t, s.EndDeployment(ctx, "iris"), mlops.InvalidState, "deployment iris is its project's: it goes with the project")
	wantCode(t, s.EndDeployment(ctx, "none"), mlops.NotFound, `there is no deployment "none"`)
	ok(t, s.EndDeployment(ctx, "beside"))
	if open := must(s.OpenRevisions(ctx))(t); len(open) != 0 {
		t.Errorf("what is being deleted goes on: %+v", open)
	}
	ok(t, s.SetAlias(ctx, "iris", mlops.LiveAlias, "1"))
	must(s.FollowModels(ctx))(t)
	if r := s.newest(t, "beside"); r.Number != 1 {
		t.Errorf("what is being deleted follows its alias: %+v", r)
	}
	ok(t, s.DeleteDeployment(ctx, "beside"))
	ok(t, s.DeleteDeployment(ctx, "beside"))
	if _, err := s.Deployment(ctx, "beside"); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("it is still there: %v", err)
	}
	// Those of a project go with it.
	s.own(t, "beside", "", 1)
	p := must(s.Project(ctx, "iris"))(t)
	p.Deleting = true
	must(s.PutProject(ctx, p))(t)
	_, err := s.CreateDeployment(ctx, mlops.Deployment{Name: "third", Model: "iris", Replicas: 1}, 1, mlops.Act{})
	wantCode(t, err, mlops.InvalidState, "project iris is being deleted")
	ok(t, s.DeleteProject(ctx, "iris"))
	if ds := must(s.Deployments(ctx))(t); len(ds) != 0 {
		t.Errorf("left are %+v", ds)
	}
}

func TestWhatCannotBeDeployed(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	must(s.PutProject(ctx, mlops.Project{Name: "wine", Dataset: "wine"}))(t)
	must(s.CreateRegisteredModel(ctx, "empty", "", nil))(t)
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
		_, err := s.CreateDeployment(ctx, c.d, c.version, mlops.Act{})
		wantCode(t, err, c.code, c.want)
	}
	if ds := must(s.Deployments(ctx))(t); len(ds) != 1 {
		t.Errorf("what was refused left %+v", ds)
	}
	_, err := s.PutProject(ctx, mlops.Project{Name: "models", Dataset: "iris"})
	wantCode(t, err, mlops.Invalid, `a project cannot be named "models"`)
}
