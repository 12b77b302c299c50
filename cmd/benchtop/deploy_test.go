package main

import (
	"strings"
	"testing"

	"github.com/benchtop-lab/benchtop/appliance"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestPrintDeployed(t *testing.T) {
	live := mlops.Deployment{Name: "shop", Model: "flower shop", Version: "2", Replicas: 2, Ready: 2, Revision: &mlops.Revision{Number: 1}}
	iris := live
	iris.FeatureNames = []string{"a", "b"}
	unlisted, parked, waits := live, live, live
	unlisted.Revision = nil
	parked.Replicas, parked.Version = 0, ""
	waits.Version, waits.Message = "", "it waits for an approval"
	const url = "http://192.168.1.9/models/shop"
	for name, c := range map[string]struct {
		out  mlops.Deployed
		d    mlops.Deployment
		want string
	}{
		"created": {mlops.Deployed{Created: true}, live, "deployment shop serves flower shop version 2 (revision 1), 2 of 2 ready\n" + url + "\ncurl -s " + url + "/predict -H 'Content-Type: application/json' -d '{\"instances\": [[0]]}'\n"},
		"beside":  {mlops.Deployed{Created: true, Beside: "iris"}, iris, "there is a deployment iris already, so this one is shop\ndeployment shop serves flower shop version 2 (revision 1), 2 of 2 ready\n" + url + "\ncurl -s " + url + "/predict -H 'Content-Type: application/json' -d '{\"instances\": [[0, 0]]}'\n"},
		"changed": {mlops.Deployed{Changed: true}, unlisted, "deployment shop serves flower shop version 2, 2 of 2 ready\n" + url + "\ncurl -s " + url + "/predict -H 'Content-Type: application/json' -d '{\"instances\": [[0]]}'\n"},
		"again":   {mlops.Deployed{}, live, "deployment shop is there already, nothing changes\n" + url + "\ncurl -s " + url + "/predict -H 'Content-Type: application/json' -d '{\"instances\": [[0]]}'\n"},
		"parked":  {mlops.Deployed{Changed: true}, parked, "deployment shop is kept without servers\n" + url + "\n"},
		"waits":   {mlops.Deployed{Created: true}, waits, "deployment shop: it waits for an approval\n" + url + "\n"},
	} {
		var out strings.Builder
		printDeployed(&out, appliance.Deployed{Deployed: c.out, URL: url}, c.d)
		if out.String() != c.want {
			t.Errorf("%s: printed\n%s\nexpected\n%s", name, out.String(), c.want)
		}
	}
}

func TestPrintDeployments(t *testing.T) {
	var out strings.Builder
	if err := printDeployments(&out, []mlops.Deployment{
		{Name: "iris", Model: "iris", Version: "3", Follows: "live", Replicas: 1, Ready: 1, Path: "/models/iris", Pinned: true, Revision: &mlops.Revision{Number: 7, State: mlops.RevisionLive}},
		{Name: "shop", Model: "flower shop", Own: true, Replicas: 2, Path: "/models/shop", Message: "it serves nothing"},
	}); err != nil {
		t.Fatal(err)
	}
	want := `DEPLOYMENT  MODEL        VERSION  REVISION  FOLLOWS  READY  PATH          NOTE
iris        iris         3        7 live    @live    1/1    /models/iris  pinned
shop        flower shop  -        -         -        0/2    /models/shop  it serves nothing
`
	if out.String() != want {
		t.Errorf("printed\n%s\nexpected\n%s", out.String(), want)
	}
}
