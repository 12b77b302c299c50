package sessionfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui"
)

func session(hash string, age time.Duration) ui.Session {
	created := time.Now().Add(-age)
	return ui.Session{Hash: hash, Principal: mlops.Principal{Name: "admin", Role: mlops.RoleAdmin}, CreatedAt: created, ExpiresAt: created.Add(time.Hour)}
}

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSessionsSurviveARestart(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "secrets", "sessions.json")
	f := open(t, path)
	for _, s := range []ui.Session{session("kept", 0), session("ended", 0), session("expired", 2*time.Hour)} {
		if err := f.Create(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Delete(ctx, "ended"); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(ctx, "never there"); err != nil {
		t.Error("deleting what is not there:", err)
	}

	f = open(t, path)
	got, err := f.Check(ctx, "kept")
	if err != nil || got.Principal.Role != mlops.RoleAdmin {
		t.Errorf("kept: %+v, %v", got, err)
	}
	for _, hash := range []string{"ended", "expired", "never there"} {
		if _, err := f.Check(ctx, hash); mlops.CodeOf(err) != mlops.NotFound {
			t.Errorf("%s: got %v, want NotFound", hash, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestBrokenFileIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.json")
	if err := os.WriteFile(path, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	if err := f.Create(context.Background(), session("new", 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".broken"); err != nil {
		t.Error(err)
	}
}

func TestTheOldestSessionsGoFirst(t *testing.T) {
	ctx, f := context.Background(), open(t, filepath.Join(t.TempDir(), "sessions.json"))
	for i := range maxSessions {
		s := session(fmt.Sprint(i), time.Duration(maxSessions-i)*time.Second)
		f.all[s.Hash] = s
	}
	if err := f.Create(ctx, session("new", 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Check(ctx, "0"); mlops.CodeOf(err) != mlops.NotFound {
		t.Error("the oldest session is still there")
	}
	if _, err := f.Check(ctx, "new"); err != nil {
		t.Error(err)
	}
}

func TestFailedWriteChangesNothing(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	f := open(t, filepath.Join(dir, "s", "sessions.json"))
	if err := f.Create(ctx, session("kept", 0)); err != nil {
		t.Fatal(err)
	}
	// A file where the directory should be makes every write fail, for root too.
	f.path = filepath.Join(dir, "s", "sessions.json", "below")
	if err := f.Create(ctx, session("new", 0)); err == nil {
		t.Fatal("the write should have failed")
	}
	if _, err := f.Check(ctx, "new"); mlops.CodeOf(err) != mlops.NotFound {
		t.Error("a session that was not written counts")
	}
	if err := f.Delete(ctx, "kept"); err == nil {
		t.Fatal("the write should have failed")
	}
	if _, err := f.Check(ctx, "kept"); err != nil {
		t.Error("a session whose end was not written is gone:", err)
	}
}
