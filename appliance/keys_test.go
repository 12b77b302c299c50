package appliance

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/access"
	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry"
)

// noObjects is an object store that cannot follow.
type noObjects struct{}

func (noObjects) NeedBucket(context.Context, string, bool) error { return nil }
func (noObjects) SyncKeys(context.Context, []mlops.ObjectUser) error {
	return errors.New("the disk is full")
}

// TestAuthWithKeys puts keys, a real registry's rows, behind the accounts.
func TestAuthWithKeys(t *testing.T) {
	var store *registry.Store
	keys := access.New(access.Config{Secret: "secret", Log: slog.New(slog.DiscardHandler), Objects: func() access.Objects { return noObjects{} },
		Rows: func() access.Rows {
			if store == nil {
				return nil
			}
			return keyRowsOf(store)
		}})
	a := NewAuth(Secrets{AdminPassword: "pw", AdminToken: "token", Trainer: "train"}, keys)
	code := func(p mlops.Principal, err error) mlops.Code { return mlops.CodeOf(err) }
	// While the registry starts the accounts work, and only what could be a key
	// is told to wait.
	for what, got := range map[string]mlops.Code{"admin": code(a.Password("admin", "pw")), "admin's token": code(a.Token("token"))} {
		if got != "" {
			t.Errorf("%s before the registry is open: %s", what, got)
		}
	}
	for what, got := range map[string]mlops.Code{"wrong password": code(a.Password("admin", "no")), "no account": code(a.Password("trainer", "pw"))} {
		if got != mlops.Unauthorized {
			t.Errorf("%s before the registry is open: %s", what, got)
		}
	}
	for what, got := range map[string]mlops.Code{"a name": code(a.Password("ada", "x")), "a token": code(a.Token("x"))} {
		if got != mlops.Unavailable {
			t.Errorf("%s before the registry is open: %s, want that it starts", what, got)
		}
	}

	var err error
	if store, err = registry.Open(t.Context(), t.TempDir()+"/registry.db", registry.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	ada, err := store.Keys.CreateKey(t.Context(), mlops.Key{Name: "ada", Role: mlops.RoleReader, Salt: []byte("salt"), CreatedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	// An object store that cannot follow keeps nobody from starting.
	lab := &Appliance{keys: keys, log: slog.New(slog.DiscardHandler)}
	if err := lab.loadKeys(); err != nil {
		t.Fatal(err)
	}
	all, err := keys.List(t.Context())
	if err != nil || !slices.ContainsFunc(all, func(k mlops.Key) bool { return k.ID == ada.ID }) {
		t.Errorf("keys %v %v", all, err)
	}
	if got := code(a.Password("ada", "x")); got != mlops.Unauthorized {
		t.Errorf("a wrong token: %s", got)
	}
	if p, err := a.Password("admin", "pw"); err != nil || p.Role != mlops.RoleAdmin || p.Key != 0 {
		t.Errorf("admin: %+v %v", p, err)
	}
	// Without rows there is no telling who may come in: the start fails.
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	fresh := access.New(access.Config{Log: slog.New(slog.DiscardHandler), Rows: func() access.Rows { return keyRowsOf(store) }, Objects: func() access.Objects { return noObjects{} }})
	if err := (&Appliance{keys: fresh, log: lab.log}).loadKeys(); err == nil || !strings.Contains(err.Error(), "read access keys") {
		t.Errorf("without rows: %v", err)
	}
}
