package appliance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/doctor"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
)

func TestControlDeployWhileStarting(t *testing.T) {
	_, c := serveControl(t, http.NotFoundHandler())
	const starting = "the loop is still starting: try again in a few seconds"
	_, err := c.Deploy(t.Context(), mlops.DeployRequest{Ref: "iris"})
	expectCode(t, err, mlops.Unavailable, starting)
	expectCode(t, c.Undeploy(t.Context(), "iris"), mlops.Unavailable, starting)
}

func TestDiagnoseServing(t *testing.T) {
	live := &mlops.Revision{Version: 2, State: mlops.RevisionLive}
	failed := &mlops.Revision{Deployment: "shop", Version: 2, State: mlops.RevisionFailed, Message: "no package xgboost"}
	base := mlops.Deployment{Name: "shop", Namespace: "models", Model: "flowers", Version: "2", Own: true, Replicas: 2, Ready: 2, Revision: live}
	with := func(change func(d *mlops.Deployment)) mlops.Deployment {
		d := base
		change(&d)
		return d
	}
	for name, c := range map[string]struct {
		s    ServingStatus
		want []doctor.Finding
	}{
		"well":    {ServingStatus{base, live}, []doctor.Finding{{Check: "shop server", Level: doctor.OK, Detail: "version 2 of flowers, 2 of 2 ready"}}},
		"parked":  {ServingStatus{with(func(d *mlops.Deployment) { d.Replicas, d.Ready = 0, 0 }), live}, []doctor.Finding{{Check: "shop server", Level: doctor.OK, Detail: "it is kept without servers"}}},
		"going":   {ServingStatus{with(func(d *mlops.Deployment) { d.Deleting, d.Ready = true, 0 }), failed}, []doctor.Finding{{Check: "shop server", Level: doctor.OK, Detail: "it is being deleted"}}},
		"nothing": {ServingStatus{with(func(d *mlops.Deployment) { d.Revision, d.Version, d.Ready = nil, "", 0 }), failed}, []doctor.Finding{{Check: "shop server", Level: doctor.Fail, Detail: "it serves nothing: no package xgboost", Fix: "put a version into service that can be served, `benchtop promote shop VERSION`, or `benchtop undeploy shop`"}}},
		"starting": {ServingStatus{with(func(d *mlops.Deployment) {
			d.Revision, d.Version, d.Ready, d.Message = &mlops.Revision{State: mlops.RevisionStarting}, "", 0, "pulling"
		}), nil}, []doctor.Finding{{Check: "shop server", Level: doctor.Warn, Detail: "no pod is ready yet: pulling", Fix: "wait a little; see `benchtop revisions shop`"}}},
		"down": {ServingStatus{with(func(d *mlops.Deployment) { d.Ready, d.Message = 0, "OOMKilled" }), live}, []doctor.Finding{{Check: "shop server", Level: doctor.Fail, Detail: "no pod is ready: OOMKilled", Fix: "see `benchtop kubectl -n models describe pods -l benchtop.dev/deployment=shop`"}}},
		"some": {ServingStatus{with(func(d *mlops.Deployment) { d.Ready = 1 }), failed}, []doctor.Finding{
			{Check: "shop server", Level: doctor.Warn, Detail: "version 2 of flowers, 1 of 2 ready", Fix: "wait a little; see `benchtop kubectl -n models describe pods -l benchtop.dev/deployment=shop`"},
			{Check: "shop release", Level: doctor.Warn, Detail: "version 2 is not served: no package xgboost", Fix: "what was served before goes on; see `benchtop revisions shop`"}}},
		"cut off": {ServingStatus{with(func(d *mlops.Deployment) { d.Version, d.Message = "", "the server does not answer" }), live}, []doctor.Finding{{Check: "shop server", Level: doctor.Fail, Detail: "pods are ready, but predictions do not reach them: the server does not answer", Fix: "see `benchtop kubectl get networkpolicy -A` for policies that keep the ingress out"}}},
	} {
		if got := diagnoseServing(c.s); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: found\n%+v\nexpected\n%+v", name, got, c.want)
		}
	}
}

// Why a deployment serves nothing is told from its row.
func TestExplain(t *testing.T) {
	a, _ := serveControl(t, http.NotFoundHandler())
	addProject(t, a)
	ctx, s := t.Context(), a.registry.Store()
	if _, err := s.Models.CreateRegisteredModel(ctx, "iris", "", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Models.CreateModelVersion(ctx, models.NewVersion{Name: "iris", Source: "s3://mlflow/x"}); err != nil {
		t.Fatal(err)
	}
	d, err := s.Deployments.CreateDeployment(ctx, mlops.Deployment{Name: "shop", Model: "iris", Replicas: 1}, 1, mlops.Act{})
	if err != nil {
		t.Fatal(err)
	}
	history, err := s.Deployments.Revisions(ctx, "shop", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Deployments.FailRevision(ctx, history[0].ID, "no package xgboost"); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(d *mlops.Deployment){
		"it serves nothing, version 1 is failed: no package xgboost": func(*mlops.Deployment) {},
		"it is being deleted": func(d *mlops.Deployment) { d.Deleting = true },
		"it has no servers":   func(d *mlops.Deployment) { d.Replicas = 0 },
	} {
		d := d
		change(&d)
		if err := a.loopPort.explain(ctx, s, &d); err != nil || !strings.HasPrefix(d.Message, want) {
			t.Errorf("it says %q, %v; expected %q", d.Message, err, want)
		}
	}
	if got := a.loopPort.addressed(d); got.Host != "shop.lab.internal" || got.Path != "/models/shop" {
		t.Errorf("it answers at %s and %s", got.Host, got.Path)
	}
}
