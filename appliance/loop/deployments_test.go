package loop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func deploy(t *testing.T, l *Loop, req mlops.DeployRequest) mlops.Deployed {
	t.Helper()
	req.Act.By = "ann"
	out, err := l.Deploy(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rest makes passes until neither rows nor revisions are on their way.
func rest(t *testing.T, l *Loop) {
	t.Helper()
	settle(t, l)
	atRest(t, l)
}

// historyOf is what became of each revision of a deployment.
func (w *world) historyOf(name string) string {
	var out []string
	for _, r := range w.revisions {
		if r.Deployment == name {
			out = append(out, fmt.Sprintf("%d: v%d by %s is %s", r.Number, r.Version, r.Cause, r.State))
		}
	}
	if s := w.others[name]; s != nil {
		out = append(out, fmt.Sprintf("serves v%d", s.serves))
	}
	return strings.Join(out, "; ")
}

func expectHistoryOf(t *testing.T, w *world, name, want string) {
	t.Helper()
	if got := w.historyOf(name); got != want {
		t.Errorf("%s: found\n%s\nexpected\n%s", name, got, want)
	}
}

func count(n int) *int { return &n }

// A second deployment of a model is served beside the first, from a volume of
// its own, with a key that only reads.
func TestDeployBeside(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.9)
	atRest(t, l)
	out := deploy(t, l, mlops.DeployRequest{Ref: "iris/1", Replicas: count(2)})
	if !out.Created || out.Beside != "iris" || out.Deployment.Name != "iris-1" || out.Deployment.Project != "iris" {
		t.Errorf("deployed %+v", out)
	}
	expectHistoryOf(t, w, "iris-1", "1: v1 by deploy is judging; serves v0")
	// Not before its objects are there.
	if _, err := l.release(t.Context()); err != nil {
		t.Error(err)
	}
	expectHistoryOf(t, w, "iris-1", "1: v1 by deploy is judging; serves v0")
	rest(t, l)
	expectHistoryOf(t, w, "iris-1", "1: v1 by deploy is live; serves v1")
	if w.serves != 2 || w.alias != 2 {
		t.Errorf("the first serves v%d, the alias points at v%d", w.serves, w.alias)
	}
	last := w.deployed[len(w.deployed)-1]
	if last.Deployment.Replicas != 2 || last.Node != "node-a" || last.Secret["MLFLOW_TRACKING_USERNAME"] != "deployment-iris-1" || last.Secret["AWS_SECRET_ACCESS_KEY"] != "token-of-iris-1" {
		t.Errorf("applied %+v", last)
	}
	if first := w.deployed[0]; first.Deployment.Name != "iris" || len(first.Secret) != 0 {
		t.Errorf("applied %+v", first)
	}
	// Gates are the project's.
	w.gates(t, least(0.99))
	deploy(t, l, mlops.DeployRequest{Model: "iris", Version: 2, Name: "b"})
	rest(t, l)
	expectHistoryOf(t, w, "b", "1: v2 by deploy is rejected; serves v0")
}

func TestDeployFollowsAnAlias(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.9)
	w.register(3, 0.9)
	atRest(t, l)
	w.alias, w.seen = 1, 1
	out := deploy(t, l, mlops.DeployRequest{Ref: "other@champion"})
	if out.Deployment.Name != "other" || out.Deployment.Follows != "champion" || out.Beside != "" || out.Deployment.Namespace != "models" {
		t.Errorf("deployed %+v", out)
	}
	rest(t, l)
	w.alias, w.seen = 2, 2
	rest(t, l)
	expectHistoryOf(t, w, "other", "1: v1 by deploy is superseded; 2: v2 by alias is live; serves v2")
	// What is promoted beside leaves the alias where it is.
	if _, err := l.Promote(t.Context(), "other", 3, false, mlops.Act{}); err != nil {
		t.Fatal(err)
	}
	rest(t, l)
	if _, err := l.Rollback(t.Context(), "other", 0, mlops.Act{}); err != nil {
		t.Fatal(err)
	}
	rest(t, l)
	expectHistoryOf(t, w, "other", "1: v1 by deploy is superseded; 2: v2 by alias is superseded; 3: v3 by promote is superseded; 4: v2 by rollback is live; serves v2")
	if w.alias != 2 {
		t.Errorf("the alias was moved to v%d", w.alias)
	}
}

func TestDeployTwiceIsOnce(t *testing.T) {
	w, l := serving(t)
	for _, req := range []mlops.DeployRequest{{Ref: "other"}, {Ref: "iris@live", Name: "a"}, {Ref: "iris/1"}} {
		if first := deploy(t, l, req); !first.Created {
			t.Errorf("%+v: %+v", req, first)
		}
		rest(t, l)
		if second := deploy(t, l, req); second.Created || second.Changed {
			t.Errorf("%+v again: %+v", req, second)
		}
	}
	applied := len(w.deployed)
	rest(t, l)
	if len(w.deployments) != 4 || len(w.deployed) != applied {
		t.Errorf("there are %+v, and %d were applied again", w.deployments, len(w.deployed)-applied)
	}
	// With another number of servers it is changed; so is a project's.
	for name, ref := range map[string]string{"a": "iris", "iris": "iris@live"} {
		if out := deploy(t, l, mlops.DeployRequest{Ref: ref, Name: name, Replicas: count(3)}); !out.Changed || out.Created || out.Deployment.Replicas != 3 {
			t.Errorf("%s: %+v", name, out)
		}
		rest(t, l)
		if last := w.deployed[len(w.deployed)-1].Deployment; last.Name != name || last.Replicas != 3 {
			t.Errorf("applied %+v", last)
		}
	}
}

func TestTakenNamesAreTold(t *testing.T) {
	w, l := serving(t)
	w.register(2, 0.9)
	atRest(t, l)
	deploy(t, l, mlops.DeployRequest{Ref: "other/1", Name: "a"})
	deploy(t, l, mlops.DeployRequest{Ref: "iris/1"})
	rest(t, l)
	// Its version changes, and so its name no longer fits what it serves.
	if _, err := l.Promote(t.Context(), "iris-1", 2, false, mlops.Act{}); err != nil {
		t.Fatal(err)
	}
	rest(t, l)
	for _, c := range []struct {
		req  mlops.DeployRequest
		code mlops.Code
		want string
	}{
		{mlops.DeployRequest{Ref: "iris/1", Name: "a"}, mlops.Exists, `deployment a is there already: it serves version 1 of model "other". Choose another name`},
		{mlops.DeployRequest{Ref: "other/2", Name: "a"}, mlops.Exists, "deployment a is there already: it serves version 1 of model \"other\". To put version 2 into service there, `benchtop promote a 2`; to serve it beside, choose another name"},
		{mlops.DeployRequest{Ref: "other@live", Name: "a"}, mlops.Exists, `deployment a is there already: it serves version 1 of model "other" and does not follow live. Choose another name`},
		{mlops.DeployRequest{Ref: "iris/1", Name: "iris"}, mlops.Exists, `deployment iris is there already: it serves model "iris" and follows its alias live, not a version of its own. Choose another name`},
		{mlops.DeployRequest{Ref: "iris/1"}, mlops.Exists, `iris serves model "iris" and follows its alias live, iris-1 serves version 2 of model "iris": give this deployment another name, with --name`},
		{mlops.DeployRequest{Ref: "none@live"}, mlops.NotFound, `there is no registered model "none"`},
		{mlops.DeployRequest{Ref: "iris/9"}, mlops.NotFound, `registered model "iris" has no version 9`},
		{mlops.DeployRequest{Ref: "iris", Replicas: count(99)}, mlops.Invalid, "replicas is 99: expected 0 to 20"},
		{mlops.DeployRequest{Ref: "iris", Act: mlops.Act{Reason: strings.Repeat("a", 1001)}}, mlops.Invalid, "the reason has 1001 bytes, expected at most 1000"},
	} {
		if _, err := l.Deploy(t.Context(), c.req); mlops.CodeOf(err) != c.code || mlops.MessageOf(err) != c.want {
			t.Errorf("%+v:\n%v\nexpected\n%s", c.req, err, c.want)
		}
	}
	// A project cannot take the name of a deployment.
	deploy(t, l, mlops.DeployRequest{Ref: "other", Name: "wine"})
	if _, err := l.Add(t.Context(), mlops.ProjectRequest{Sample: "wine"}); mlops.MessageOf(err) != "a deployment wine of model \"other\" is there already, and the project's would have the same name: `benchtop undeploy wine` first" {
		t.Errorf("add a project: %v", err)
	}
}

// One without servers is kept, and serves as soon as it has some.
func TestParked(t *testing.T) {
	w, l := serving(t)
	deploy(t, l, mlops.DeployRequest{Ref: "other/1", Replicas: count(0)})
	rest(t, l)
	expectHistoryOf(t, w, "other", "1: v1 by deploy is live; serves v0")
	if !l.heal(t.Context()) || w.brought[2] != 0 {
		t.Error("a deployment without servers is found sick")
	}
	if d, err := l.Scale(t.Context(), "other", 1); err != nil || d.Replicas != 1 {
		t.Fatal(d, err)
	}
	<-l.look // of the start
	rest(t, l)
	select {
	case <-l.look:
	default:
		t.Error("nobody looks soon whether the new servers serve")
	}
	l.heal(t.Context())
	if !l.heal(t.Context()) {
		t.Error("it is not healed")
	}
	expectHistoryOf(t, w, "other", "1: v1 by deploy is live; serves v1")
	if _, err := l.Scale(t.Context(), "none", 1); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("error %v", err)
	}
}

func TestAModelThatCannotBeServed(t *testing.T) {
	w, l := serving(t)
	w.unloadable[1] = true
	deploy(t, l, mlops.DeployRequest{Ref: "other/1"})
	rest(t, l)
	expectHistoryOf(t, w, "other", "1: v1 by deploy is failed; serves v0")
	if got := w.revisions[len(w.revisions)-1].Message; got != "version 1 could not be brought to the servers: the run has no serving/model.json" {
		t.Errorf("it says %q", got)
	}
	// It can be tried again.
	w.unloadable = map[int]bool{}
	if _, err := l.Promote(t.Context(), "other", 1, false, mlops.Act{}); err != nil {
		t.Fatal(err)
	}
	rest(t, l)
	expectHistoryOf(t, w, "other", "1: v1 by deploy is failed; 2: v1 by promote is live; serves v1")
}

// A run that goes on is not waited for: nobody else writes to the volume.
func TestARunThatGoesOnIsNotWaitedFor(t *testing.T) {
	w, l := serving(t)
	r := w.runs["run-1"]
	r.Status = mlops.RunRunning
	w.runs["run-1"] = r
	deploy(t, l, mlops.DeployRequest{Ref: "other/1"})
	rest(t, l)
	expectHistoryOf(t, w, "other", "1: v1 by deploy is live; serves v1")
}

func TestUndeploy(t *testing.T) {
	w, l := serving(t)
	deploy(t, l, mlops.DeployRequest{Ref: "other/1"})
	rest(t, l)
	for name, want := range map[string]string{"iris": "deployment iris is that of project iris and goes with it: `benchtop project delete iris`", "none": `there is no deployment "none"`} {
		if _, err := l.Undeploy(t.Context(), name); mlops.MessageOf(err) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 { // the second time changes nothing
		if d, err := l.Undeploy(t.Context(), "other"); err != nil || !d.Deleting {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	for what, err := range map[string]error{
		"promote": second(l.Promote(t.Context(), "other", 1, false, mlops.Act{})),
		"scale":   second(l.Scale(t.Context(), "other", 2)),
	} {
		if mlops.MessageOf(err) != "deployment other is being deleted" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := l.Deploy(t.Context(), mlops.DeployRequest{Ref: "other", Name: "other"}); mlops.MessageOf(err) != "deployment other is there already: it is being deleted, try again when it is gone" {
		t.Errorf("deploy: %v", err)
	}
	settle(t, l)
	if len(w.deployments) != 1 || len(w.lingers) != 1 || len(w.keys) != 1 {
		t.Errorf("left are %+v, %v, keys %v", w.deployments, w.lingers, w.keys)
	}
	// The name is free again.
	deploy(t, l, mlops.DeployRequest{Ref: "other/1"})
	rest(t, l)
	if w.others["other"].serves != 1 {
		t.Errorf("it serves v%d", w.others["other"].serves)
	}
}

func second[T any](_ T, err error) error { return err }

// The deployments of a project's model go with the project, and others stay.
func TestADeletedProjectTakesItsDeployments(t *testing.T) {
	w, l := serving(t)
	deploy(t, l, mlops.DeployRequest{Ref: "iris/1"})
	deploy(t, l, mlops.DeployRequest{Ref: "other/1"})
	rest(t, l)
	if _, err := l.Delete(t.Context(), "iris"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Scale(t.Context(), "iris-1", 2); mlops.CodeOf(err) != mlops.InvalidState {
		t.Errorf("scale: %v", err)
	}
	settle(t, l)
	if w.limits["iris-1"] != "iris" || w.limits["other"] != "" {
		t.Errorf("their keys are limited to %v", w.limits)
	}
	if len(w.deployments) != 1 || w.deployments[0].Name != "other" || len(w.keys) != 1 || len(w.lingers) != 1 {
		t.Errorf("left are %+v, %v, keys %v", w.deployments, w.lingers, w.keys)
	}
}

func TestADeploymentThatFailsHoldsUpNoOther(t *testing.T) {
	w, l := serving(t)
	deploy(t, l, mlops.DeployRequest{Ref: "other/1", Name: "a"})
	w.broken["DeploymentKey"] = errors.New("no luck")
	w.register(2, 0.9)
	if err := l.Reconcile(t.Context()); err == nil {
		t.Error("the failure is not told")
	}
	atRest(t, l)
	if err := l.DeploymentTroubles()["a"]; err == nil || err.Error() != "make the key of deployment a: no luck" || len(l.Troubles()) != 0 || l.again != later {
		t.Errorf("troubles are %v and %v, again in %s", l.DeploymentTroubles(), l.Troubles(), l.again)
	}
	if w.serves != 2 {
		t.Errorf("the other serves v%d", w.serves)
	}
	w.broken = map[string]error{}
	rest(t, l)
	expectHistoryOf(t, w, "a", "1: v1 by deploy is live; serves v1")
	for op, want := range map[string]string{
		"ApplyDeployment": "no luck", "cluster.DeleteDeployment": "no luck", "DropDeploymentKey": "revoke the key of deployment a: no luck", "DeleteDeployment": "delete deployment a: no luck",
	} {
		w, l := serving(t)
		deploy(t, l, mlops.DeployRequest{Ref: "other/1", Name: "a"})
		if op != "ApplyDeployment" {
			rest(t, l)
			if _, err := l.Undeploy(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			w.lingers["a"] = 0
		}
		w.broken[op] = errors.New("no luck")
		_ = l.Reconcile(t.Context())
		if err := l.DeploymentTroubles()["a"]; err == nil || err.Error() != want {
			t.Errorf("%s: %v, expected %s", op, err, want)
		}
	}
}

// A crash at any call of deploy → serve → undeploy is ended by the next start:
// nothing twice, nothing half.
func TestCrashWhileDeploying(t *testing.T) {
	passes := func(ctx context.Context, l *Loop) error {
		for range 5 {
			if err := l.Reconcile(ctx); err != nil {
				return err
			}
			if _, err := l.release(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	up := func(ctx context.Context, l *Loop) error {
		if _, err := l.Deploy(ctx, mlops.DeployRequest{Ref: "other/1", Name: "a", Replicas: count(2)}); err != nil {
			return err
		}
		return passes(ctx, l)
	}
	down := func(ctx context.Context, l *Loop) error {
		if _, err := l.Undeploy(ctx, "a"); err != nil {
			return err
		}
		return passes(ctx, l)
	}
	for name, c := range map[string]struct {
		begin, do func(context.Context, *Loop) error
		done      func(w *world) string
	}{
		"deploy": {func(context.Context, *Loop) error { return nil }, up, func(w *world) string {
			if len(w.deployments) != 2 || w.keys["deployment-a"] != (mlops.KeyBucket{}) || len(w.keys) != 2 {
				return fmt.Sprintf("%+v, keys %v", w.deployments, w.keys)
			}
			return strings.TrimPrefix(w.historyOf("a"), "1: v1 by deploy is live; serves v1")
		}},
		"undeploy": {up, down, func(w *world) string {
			if len(w.deployments) != 1 || len(w.keys) != 1 || len(w.lingers) != 1 {
				return fmt.Sprintf("%+v, keys %v, cluster %v", w.deployments, w.keys, w.lingers)
			}
			return ""
		}},
	} {
		prepare := func() (*world, *Loop) {
			w, l := serving(t)
			if err := c.begin(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			w.calls = nil
			return w, l
		}
		all, l := prepare()
		if err := c.do(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		if left := c.done(all); left != "" {
			t.Fatalf("%s: %s", name, left)
		}
		steps := slices.Clone(all.calls)
		for n := 1; n <= len(steps); n++ {
			for _, after := range []bool{false, true} {
				w, l := prepare()
				w.fail, w.after = n, after
				_ = c.do(t.Context(), l) // some failures are only logged, and mended by the next pass
				w.fail = 0
				l = w.start()
				run(t, l.Prepare)
				if len(w.deployments) != 1 || name == "deploy" {
					// Whoever got no answer says it again.
					if err := c.do(t.Context(), l); err != nil && mlops.CodeOf(err) != mlops.NotFound {
						t.Errorf("%s after a crash at %s: %v", name, steps[n-1], err)
					}
				}
				rest(t, l)
				if left := c.done(w); left != "" {
					t.Errorf("%s after a crash at call %d, %s (after its effect: %t): %s", name, n, steps[n-1], after, left)
				}
			}
		}
	}
}
