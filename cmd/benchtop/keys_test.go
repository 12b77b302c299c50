package main

import (
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestPrintKeys(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	var out strings.Builder
	if err := printKeys(&out, nil, now); err != nil || !strings.Contains(out.String(), "benchtop keys create NAME --role reader") {
		t.Errorf("without keys: %v %s", err, &out)
	}
	out.Reset()
	err := printKeys(&out, []mlops.Key{
		{Name: "ada", Role: mlops.RoleEditor, Buckets: []mlops.KeyBucket{{Name: "data", Write: true}, {Name: "other"}}, CreatedAt: now, ExpiresAt: now.Add(time.Hour), LastUsedAt: now.Add(time.Minute)},
		{Name: "boss", Role: mlops.RoleAdmin, CreatedAt: now},
		{Name: "old", Role: mlops.RoleReader, Projects: []string{"iris", "wine"}, Gone: []string{"wine"}, CreatedAt: now, ExpiresAt: now},
	}, now)
	const want = `NAME  ROLE    PROJECTS         BUCKETS           CREATED            EXPIRES                    LAST USE
ada   editor  all              data:rw,other:ro  2026-11-21 12:00Z  2026-11-21 13:00Z          2026-11-21 12:01Z
boss  admin   all              all               2026-11-21 12:00Z  never                      never
old   reader  iris,wine(gone)  none              2026-11-21 12:00Z  expired 2026-11-21 12:00Z  never
`
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, &out, want)
	}
	out.Reset()
	printNewKey(&out, mlops.NewKey{Key: mlops.Key{Name: "ada", Role: mlops.RoleReader}, Token: "bt_x"})
	for _, line := range []string{"key      ada, role reader, projects all, buckets none, expires never", "token    bt_x  (shown this once)", "MLFLOW_TRACKING_USERNAME=ada MLFLOW_TRACKING_PASSWORD=bt_x", "AWS_ACCESS_KEY_ID=ada AWS_SECRET_ACCESS_KEY=bt_x", "Bearer bt_x"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("a new key lacks %q:\n%s", line, &out)
		}
	}
}
