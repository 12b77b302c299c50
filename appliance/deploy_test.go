package appliance

import (
	"context"
	"errors"
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
	base := mlops.Deployment{Name: "shop", Namespace: "models", Model: "flowers", Version: "2", Own: true, Replicas: 2, Ready: 2}
	disk := mlops.Finding{Check: doctor.CheckDisk, Level: doctor.Warn, Detail: "the disk is nearly full"}
	down := mlops.Finding{Check: "shop server", Level: doctor.Fail, Detail: "no pod is ready"}
	release := mlops.Finding{Check: "shop release", Level: doctor.Warn, Detail: "version 3 is not served"}
	with := func(change func(d *mlops.Deployment), found ...mlops.Finding) ServingStatus {
		d := base
		change(&d)
		return ServingStatus{Deployment: d, Findings: found}
	}
	well := doctor.Finding{Check: "shop server", Level: doctor.OK, Detail: "version 2 of flowers, 2 of 2 ready"}
	for name, c := range map[string]struct {
		s    ServingStatus
		want []doctor.Finding
	}{
		"well":        {with(func(*mlops.Deployment) {}, disk), []doctor.Finding{well}},
		"not renewed": {with(func(*mlops.Deployment) {}, release), []doctor.Finding{well, release}},
		"parked":      {with(func(d *mlops.Deployment) { d.Replicas, d.Ready = 0, 0 }), []doctor.Finding{{Check: "shop server", Level: doctor.OK, Detail: "it is kept without servers"}}},
		"going":       {with(func(d *mlops.Deployment) { d.Deleting, d.Ready = true, 0 }), []doctor.Finding{{Check: "shop server", Level: doctor.OK, Detail: "it is being deleted"}}},
		"down":        {with(func(d *mlops.Deployment) { d.Ready = 0 }, disk, down), []doctor.Finding{down}},
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
		if err := explain(ctx, s, &d, nil, nil); err != nil || !strings.HasPrefix(d.Message, want) {
			t.Errorf("it says %q, %v; expected %q", d.Message, err, want)
		}
	}
	// Without its project there is no namespace for it.
	quota, secret := mlops.Errorf(mlops.InvalidState, "namespace iris is still being deleted"), errors.New("apply project iris: 500")
	for _, c := range []struct {
		trouble, ofProject error
		ready              int
		want               string
	}{
		{nil, quota, 0, "its project iris is not up to date, it is tried again: namespace iris is still being deleted"},
		{nil, secret, 0, "its project iris is not up to date, it is tried again: `benchtop status` says why"},
		{nil, secret, 1, "as it was"},
		{quota, secret, 0, "it is not up to date, it is tried again: namespace iris is still being deleted"},
	} {
		d := d
		d.Ready, d.Version, d.Message = c.ready, "1", "as it was"
		if err := explain(ctx, s, &d, c.trouble, c.ofProject); err != nil || d.Message != c.want {
			t.Errorf("it says %q, %v; expected %q", d.Message, err, c.want)
		}
	}
	// Nobody is diagnosed unless somebody asks.
	diagnosed := 0
	diagnose := func(context.Context, mlops.Deployment) []mlops.Finding {
		diagnosed++
		return []mlops.Finding{{Check: "shop server"}}
	}
	if got := a.servingStatus(ctx, []mlops.Deployment{d}, nil); len(got) != 1 || len(got[0].Findings) != 0 || got[0].Revision == nil {
		t.Errorf("the status is %+v", got)
	}
	if got := a.servingStatus(ctx, []mlops.Deployment{d}, diagnose); len(got) != 1 || len(got[0].Findings) != 1 || diagnosed != 1 {
		t.Errorf("diagnosed %d times, the status is %+v", diagnosed, got)
	}
	if got := a.loopPort.addressed(d); got.Host != "shop.lab.internal" || got.Path != "/models/shop" {
		t.Errorf("it answers at %s and %s", got.Host, got.Path)
	}
}
