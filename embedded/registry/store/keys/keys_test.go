package keys_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/storetest"
)

func TestKeys(t *testing.T) {
	s := storetest.Open(t)
	ctx := t.Context()
	created := time.UnixMilli(1_790_000_000_000)
	ada := mlops.Key{Name: "ada", Role: mlops.RoleEditor, Buckets: []mlops.KeyBucket{{Name: "data", Write: true}, {Name: "other"}}, Salt: []byte{0, 1, 255}, CreatedAt: created, ExpiresAt: created.Add(time.Hour)}
	eve := mlops.Key{Name: "eve", Role: mlops.RoleReader, Room: "lab-volumes", Buckets: []mlops.KeyBucket{}, Salt: []byte("salt"), CreatedAt: created}
	eve = dbtest.Must(s.Keys.CreateKey(ctx, eve))(t)
	ada = dbtest.Must(s.Keys.CreateKey(ctx, ada))(t)
	if got := dbtest.Must(s.Keys.Keys(ctx))(t); !reflect.DeepEqual(got, []mlops.Key{ada, eve}) {
		t.Errorf("keys are\n%+v, want\n%+v", got, []mlops.Key{ada, eve})
	}
	_, err := s.Keys.CreateKey(ctx, ada)
	dbtest.WantCode(t, err, mlops.Exists, "revoke it first")
	used := created.Add(time.Minute)
	if err := s.Keys.KeyUsed(ctx, ada.ID, used); err != nil {
		t.Fatal(err)
	}
	if got := dbtest.Must(s.Keys.Keys(ctx))(t); !got[0].LastUsedAt.Equal(used) || !got[1].LastUsedAt.IsZero() {
		t.Errorf("last uses: %+v", got)
	}
	if err := s.Keys.DeleteKey(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	dbtest.WantCode(t, s.Keys.DeleteKey(ctx, "ada"), mlops.NotFound, "benchtop keys")
	if err := s.Keys.KeyUsed(ctx, ada.ID, used); err != nil {
		t.Errorf("a use that is written late: %v", err)
	}
	if again := dbtest.Must(s.Keys.CreateKey(ctx, ada))(t); again.ID <= ada.ID {
		t.Errorf("id %d was given again as %d: sessions name it", ada.ID, again.ID)
	}
}
