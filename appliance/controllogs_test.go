package appliance

import (
	"testing"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestWhyThereIsNoLog(t *testing.T) {
	serves := &mlops.Revision{Version: 3}
	for _, c := range []struct {
		d    mlops.Deployment
		want string
	}{
		{mlops.Deployment{}, "shop has no pods yet: see `benchtop status`"},
		{mlops.Deployment{Name: "shop", Replicas: 1}, "shop has no pods yet: see `benchtop status`"},
		{mlops.Deployment{Name: "shop", Model: "shop", Follows: "live", Revision: serves}, "shop is kept without servers, so it has no log: `benchtop deploy shop --name shop --replicas 1` gives it one, as does the deployment's page"},
		{mlops.Deployment{Name: "shop", Own: true, Model: "iris", Revision: serves}, "shop is kept without servers, so it has no log: `benchtop deploy iris/3 --name shop --replicas 1` gives it one, as does the deployment's page"},
		{mlops.Deployment{Name: "shop", Own: true, Model: "my $model's", Follows: "champion"}, `shop is kept without servers, so it has no log: ` + "`" + `benchtop deploy 'my $model'\''s@champion' --name shop --replicas 1` + "`" + ` gives it one, as does the deployment's page`},
	} {
		if err := withoutPods("shop", c.d); mlops.CodeOf(err) != mlops.NotFound || err.Error() != c.want {
			t.Errorf("it is said\n%v, expected\n%s", err, c.want)
		}
	}
}
