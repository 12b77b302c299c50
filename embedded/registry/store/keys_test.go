package store

import (
	"database/sql"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

func TestKeys(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	created := time.UnixMilli(1_790_000_000_000)
	ada := mlops.Key{Name: "ada", Role: mlops.RoleEditor, Buckets: []mlops.KeyBucket{{Name: "data", Write: true}, {Name: "other"}}, Salt: []byte{0, 1, 255}, CreatedAt: created, ExpiresAt: created.Add(time.Hour)}
	eve := mlops.Key{Name: "eve", Role: mlops.RoleReader, Buckets: []mlops.KeyBucket{}, Salt: []byte("salt"), CreatedAt: created}
	eve = must(s.CreateKey(ctx, eve))(t)
	ada = must(s.CreateKey(ctx, ada))(t)
	if got := must(s.Keys(ctx))(t); !reflect.DeepEqual(got, []mlops.Key{ada, eve}) {
		t.Errorf("keys are\n%+v, want\n%+v", got, []mlops.Key{ada, eve})
	}
	_, err := s.CreateKey(ctx, ada)
	wantCode(t, err, mlops.Exists, "revoke it first")
	used := created.Add(time.Minute)
	if err := s.KeyUsed(ctx, ada.ID, used); err != nil {
		t.Fatal(err)
	}
	if got := must(s.Keys(ctx))(t); !got[0].LastUsedAt.Equal(used) || !got[1].LastUsedAt.IsZero() {
		t.Errorf("last uses: %+v", got)
	}
	if err := s.DeleteKey(ctx, "ada"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.DeleteKey(ctx, "ada"), mlops.NotFound, "benchtop keys")
	if err := s.KeyUsed(ctx, ada.ID, used); err != nil {
		t.Errorf("a use that is written late: %v", err)
	}
	if again := must(s.CreateKey(ctx, ada))(t); again.ID <= ada.ID {
		t.Errorf("id %d was given again as %d: sessions name it", ada.ID, again.ID)
	}
}

// TestKeysMigration opens a data dir from before there were keys.
func TestKeysMigration(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "registry.db")
	db := must(sql.Open("sqlite", dsn(path, "immediate", "foreign_keys(1)", "journal_mode(WAL)")))(t)
	ms := must(migrations())(t)
	if err := migrateTo(ctx, db, path, slogDiscard(), ms[:4]); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO projects (name, dataset, schedule, node, created) VALUES ('iris', 'iris', '', '', 1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s := must(Open(ctx, path, Options{}))(t)
	defer s.Close()
	if ps := must(s.Projects(ctx))(t); len(ps) != 1 {
		t.Errorf("projects after the migration: %v", ps)
	}
	if ks := must(s.Keys(ctx))(t); len(ks) != 0 {
		t.Errorf("keys after the migration: %v", ks)
	}
	must(s.CreateKey(ctx, mlops.Key{Name: "ada", Role: mlops.RoleReader, Salt: []byte("s"), CreatedAt: time.Now()}))(t)
}
