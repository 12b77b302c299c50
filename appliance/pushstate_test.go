package appliance

import (
	"net/http"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// A push follows its version from the moment when it is registered, through the pass
// that makes its revision, and is told why where there will be none.
func TestPushState(t *testing.T) {
	a, _ := serveControl(t, http.NotFoundHandler())
	addProject(t, a)
	ctx, store := t.Context(), a.registry.Store()
	dbtest.Must(store.Projects.PutProject(ctx, mlops.Project{Name: "prices", Dataset: "prices", Schedule: "*/30 * * * *"}))(t)
	p := pushes{port: a.loopPort, address: func() string { return "http://lab" }}
	experiment := dbtest.Must(store.Experiments.CreateExperiment(ctx, "prices", "", nil))(t)
	training := func() mlops.Training {
		return dbtest.Must(store.Projects.CreateTraining(ctx, "prices", mlops.TriggerManual))(t)
	}
	// registers has a run of a training register a version: that of its Job, or another
	// of its script.
	registers := func(of mlops.Training, script bool) {
		r := dbtest.Must(store.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: experiment, Tags: []wire.KV{{Key: mlops.TagJob, Value: of.Job}}}))(t)
		if script {
			r = dbtest.Must(store.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: experiment, Tags: []wire.KV{{Key: mlops.TagJobRun, Value: r.Info.RunID}}}))(t)
		}
		dbtest.Must(store.Models.CreateModelVersion(ctx, models.NewVersion{Name: "prices", Source: "s3://mlflow/m", RunID: r.Info.RunID}))(t)
	}
	is := func(when string, of mlops.Training, version int, revision bool, held string) {
		t.Helper()
		s, err := p.PushState(ctx, "prices", of.ID)
		if err != nil || s.Version != version || (s.Revision != nil) != revision || s.Held != held {
			t.Errorf("%s: version %d, revision %v, held %q, %v; want %d, %t, %q", when, s.Version, s.Revision, s.Held, err, version, revision, held)
		}
	}
	dbtest.Must(store.Models.CreateRegisteredModel(ctx, "prices", "", nil))(t)

	first := training()
	is("no deployment, no version", first, 0, false, "")
	registers(first, true)
	is("no deployment yet", first, 1, false, "")
	dbtest.Must(store.Deployments.EnsureDeployment(ctx, mlops.Deployment{Name: "prices", Project: "prices", Model: "prices", Automatic: true}))(t)
	is("registered", first, 1, false, "")
	dbtest.Must(store.Deployments.FollowModels(ctx))(t)
	is("followed", first, 1, true, "")

	second := training()
	is("no version of this training", second, 0, false, "")
	registers(second, false)
	is("the job's own run", second, 2, false, "")
	third := training()
	registers(third, true)
	is("a newer version comes first", second, 2, false, "version 3 is put into service in place of version 2: it is newer")
	dbtest.Must(store.Deployments.FollowModels(ctx))(t)
	is("it has come first", second, 2, false, "version 3 is put into service in place of version 2: it is newer")
	is("the newer one", third, 3, true, "")
	dbtest.OK(t, store.Deployments.SetDeployment(ctx, "prices", true, false))
	fourth := training()
	registers(fourth, true)
	is("pinned", fourth, 4, false, "deployment prices is pinned, so no new version is put into service: `benchtop unpin prices`")
}

// A deployment that somebody has made of a version follows none.
func TestPushStateOfADeploymentThatFollowsNothing(t *testing.T) {
	a, _ := serveControl(t, http.NotFoundHandler())
	addProject(t, a) // with such a deployment
	of := dbtest.Must(a.registry.Store().Projects.CreateTraining(t.Context(), "iris", mlops.TriggerManual))(t)
	s, err := pushes{port: a.loopPort, address: func() string { return "http://lab" }}.PushState(t.Context(), "iris", of.ID)
	if want := "deployment iris does not follow new versions: `benchtop promote iris VERSION` serves one"; err != nil || s.Held != want {
		t.Errorf("held is %q, %v; want %q", s.Held, err, want)
	}
}
