package access

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// world is rows and an object store in memory, with a note of what happened in
// which order.
type world struct {
	mu       sync.Mutex
	rows     []mlops.Key
	users    []mlops.ObjectUser
	buckets  map[string]bool
	order    []string
	used     []time.Time
	projects []mlops.Project
	broken   map[string]error // by the call that fails
	notReady bool
}

func (w *world) do(what string) error {
	w.order = append(w.order, what)
	return w.broken[what]
}

func (w *world) CreateKey(_ context.Context, k mlops.Key) (mlops.Key, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.do("insert"); err != nil {
		return k, err
	}
	k.ID = int64(len(w.order)) // never given again
	w.rows = append(w.rows, k)
	return k, nil
}

func (w *world) Keys(context.Context) ([]mlops.Key, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.rows), nil
}

func (w *world) DeleteKey(_ context.Context, name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.do("delete"); err != nil {
		return err
	}
	n := len(w.rows)
	if w.rows = slices.DeleteFunc(w.rows, func(k mlops.Key) bool { return k.Name == name }); len(w.rows) == n {
		return mlops.Errorf(mlops.NotFound, "there is no key %q", name)
	}
	return nil
}

func (w *world) LimitKey(_ context.Context, id int64, projects []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.do("limit"); err != nil {
		return err
	}
	for i := range w.rows {
		if w.rows[i].ID == id {
			w.rows[i].Projects = projects
		}
	}
	return nil
}

func (w *world) Projects(context.Context) ([]mlops.Project, error) { return w.projects, nil }

func (w *world) KeyUsed(_ context.Context, id int64, at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used = append(w.used, at)
	return nil
}

func (w *world) NeedBucket(_ context.Context, name string, make bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.do("bucket"); err != nil {
		return err
	}
	if !make && !w.buckets[name] {
		return mlops.Errorf(mlops.NotFound, "bucket %s does not exist", name)
	}
	w.buckets[name] = true
	return nil
}

func (w *world) SyncKeys(_ context.Context, users []mlops.ObjectUser) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.do("sync"); err != nil {
		return err
	}
	w.users = slices.Clone(users)
	return nil
}

func (w *world) names() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, u := range w.users {
		out = append(out, u.Name)
	}
	return strings.Join(out, " ")
}

func newWorld() *world { return &world{buckets: map[string]bool{}, broken: map[string]error{}} }

// open returns the keys of a world; their tokens are derived from the secret.
func (w *world) open(t *testing.T, secret string) *Keys {
	t.Helper()
	k := New(Config{Secret: secret, Own: []string{"mlflow"}, Artifacts: "mlflow", Log: slog.New(slog.DiscardHandler), Objects: func() Objects { return w },
		Rows: func() Rows {
			if w.notReady {
				return nil
			}
			return w
		}})
	t.Cleanup(k.Close)
	return k
}

func (w *world) loaded(t *testing.T) *Keys {
	t.Helper()
	k := w.open(t, "secret")
	if err := k.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k
}

func create(t *testing.T, k *Keys, name, role, expires string, buckets ...string) mlops.NewKey {
	t.Helper()
	n, err := k.Create(t.Context(), mlops.KeyRequest{Name: name, Role: role, Expires: expires, Buckets: buckets})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOneTokenForAllDoors follows a key from its creation to its end.
func TestOneTokenForAllDoors(t *testing.T) {
	w := newWorld()
	k := w.loaded(t)
	ada := create(t, k, "ada", "editor", "", "data:rw")
	if !strings.HasPrefix(ada.Token, "bt_") || len(ada.Token) != 35 {
		t.Errorf("the token is %q", ada.Token)
	}
	if got := strings.Join(w.order, " "); got != "sync bucket sync insert" {
		t.Errorf("the order was %s: bytes first, row second", got)
	}
	for what, try := range map[string]func() (mlops.Principal, error){
		"password": func() (mlops.Principal, error) { return k.Password("ada", ada.Token) },
		"token":    func() (mlops.Principal, error) { return k.Token(ada.Token) },
	} {
		if p, err := try(); err != nil || !reflect.DeepEqual(p, mlops.Principal{Name: "ada", Role: mlops.RoleEditor, Key: ada.ID}) {
			t.Errorf("%s: %+v %v", what, p, err)
		}
	}
	if u := w.users[0]; u.Name != "ada" || u.Secret != ada.Token || u.All || len(u.Buckets) != 1 || !u.Buckets[0].Write {
		t.Errorf("the object store's user is %+v", u)
	}
	if err := k.Admit("ada"); err != nil {
		t.Error(err)
	}
	for _, bad := range [][2]string{{"ada", ""}, {"ada", "bt_x"}, {"eve", ada.Token}, {"", ada.Token}, {"", ""}} {
		if p, err := k.Password(bad[0], bad[1]); err != mlops.ErrCredentials {
			t.Errorf("%q: %+v %v", bad, p, err)
		}
	}
	if _, err := k.Token(""); err != mlops.ErrCredentials {
		t.Errorf("an empty token: %v", err)
	}
	if _, err := k.Create(t.Context(), mlops.KeyRequest{Name: "ada", Role: "reader"}); mlops.CodeOf(err) != mlops.Exists {
		t.Errorf("the same name again: %v", err)
	}
	// A restart knows the same token. With another secret the token differs.
	again := w.loaded(t)
	if _, err := again.Token(ada.Token); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	other := w.open(t, "other secret")
	if err := other.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Token(ada.Token); err != mlops.ErrCredentials {
		t.Errorf("with another secret: %v", err)
	}

	w.order = nil
	if err := k.Revoke(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(w.order, " "); got != "delete sync" {
		t.Errorf("the order was %s: row first", got)
	}
	_, byPassword := k.Password("ada", ada.Token)
	_, byToken := k.Token(ada.Token)
	for what, err := range map[string]error{"password": byPassword, "token": byToken, "S3": k.Admit("ada")} {
		if err != mlops.ErrCredentials {
			t.Errorf("%s after the key was revoked: %v", what, err)
		}
	}
	if err := k.Valid(ada.Principal()); mlops.CodeOf(err) != mlops.Unauthorized || !strings.Contains(err.Error(), "was revoked") {
		t.Errorf("its session: %v", err)
	}
	if w.names() != "" || k.Valid(mlops.Principal{Name: "admin"}) != nil {
		t.Errorf("left: %s", w.names())
	}
	if err := k.Revoke(t.Context(), "ada"); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("revoked twice: %v", err)
	}
	// The name again is another key: neither the old token nor its sessions.
	next := create(t, k, "ada", "reader", "")
	if next.Token == ada.Token || next.ID == ada.ID || k.Valid(ada.Principal()) == nil {
		t.Errorf("the next ada is the old one: %+v", next)
	}
}

func TestUnknownUntilLoaded(t *testing.T) {
	w := newWorld()
	k := w.open(t, "secret")
	w.notReady = true
	if err := k.Load(t.Context()); mlops.CodeOf(err) != mlops.Unavailable {
		t.Errorf("load without rows: %v", err)
	}
	_, listed := k.List(t.Context())
	_, created := k.Create(t.Context(), mlops.KeyRequest{Name: "ada", Role: "reader"})
	_, byPassword := k.Password("ada", "x")
	_, byToken := k.Token("x")
	for what, err := range map[string]error{"list": listed, "create": created, "revoke": k.Revoke(t.Context(), "ada"), "password": byPassword, "token": byToken,
		"S3": k.Admit("ada"), "S3 unsigned": k.Admit(""), "session": k.Valid(mlops.Principal{Name: "ada", Key: 1})} {
		if mlops.CodeOf(err) != mlops.Unavailable {
			t.Errorf("%s before the rows are known: %v, want unavailable", what, err)
		}
	}
	k.Used("ada") // must not panic
}

func TestRefusedRequestsMakeNothing(t *testing.T) {
	w := newWorld()
	k := w.loaded(t)
	for _, c := range []struct {
		req  mlops.KeyRequest
		code mlops.Code
		text string
	}{
		{mlops.KeyRequest{Name: "ada", Role: "editor", Buckets: []string{"mlflow:rw"}}, mlops.Invalid, "mlflow is the appliance's own"},
		{mlops.KeyRequest{Name: "ada", Role: "editor", Buckets: []string{"none:ro"}}, mlops.NotFound, "does not exist"},
		{mlops.KeyRequest{Name: "ada"}, mlops.Invalid, "expected one of admin, editor, trainer, reader"},
	} {
		if _, err := k.Create(t.Context(), c.req); mlops.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: %v, want %q", c.req, err, c.text)
		}
	}
	// A change that fails half way is undone.
	for _, what := range []string{"bucket", "sync", "insert"} {
		w.broken[what] = errors.New("no room")
		if _, err := k.Create(t.Context(), mlops.KeyRequest{Name: "ada", Role: "editor", Buckets: []string{"data:rw"}}); err == nil {
			t.Errorf("%s failed, and the key was made", what)
		}
		delete(w.broken, what)
		if all, _ := k.List(t.Context()); len(all) != 0 || len(w.rows) != 0 || what != "sync" && w.names() != "" {
			t.Errorf("%s failed: keys %v, rows %v, users %s", what, all, w.rows, w.names())
		}
	}
	// A key that cannot be taken out of the object store is refused even so.
	create(t, k, "ada", "editor", "")
	w.broken["sync"] = errors.New("gone")
	if err := k.Revoke(t.Context(), "ada"); err == nil || !strings.Contains(err.Error(), "is revoked and every door refuses it") {
		t.Errorf("revoke without an object store: %v", err)
	}
	if err := k.Admit("ada"); err != mlops.ErrCredentials {
		t.Errorf("S3 lets it in: %v", err)
	}
	if err := k.Revoke(t.Context(), "ada"); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("its row is there: %v", err)
	}
}

func TestKeysOfProjects(t *testing.T) {
	w := newWorld()
	w.projects = []mlops.Project{{Name: "iris"}, {Name: "wine"}, {Name: "old", Deleting: true}}
	w.buckets["mlflow"], w.buckets["data"] = true, true
	k := w.loaded(t)
	for _, c := range []struct {
		req  mlops.KeyRequest
		code mlops.Code
		text string
	}{
		{mlops.KeyRequest{Name: "eve", Role: "editor", Projects: []string{"wien"}}, mlops.NotFound, `there is no project "wien": expected one of iris, wine`},
		{mlops.KeyRequest{Name: "eve", Role: "editor", Projects: []string{"wine", "old"}}, mlops.NotFound, `there is no project "old"`},
		{mlops.KeyRequest{Name: "eve", Role: "reader", Projects: []string{"wine"}, Buckets: []string{"mlflow:ro"}}, mlops.Invalid, "reaches its artifacts through MLflow"},
		{mlops.KeyRequest{Name: "eve", Role: "reader", Projects: []string{"wine"}, Buckets: []string{"mlflow/1/:ro"}}, mlops.Invalid, "reaches its artifacts through MLflow"},
	} {
		if _, err := k.Create(t.Context(), c.req); mlops.CodeOf(err) != c.code || !strings.Contains(mlops.MessageOf(err), c.text) || len(w.rows) != 0 {
			t.Errorf("%+v: %v, want %q", c.req, err, c.text)
		}
	}
	eve, err := k.Create(t.Context(), mlops.KeyRequest{Name: "eve", Role: "editor", Projects: []string{"wine", "iris"}, Buckets: []string{"data:rw"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, again := range []*Keys{k, w.loaded(t)} { // and after a restart
		if p, err := again.Token(eve.Token); err != nil || !slices.Equal(p.Projects, []string{"wine", "iris"}) {
			t.Errorf("it comes as %+v, %v", p, err)
		}
	}
	w.projects = w.projects[:1]
	if all, err := k.List(t.Context()); err != nil || len(all) != 1 || !slices.Equal(all[0].Gone, []string{"wine"}) {
		t.Errorf("wine is gone, and the list says %+v, %v", all, err)
	}
}

// TestCrashInBetween: whatever the object store kept, the next start makes it
// follow the rows.
func TestCrashInBetween(t *testing.T) {
	w := newWorld()
	w.users = []mlops.ObjectUser{{Name: "half"}} // made, and its row never written
	w.rows = []mlops.Key{{ID: 7, Name: "ada", Role: mlops.RoleAdmin, Salt: []byte("salt")}}
	k := w.loaded(t)
	if w.names() != "ada" || !w.users[0].All || w.users[0].Secret != k.token([]byte("salt")) {
		t.Errorf("the object store has %+v", w.users)
	}
}

func TestKeysEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.loaded(t)
		ada := create(t, k, "ada", "reader", "1h")
		create(t, k, "eve", "reader", "2h")
		create(t, k, "max", "reader", "")
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if _, err := k.Token(ada.Token); err != nil || w.names() != "ada eve max" {
			t.Errorf("before its end: %v, %s", err, w.names())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		_, byPassword := k.Password("ada", ada.Token)
		for what, err := range map[string]error{"password": byPassword, "S3": k.Admit("ada"), "session": k.Valid(ada.Principal())} {
			if mlops.CodeOf(err) != mlops.Unauthorized || !strings.Contains(err.Error(), "ada has expired on 2000-01-01 01:00 UTC") {
				t.Errorf("%s after its end: %v", what, err)
			}
		}
		if w.names() != "eve max" {
			t.Errorf("the object store has %s", w.names())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if w.names() != "max" {
			t.Errorf("the object store has %s", w.names())
		}
		if all, _ := k.List(t.Context()); len(all) != 3 {
			t.Errorf("expired keys are not listed: %v", all)
		}
	})
}

// TestLastUse: the last use is noted once a minute, and the request does not
// wait for it.
func TestLastUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.loaded(t)
		ada := create(t, k, "ada", "reader", "")
		if all, _ := k.List(t.Context()); !all[0].LastUsedAt.IsZero() {
			t.Errorf("never used, and %v", all[0])
		}
		for range 100 {
			if _, err := k.Token(ada.Token); err != nil {
				t.Fatal(err)
			}
			k.Used("ada")
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if len(w.used) != 2 {
			t.Errorf("written %d times in 100 s, want 2", len(w.used))
		}
		if all, _ := k.List(t.Context()); time.Since(all[0].LastUsedAt) != 40*time.Second {
			t.Errorf("last use %s ago, want 40 s", time.Since(all[0].LastUsedAt))
		}
		k.Used("nobody")
		if _, err := k.Password("ada", "wrong"); err == nil {
			t.Error("a wrong token is right")
		}
		time.Sleep(time.Minute)
		k.Admit("ada") // knowing the name is not using the key
		synctest.Wait()
		if len(w.used) != 2 {
			t.Error("a refused request counts as a use")
		}
	})
}

func BenchmarkToken(b *testing.B) {
	w := newWorld()
	k := New(Config{Secret: "secret", Log: slog.New(slog.DiscardHandler), Objects: func() Objects { return w }, Rows: func() Rows { return w }})
	if err := k.Load(b.Context()); err != nil {
		b.Fatal(err)
	}
	n, err := k.Create(b.Context(), mlops.KeyRequest{Name: "ada", Role: "reader"})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := k.Token(n.Token); err != nil {
			b.Fatal(err)
		}
	}
}
