package deployments_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// lab is a registry with helpers for these tests.
type lab struct{ *store.Store }

// served is a registry with model iris and a deployment that follows its alias
// live and takes up new versions.
func served(t *testing.T, versions int) *lab {
	t.Helper()
	s, ctx := &lab{storetest.Open(t)}, t.Context()
	dbtest.Must(s.Projects.PutProject(ctx, mlops.Project{Name: "iris", Dataset: "iris", Schedule: "0 * * * *"}))(t)
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "iris", "", nil))(t)
	dbtest.Must(s.Deployments.EnsureDeployment(ctx, mlops.Deployment{Name: "iris", Project: "iris", Model: "iris", Follows: mlops.LiveAlias, Automatic: true}))(t)
	for range versions {
		s.version(t)
	}
	return s
}

func (s *lab) version(t *testing.T) {
	t.Helper()
	dbtest.Must(s.Models.CreateModelVersion(t.Context(), models.NewVersion{Name: "iris", Source: "s3://mlflow/x"}))(t)
}

// goLive makes the due revisions and puts the newest one into service.
func (s *lab) goLive(t *testing.T) mlops.Revision {
	t.Helper()
	ctx := t.Context()
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	r := dbtest.Must(s.Deployments.Revisions(ctx, "iris", 1))(t)[0]
	dbtest.OK(t, s.Deployments.StartRevision(ctx, r.ID))
	dbtest.OK(t, s.Deployments.LiveRevision(ctx, r.ID))
	return dbtest.Must(s.Deployments.Revision(ctx, r.ID))(t)
}

func (s *lab) states(t *testing.T) string {
	t.Helper()
	var out []string
	for _, r := range dbtest.Must(s.Deployments.Revisions(t.Context(), "iris", 100))(t) {
		out = append(out, fmt.Sprintf("%d: v%d %s by %s", r.Number, r.Version, r.State, r.Cause))
	}
	return strings.Join(out, ", ")
}

func (s *lab) live(t *testing.T) int {
	t.Helper()
	m := dbtest.Must(s.Models.Model(t.Context(), "iris"))(t)
	for _, a := range m.Aliases {
		if a.Alias == mlops.LiveAlias {
			return a.Version
		}
	}
	return 0
}

func want(t *testing.T, s *lab, states string, live int) {
	t.Helper()
	if got := s.states(t); got != states {
		t.Errorf("revisions are %s\nwant          %s", got, states)
	}
	if got := s.live(t); got != live {
		t.Errorf("the alias points at version %d, want %d", got, live)
	}
}

func TestNewVersionsAreFollowedOnce(t *testing.T) {
	s, ctx := served(t, 0), t.Context()
	if n := dbtest.Must(s.Deployments.FollowModels(ctx))(t); n != 0 {
		t.Errorf("%d revisions of a model without versions", n)
	}
	s.version(t)
	s.version(t)
	for i, n := range []int{1, 0, 0} {
		if made := dbtest.Must(s.Deployments.FollowModels(ctx))(t); made != n {
			t.Errorf("look %d made %d revisions, want %d", i, made, n)
		}
	}
	want(t, s, "1: v2 judging by new version", 0)
	s.goLive(t)
	want(t, s, "1: v2 live by new version", 2)
	if r := s.newest(t, "iris"); r.StartedAt.Before(r.CreatedAt) || r.StartedAt.After(r.LiveAt) {
		t.Errorf("it was made at %s, started at %s and live at %s", r.CreatedAt, r.StartedAt, r.LiveAt)
	}
	if made := dbtest.Must(s.Deployments.FollowModels(ctx))(t); made != 0 {
		t.Error("the alias that was set with the revision made another one")
	}
	d := dbtest.Must(s.Deployments.Deployment(ctx, "iris"))(t)
	if d.Revision == nil || d.Revision.Version != 2 || d.Namespace != "iris" {
		t.Errorf("the deployment is %+v", d)
	}
}

// What keeps a revision that starts is noted until it is live.
func TestARevisionThatIsKept(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	id := s.newest(t, "iris").ID
	note := func(state mlops.RevisionState, message string) {
		t.Helper()
		dbtest.OK(t, s.Deployments.NoteRevision(ctx, id, "the registry is away"))
		if r := s.newest(t, "iris"); r.State != state || r.Message != message {
			t.Errorf("it is %s: %q", r.State, r.Message)
		}
	}
	note(mlops.RevisionJudging, "")
	dbtest.OK(t, s.Deployments.StartRevision(ctx, id))
	note(mlops.RevisionStarting, "the registry is away")
	dbtest.OK(t, s.Deployments.LiveRevision(ctx, id))
	note(mlops.RevisionLive, "")
	if err := s.Deployments.NoteRevision(ctx, 99, ""); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("error %v", err)
	}
}

// A revision keeps what code has made its version, though the run is deleted.
func TestARevisionKeepsItsCode(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	if r := s.goLive(t); r.CodeSHA256 != "" || r.Image != "" {
		t.Errorf("of a version without a run: %+v", r)
	}
	exp := dbtest.Must(s.Experiments.CreateExperiment(ctx, "iris", "", nil))(t)
	digest := strings.Repeat("c0de", 16)
	for i, c := range []struct{ code, image, wantCode, wantImage string }{
		{digest, "lab:1", digest, "lab:1"},
		{digest, "reg.example:5000/a/lab-python:3.11@sha256:" + digest, digest, "reg.example:5000/a/lab-python:3.11@sha256:" + digest},
		// Any client may set the tags of its run.
		{"c0de", "", "", ""},
		{"\x1b]0;pwned\a" + digest, "\x1b[2Jlab:1", "", ""},
		{strings.ToUpper(digest), "lab:1\n", "", ""},
		{digest + "\n", "an image", "", ""},
		{"", "lab:" + strings.Repeat("1", 600), "", ""},
	} {
		run := dbtest.Must(s.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: exp, Tags: []wire.KV{{Key: mlops.TagCodeSHA256, Value: c.code}, {Key: mlops.TagImage, Value: c.image}}}))(t)
		dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "iris", Source: "s3://mlflow/x", RunID: run.Info.RunID}))(t)
		if r := s.goLive(t); r.Version != i+2 || r.CodeSHA256 != c.wantCode || r.Image != c.wantImage {
			t.Errorf("of code %q in image %q it is %+v", c.code, c.image, r)
		}
	}
}

func TestTheAliasIsFollowed(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	s.goLive(t)
	s.version(t)
	s.goLive(t)
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", mlops.LiveAlias, "1"))
	if made := dbtest.Must(s.Deployments.FollowModels(ctx))(t); made != 1 {
		t.Errorf("%d revisions", made)
	}
	s.goLive(t)
	want(t, s, "3: v1 live by alias, 2: v2 superseded by new version, 1: v1 superseded by new version", 1)
	// Removed, it asks for nothing; other aliases are nobody's business.
	dbtest.OK(t, s.Models.DeleteAlias(ctx, "iris", mlops.LiveAlias))
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", "champion", "2"))
	if made := dbtest.Must(s.Deployments.FollowModels(ctx))(t); made != 0 {
		t.Errorf("%d revisions", made)
	}
	// A new version and a moved alias at once: the person's word counts.
	s.version(t)
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", mlops.LiveAlias, "2"))
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	if r := dbtest.Must(s.Deployments.Revisions(ctx, "iris", 1))(t)[0]; r.Version != 2 || r.Cause != mlops.CauseAlias {
		t.Errorf("the newest revision is %+v", r)
	}
}

func TestPinnedFollowsNothing(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	s.goLive(t)
	dbtest.OK(t, s.Deployments.SetDeployment(ctx, "iris", true, false))
	s.version(t)
	if made := dbtest.Must(s.Deployments.FollowModels(ctx))(t); made != 0 {
		t.Errorf("%d revisions", made)
	}
	dbtest.OK(t, s.Deployments.SetDeployment(ctx, "iris", false, false))
	if made := dbtest.Must(s.Deployments.FollowModels(ctx))(t); made != 1 {
		t.Errorf("after unpinning %d revisions, want the one that was missed", made)
	}
}

func TestAFailedRevisionGivesWayToTheLiveOne(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	first := s.goLive(t)
	s.version(t)
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	r := dbtest.Must(s.Deployments.Revisions(ctx, "iris", 1))(t)[0]
	dbtest.OK(t, s.Deployments.StartRevision(ctx, r.ID))
	want(t, s, "2: v2 starting by new version, 1: v1 live by new version", 2)
	dbtest.OK(t, s.Deployments.FailRevision(ctx, r.ID, "it is broken"))
	want(t, s, "2: v2 failed by new version, 1: v1 live by new version", 1)
	if d := dbtest.Must(s.Deployments.Deployment(ctx, "iris"))(t); d.Revision == nil || d.Revision.ID != first.ID {
		t.Errorf("ought to be served: %+v", d.Revision)
	}
	if made := dbtest.Must(s.Deployments.FollowModels(ctx))(t); made != 0 {
		t.Error("the failed version is tried again")
	}
	if open := dbtest.Must(s.Deployments.OpenRevisions(ctx))(t); len(open) != 0 {
		t.Errorf("open are %+v", open)
	}
}

func TestANewerRevisionSupersedesOpenOnes(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	s.version(t)
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	want(t, s, "2: v2 judging by new version, 1: v1 superseded by new version", 0)
	dbtest.Must(s.Deployments.CreateRevision(ctx, "iris", 1, mlops.CausePromote, false, mlops.Act{By: "ann", Reason: "why not"}))(t)
	want(t, s, "3: v1 judging by promote, 2: v2 superseded by new version, 1: v1 superseded by new version", 0)
	r := dbtest.Must(s.Deployments.Revisions(ctx, "iris", 1))(t)[0]
	if r.By != "ann" || r.Reason != "why not" {
		t.Errorf("on record is %+v", r)
	}
	// A starting revision gives way only when the next one starts too.
	dbtest.OK(t, s.Deployments.StartRevision(ctx, r.ID))
	next := dbtest.Must(s.Deployments.CreateRevision(ctx, "iris", 2, mlops.CausePromote, false, mlops.Act{By: "ann"}))(t)
	want(t, s, "4: v2 judging by promote, 3: v1 starting by promote, 2: v2 superseded by new version, 1: v1 superseded by new version", 1)
	dbtest.OK(t, s.Deployments.StartRevision(ctx, next.ID))
	want(t, s, "4: v2 starting by promote, 3: v1 superseded by promote, 2: v2 superseded by new version, 1: v1 superseded by new version", 2)
}

func TestWhoOverridesIsOnRecord(t *testing.T) {
	s := served(t, 1)
	if r := dbtest.Must(s.Deployments.CreateRevision(t.Context(), "iris", 1, mlops.CausePromote, true, mlops.Act{By: "bob", Reason: "now"}))(t); r.Approved != "bob" || r.Reason != "now" {
		t.Errorf("on record is %+v", r)
	}
}

func TestJudgedAndDecided(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	id := dbtest.Must(s.Deployments.Revisions(ctx, "iris", 1))(t)[0].ID
	gates := []mlops.GateResult{{Metric: "accuracy", Bound: "at least 0.9", Value: "0.95", Passed: true}}
	dbtest.OK(t, s.Deployments.JudgeRevision(ctx, id, gates, mlops.RevisionWaiting, "for ann"))
	if r := dbtest.Must(s.Deployments.Revision(ctx, id))(t); r.State != mlops.RevisionWaiting || r.Message != "for ann" || len(r.Gates) != 1 || r.Gates[0] != gates[0] {
		t.Errorf("it is %+v", r)
	}
	dbtest.OK(t, s.Deployments.ApproveRevision(ctx, id, mlops.Act{By: "ann", Reason: "fine"}))
	if r := dbtest.Must(s.Deployments.Revision(ctx, id))(t); r.Approved != "ann" || r.Reason != "fine" {
		t.Errorf("it is %+v", r)
	}
	dbtest.OK(t, s.Deployments.RejectRevision(ctx, id, mlops.Act{By: "bob", Reason: "not fine"}))
	if r := dbtest.Must(s.Deployments.Revision(ctx, id))(t); r.State != mlops.RevisionRejected || r.Message != "rejected by bob: not fine" || r.EndedAt.IsZero() {
		t.Errorf("it is %+v", r)
	}
	for what, err := range map[string]error{
		"approved": s.Deployments.ApproveRevision(ctx, id, mlops.Act{}), "rejected": s.Deployments.RejectRevision(ctx, id, mlops.Act{}), "judged before": s.Deployments.JudgeRevision(ctx, id, nil, mlops.RevisionWaiting, ""),
		"cannot be started": s.Deployments.StartRevision(ctx, id), "cannot become live": s.Deployments.LiveRevision(ctx, id), "cannot fail": s.Deployments.FailRevision(ctx, id, ""),
	} {
		dbtest.WantCode(t, err, mlops.InvalidState, what)
	}
}

func TestMeasured(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	id := dbtest.Must(s.Deployments.Revisions(ctx, "iris", 1))(t)[0].ID
	if r := dbtest.Must(s.Deployments.Revision(ctx, id))(t); r.Measured != nil {
		t.Errorf("before it was measured it has %+v", r.Measured)
	}
	m := mlops.Measurement{At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Candidate: map[string]float64{"latency_p95_ms": 1.5}, Against: 6,
		ServedErrors: []mlops.MeasureError{{Metrics: []string{"accuracy"}, Reason: "other features"}}}
	dbtest.OK(t, s.Deployments.MeasureRevision(ctx, id, m))
	if r := dbtest.Must(s.Deployments.Revision(ctx, id))(t); r.Measured == nil || !reflect.DeepEqual(*r.Measured, m) || r.State != mlops.RevisionJudging {
		t.Errorf("it is %+v with %+v", r, r.Measured)
	}
	dbtest.OK(t, s.Deployments.StartRevision(ctx, id))
	dbtest.WantCode(t, s.Deployments.MeasureRevision(ctx, id, m), mlops.InvalidState, "revision 1 is starting: it needs no measurement any more")
	dbtest.WantCode(t, s.Deployments.MeasureRevision(ctx, 99, m), mlops.NotFound, "there is no revision with id 99")
}

func TestDeploymentErrors(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	_, err := s.Deployments.Deployment(ctx, "none")
	dbtest.WantCode(t, err, mlops.NotFound, `there is no deployment "none"`)
	dbtest.WantCode(t, s.Deployments.SetDeployment(ctx, "none", true, true), mlops.NotFound, `there is no deployment "none"`)
	_, err = s.Deployments.CreateRevision(ctx, "iris", 7, mlops.CausePromote, false, mlops.Act{})
	dbtest.WantCode(t, err, mlops.NotFound, `registered model "iris" has no version 7`)
	_, err = s.Deployments.Revision(ctx, 99)
	dbtest.WantCode(t, err, mlops.NotFound, "there is no revision with id 99")
	_, err = s.Deployments.EnsureDeployment(ctx, mlops.Deployment{Name: "No Name"})
	dbtest.WantCode(t, err, mlops.Invalid, "deployment name")
	if states := s.states(t); states != "" {
		t.Errorf("what was refused left %s", states)
	}
	s.goLive(t)
	// It goes with its project.
	p := dbtest.Must(s.Projects.Project(ctx, "iris"))(t)
	p.Deleting = true
	dbtest.Must(s.Projects.PutProject(ctx, p))(t)
	dbtest.OK(t, s.Projects.DeleteProject(ctx, "iris"))
	if all := dbtest.Must(s.Deployments.Deployments(ctx))(t); len(all) != 0 {
		t.Errorf("left are %+v", all)
	}
}

func TestGatesOfAProject(t *testing.T) {
	s, ctx := served(t, 0), t.Context()
	least := 0.9
	g := mlops.Gates{Metrics: map[string]mlops.Bound{"accuracy": {Minimum: &least}}, Approval: mlops.ApprovalRequired}
	dbtest.OK(t, s.Projects.SetGates(ctx, "iris", g))
	if p := dbtest.Must(s.Projects.Project(ctx, "iris"))(t); p.Gates.Approval != g.Approval || *p.Gates.Metrics["accuracy"].Minimum != 0.9 {
		t.Errorf("the gates are %+v", p.Gates)
	}
	// The project is written at every start; the gates stay.
	dbtest.Must(s.Projects.PutProject(ctx, mlops.Project{Name: "iris", Dataset: "iris", Schedule: "1 * * * *"}))(t)
	if p := dbtest.Must(s.Projects.Project(ctx, "iris"))(t); p.Gates.Approval != g.Approval {
		t.Error("a change of the project took its gates away")
	}
	dbtest.WantCode(t, s.Projects.SetGates(ctx, "none", g), mlops.NotFound, `no project "none"`)
	dbtest.WantCode(t, s.Projects.SetGates(ctx, "iris", mlops.Gates{Approval: "maybe"}), mlops.Invalid, `approval is "maybe"`)
}

// Changes of models wake the waiters, and nothing else does.
func TestModelsChanged(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	exp := dbtest.Must(s.Experiments.CreateExperiment(ctx, "e", "", nil))(t)
	woken := func(what string, want bool, do func()) {
		t.Helper()
		c := s.DB.ModelsChanged()
		do()
		select {
		case <-c:
			if !want {
				t.Errorf("%s wakes", what)
			}
		default:
			if want {
				t.Errorf("%s does not wake", what)
			}
		}
	}
	woken("a version", true, func() { s.version(t) })
	woken("an alias", true, func() { dbtest.OK(t, s.Models.SetAlias(ctx, "iris", "a", "1")) })
	woken("a revision", true, func() {
		dbtest.Must(s.Deployments.CreateRevision(ctx, "iris", 1, mlops.CausePromote, false, mlops.Act{}))(t)
	})
	woken("a run", false, func() { dbtest.Must(s.Runs.CreateRun(ctx, runs.NewRun{ExperimentID: exp}))(t) })
}

// The numbers of a model that is made again begin again.
func TestAModelOfTheSameNameIsAnotherOne(t *testing.T) {
	s, ctx := served(t, 3), t.Context()
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	s.goLive(t)
	dbtest.OK(t, s.Models.DeleteRegisteredModel(ctx, "iris"))
	dbtest.Must(s.Models.CreateRegisteredModel(ctx, "iris", "", nil))(t)
	dbtest.Must(s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "iris", Source: "s3://mlflow/y", RunLink: "x"}))(t)
	if made := dbtest.Must(s.Deployments.FollowModels(ctx))(t); made != 1 {
		t.Errorf("version 1 of the new model made %d revisions", made)
	}
	if r := dbtest.Must(s.Deployments.Revisions(ctx, "iris", 1))(t)[0]; r.Version != 1 || r.Number != 2 {
		t.Errorf("the newest revision is %+v", r)
	}
}

// Versions without a run are told apart by when they were registered.
func TestAVersionWithoutARunOfAnotherModel(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", "champion", "1"))
	s.own(t, "beside", "champion", 0)
	s.goLive(t)
	first := s.newest(t, "beside")
	dbtest.OK(t, s.Deployments.StartRevision(ctx, first.ID))
	dbtest.OK(t, s.Deployments.LiveRevision(ctx, first.ID))
	again := func() {
		t.Helper()
		dbtest.OK(t, s.Models.DeleteRegisteredModel(ctx, "iris"))
		time.Sleep(2 * time.Millisecond) // times are kept in milliseconds
		dbtest.Must(s.Models.CreateRegisteredModel(ctx, "iris", "", nil))(t)
		s.version(t)
		dbtest.OK(t, s.Models.SetAlias(ctx, "iris", "champion", "1"))
	}
	again()
	if n := dbtest.Must(s.Deployments.FollowModels(ctx))(t); n != 2 {
		t.Errorf("the other version 1 made %d revisions", n)
	}
	if r := s.newest(t, "beside"); r.Number != 2 || r.Version != 1 || r.State != mlops.RevisionJudging || r.Cause != mlops.CauseAlias {
		t.Errorf("the newest is %+v", r)
	}
	dbtest.Must(s.Deployments.CreateRevision(ctx, "beside", 1, mlops.CausePromote, false, mlops.Act{}))(t)
	// Old revisions do not know it.
	dbtest.OK(t, s.DB.Write(ctx, func(t *db.Tx) error { return t.Exec("UPDATE revisions SET made = 0") }))
	_, err := s.Deployments.CreateRevision(ctx, "beside", 1, mlops.CausePromote, false, mlops.Act{})
	dbtest.WantCode(t, err, mlops.InvalidState, "deployment beside serves version 1 already")
}

func TestADeletedVersionHoldsNothingUp(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	s.goLive(t)
	s.version(t)
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	r := dbtest.Must(s.Deployments.Revisions(ctx, "iris", 1))(t)[0]
	dbtest.OK(t, s.Deployments.StartRevision(ctx, r.ID))
	dbtest.OK(t, s.Models.DeleteModelVersion(ctx, "iris", "1"))
	dbtest.OK(t, s.Deployments.FailRevision(ctx, r.ID, "it is broken"))
	if d := dbtest.Must(s.Deployments.Deployment(ctx, "iris"))(t); d.Revision == nil || d.Revision.Version != 1 {
		t.Errorf("ought to be served: %+v", d.Revision)
	}
}

func TestAnAliasThatIsMovedBackAsksForNothing(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	s.goLive(t)
	s.version(t)
	s.goLive(t)
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", mlops.LiveAlias, "1"))
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", mlops.LiveAlias, "2"))
	if made := dbtest.Must(s.Deployments.FollowModels(ctx))(t); made != 0 {
		t.Errorf("%d revisions", made)
	}
	want(t, s, "3: v1 superseded by alias, 2: v2 live by new version, 1: v1 superseded by new version", 2)
}

// A client moves the alias while another version is being started.
func TestAJustMovedAliasIsNotOverwritten(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	s.goLive(t)
	s.version(t)
	s.goLive(t)
	s.version(t)
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	dbtest.OK(t, s.Models.SetAlias(ctx, "iris", mlops.LiveAlias, "1"))
	r := dbtest.Must(s.Deployments.Revisions(ctx, "iris", 1))(t)[0]
	dbtest.OK(t, s.Deployments.StartRevision(ctx, r.ID))
	if got := s.live(t); got != 1 {
		t.Errorf("the alias points at version %d", got)
	}
	if made := dbtest.Must(s.Deployments.FollowModels(ctx))(t); made != 1 {
		t.Errorf("%d revisions", made)
	}
	if next := dbtest.Must(s.Deployments.Revisions(ctx, "iris", 1))(t)[0]; next.Version != 1 || next.Cause != mlops.CauseAlias {
		t.Errorf("the newest revision is %+v", next)
	}
}

func TestWhatIsNotWaitingCannotBeApproved(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	dbtest.Must(s.Deployments.FollowModels(ctx))(t)
	r := dbtest.Must(s.Deployments.Revisions(ctx, "iris", 1))(t)[0]
	dbtest.WantCode(t, s.Deployments.ApproveRevision(ctx, r.ID, mlops.Act{By: "ann"}), mlops.InvalidState, "revision 1 is judging: only one that waits can be approved")
}

// A write that is undone has changed nothing, and wakes nobody.
func TestAnUndoneWriteWakesNobody(t *testing.T) {
	s, ctx := served(t, 1), t.Context()
	c := s.DB.ModelsChanged()
	dbtest.WantCode(t, s.Models.SetAlias(ctx, "iris", "a", "99"), mlops.NotFound, "has no version 99")
	select {
	case <-c:
		t.Error("a refused alias wakes")
	default:
	}
}
