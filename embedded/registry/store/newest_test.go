package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestNewestOfEach(t *testing.T) {
	s, ctx := served(t, 2), t.Context()
	must(s.PutProject(ctx, mlops.Project{Name: "wine", Dataset: "wine", Schedule: ""}))(t)
	must(s.CreateRegisteredModel(ctx, "wine", "", nil))(t)
	if ts := must(s.NewestTrainings(ctx))(t); len(ts) != 0 {
		t.Errorf("before there is one: %+v", ts)
	}
	for _, project := range []string{"iris", "iris", "wine"} {
		must(s.CreateTraining(ctx, project, mlops.TriggerManual))(t)
	}
	var jobs []string
	for _, tr := range must(s.NewestTrainings(ctx))(t) {
		jobs = append(jobs, tr.Job)
	}
	if want := []string{"iris-train-2", "wine-train-3"}; !slices.Equal(jobs, want) {
		t.Errorf("the newest trainings are %v, want %v", jobs, want)
	}
	vs := must(s.NewestVersions(ctx, []string{"iris", "wine", "none"}))(t)
	if len(vs) != 1 || vs[0].Model != "iris" || vs[0].Version != 2 {
		t.Errorf("the newest versions are %+v", vs)
	}
	if vs := must(s.NewestVersions(ctx, nil))(t); len(vs) != 0 {
		t.Errorf("of no models: %+v", vs)
	}
}

func TestRevisionsOfAVersion(t *testing.T) {
	s, ctx := served(t, 2), t.Context()
	must(s.EnsureDeployment(ctx, mlops.Deployment{Name: "second", Project: "iris", Model: "iris"}))(t)
	for _, d := range []string{"iris", "iris", "second"} {
		must(s.CreateRevision(ctx, d, 1, mlops.CauseRollback, false, mlops.Act{By: "ada"}))(t)
	}
	must(s.CreateRevision(ctx, "iris", 2, mlops.CausePromote, false, mlops.Act{By: "ada"}))(t)
	var found []string
	for _, r := range must(s.RevisionsOf(ctx, "iris", 1))(t) {
		found = append(found, fmt.Sprintf("%s %d v%d", r.Deployment, r.Number, r.Version))
	}
	if want := []string{"iris 2 v1", "second 1 v1"}; !slices.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
	if rs := must(s.RevisionsOf(ctx, "iris", 99))(t); len(rs) != 0 {
		t.Errorf("of a version that was never served: %+v", rs)
	}
	// Each deployment comes with the revision that ought to be served.
	r := must(s.Revisions(ctx, "second", 1))(t)[0]
	ok(t, s.StartRevision(ctx, r.ID))
	ds := must(s.Deployments(ctx))(t)
	if len(ds) != 2 || ds[0].Revision != nil || ds[1].Revision == nil || ds[1].Revision.Number != 1 {
		t.Errorf("deployments: %+v", ds)
	}
}

// What the overview reads of fifty projects, of twenty trainings each.
func BenchmarkOverview(b *testing.B) {
	s, ctx := open(b), b.Context()
	var models []string
	for i := range 50 {
		name := fmt.Sprintf("project-%02d", i)
		models = append(models, name)
		must(s.PutProject(ctx, mlops.Project{Name: name, Dataset: "iris"}))(b)
		must(s.CreateRegisteredModel(ctx, name, "", nil))(b)
		must(s.EnsureDeployment(ctx, mlops.Deployment{Name: name, Project: name, Model: name, Automatic: true}))(b)
		for range 20 {
			must(s.CreateTraining(ctx, name, mlops.TriggerManual))(b)
			must(s.CreateModelVersion(ctx, NewVersion{Name: name, Source: "s3://mlflow/x"}))(b)
		}
		must(s.FollowModels(ctx))(b)
		if err := s.StartRevision(ctx, must(s.Revisions(ctx, name, 1))(b)[0].ID); err != nil {
			b.Fatal(err)
		}
	}
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		begin := time.Now()
		must(s.Projects(ctx))(b)
		must(s.Deployments(ctx))(b)
		must(s.Datasets(ctx))(b)
		must(s.NewestTrainings(ctx))(b)
		must(s.NewestVersions(ctx, models))(b)
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
}
