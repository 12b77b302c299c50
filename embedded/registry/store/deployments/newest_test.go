package deployments_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/deployments"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
)

func TestNewestOfEach(t *testing.T) {
	s, ctx := served(t, 2), t.Context()
	dbtest.Must(s.Projects.PutProject(ctx, mlops.Project{Name: "wine", Dataset: "wine", Schedule: ""}))(t)
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "wine", "", nil))(t)
	if ts := dbtest.Must(s.Projects.NewestTrainings(ctx, 1))(t); len(ts) != 0 {
		t.Errorf("before there is one: %+v", ts)
	}
	for _, project := range []string{"iris", "iris", "wine"} {
		dbtest.Must(s.Projects.CreateTraining(ctx, project, mlops.TriggerManual))(t)
	}
	var jobs []string
	for _, tr := range dbtest.Must(s.Projects.NewestTrainings(ctx, 1))(t) {
		jobs = append(jobs, tr.Job)
	}
	if want := []string{"iris-train-2", "wine-train-3"}; !slices.Equal(jobs, want) {
		t.Errorf("the newest trainings are %v, want %v", jobs, want)
	}
	jobs = nil
	dbtest.Must(s.Projects.CreateTraining(ctx, "iris", mlops.TriggerManual))(t)
	for _, tr := range dbtest.Must(s.Projects.NewestTrainings(ctx, 2))(t) {
		jobs = append(jobs, tr.Job)
	}
	if want := []string{"iris-train-4", "iris-train-2", "wine-train-3"}; !slices.Equal(jobs, want) {
		t.Errorf("the two newest trainings are %v, want %v", jobs, want)
	}
	vs := dbtest.Must(s.Models.NewestVersions(ctx, []string{"iris", "wine", "none"}))(t)
	if len(vs) != 1 || vs[0].Model != "iris" || vs[0].Version != 2 {
		t.Errorf("the newest versions are %+v", vs)
	}
	if vs := dbtest.Must(s.Models.NewestVersions(ctx, nil))(t); len(vs) != 0 {
		t.Errorf("of no models: %+v", vs)
	}
}

// Refused versions, however many, hide none that was live.
func TestLastLive(t *testing.T) {
	s, ctx := served(t, 4), t.Context()
	live := func(version int) {
		r := dbtest.Must(s.Deployments.CreateRevision(ctx, "iris", version, mlops.CausePromote, false, mlops.Act{By: "ada"}))(t)
		dbtest.OK(t, s.Deployments.StartRevision(ctx, r.ID))
		dbtest.OK(t, s.Deployments.LiveRevision(ctx, r.ID))
	}
	for _, version := range []int{1, 2, 3, 1} {
		live(version)
	}
	for range 60 {
		r := dbtest.Must(s.Deployments.CreateRevision(ctx, "iris", 4, mlops.CausePromote, false, mlops.Act{By: "ada"}))(t)
		dbtest.OK(t, s.Deployments.RejectRevision(ctx, r.ID, mlops.Act{By: "ada"}))
	}
	for max, want := range map[int][]int{1: {1}, 2: {1, 3}, 9: {1, 3, 2}} {
		var versions []int
		for _, r := range dbtest.Must(s.Deployments.LastLive(ctx, "iris", max))(t) {
			versions = append(versions, r.Version)
		}
		if !slices.Equal(versions, want) {
			t.Errorf("the %d that were live last are %v, want %v", max, versions, want)
		}
	}
}

func TestRevisionsOfAVersion(t *testing.T) {
	s, ctx := served(t, 2), t.Context()
	dbtest.Must(s.Deployments.EnsureDeployment(ctx, mlops.Deployment{Name: "second", Project: "iris", Model: "iris"}))(t)
	for _, d := range []string{"iris", "iris", "second"} {
		dbtest.Must(s.Deployments.CreateRevision(ctx, d, 1, mlops.CauseRollback, false, mlops.Act{By: "ada"}))(t)
	}
	dbtest.Must(s.Deployments.CreateRevision(ctx, "iris", 2, mlops.CausePromote, false, mlops.Act{By: "ada"}))(t)
	var found []string
	for _, r := range dbtest.Must(s.Deployments.RevisionsOf(ctx, "iris", 1))(t) {
		found = append(found, fmt.Sprintf("%s %d v%d", r.Deployment, r.Number, r.Version))
	}
	if want := []string{"iris 2 v1", "second 1 v1"}; !slices.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
	if rs := dbtest.Must(s.Deployments.RevisionsOf(ctx, "iris", 99))(t); len(rs) != 0 {
		t.Errorf("of a version that was never served: %+v", rs)
	}
	// Each deployment comes with the revision that should be served.
	r := dbtest.Must(s.Deployments.Revisions(ctx, "second", 1))(t)[0]
	dbtest.OK(t, s.Deployments.StartRevision(ctx, r.ID))
	ds := dbtest.Must(s.Deployments.Deployments(ctx))(t)
	if len(ds) != 2 || ds[0].Revision != nil || ds[1].Revision == nil || ds[1].Revision.Number != 1 {
		t.Errorf("deployments: %+v", ds)
	}
}

// The history of all deployments is not read for one version.
func TestRevisionsOfAVersionUseTheIndex(t *testing.T) {
	s := storetest.Open(t)
	var plan []string
	err := s.DB.RowsOnce(t.Context(), "EXPLAIN QUERY PLAN "+deployments.QueryOfVersion, func(r *sql.Rows) error {
		var id, parent, unused int
		var detail string
		err := r.Scan(&id, &parent, &unused, &detail)
		plan = append(plan, detail)
		return err
	}, "iris", 1)
	if text := strings.Join(plan, "\n"); err != nil || !strings.Contains(text, "USING INDEX revisions_by_version (model=? AND version=?)") || strings.Contains(text, "SCAN") {
		t.Errorf("%v\n%s", err, text)
	}
}

// The overview's reads, for fifty projects with twenty trainings each.
func BenchmarkOverview(b *testing.B) {
	s, ctx := storetest.Open(b), b.Context()
	var names []string
	for i := range 50 {
		name := fmt.Sprintf("project-%02d", i)
		names = append(names, name)
		dbtest.Must(s.Projects.PutProject(ctx, mlops.Project{Name: name, Dataset: "iris"}))(b)
		dbtest.Must(s.Models.CreateRegisteredModel(ctx, name, "", nil))(b)
		dbtest.Must(s.Deployments.EnsureDeployment(ctx, mlops.Deployment{Name: name, Project: name, Model: name, Automatic: true}))(b)
		for range 20 {
			dbtest.Must(s.Projects.CreateTraining(ctx, name, mlops.TriggerManual))(b)
			dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: name, Source: "s3://mlflow/x"}))(b)
		}
		dbtest.Must(s.Deployments.FollowModels(ctx))(b)
		if err := s.Deployments.StartRevision(ctx, dbtest.Must(s.Deployments.Revisions(ctx, name, 1))(b)[0].ID); err != nil {
			b.Fatal(err)
		}
	}
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		begin := time.Now()
		dbtest.Must(s.Projects.Projects(ctx))(b)
		dbtest.Must(s.Deployments.Deployments(ctx))(b)
		dbtest.Must(s.Datasets.Datasets(ctx))(b)
		dbtest.Must(s.Projects.NewestTrainings(ctx, 5))(b)
		dbtest.Must(s.Models.NewestVersions(ctx, names))(b)
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
}
