package webhooks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/dbtest"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/experiments"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/loggedmodels"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/models"
	"github.com/benchtop-lab/benchtop/embedded/registry/store/runs"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// lab is webhooks with something to tell them of.
type lab struct {
	*Store
	models *models.Store
}

func openLab(t *testing.T, path string, allow []netip.Prefix, opt db.Options) *lab {
	t.Helper()
	d := dbtest.Must(db.Open(t.Context(), path, opt))(t)
	exps := experiments.New(d)
	dbtest.OK(t, exps.EnsureDefault(t.Context()))
	s := &lab{New(d, allow), models.New(d, runs.New(d, exps), loggedmodels.New(d))}
	dbtest.OK(t, s.Start(t.Context()))
	return s
}

// Close ends the deliveries and closes the database.
func (s *lab) Close() error {
	s.Store.Close()
	return s.db.Close()
}

// deliverTo returns a deliverer that has begun, reaches this machine and does
// not wait for long between tries.
func deliverTo(t *testing.T, s *lab) *deliverer {
	t.Helper()
	d := newDeliverer(s.Store, loopback)
	d.wait = 2 * time.Millisecond
	if err := d.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// receiver is a real HTTP server that hears of events.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	heard []heard
	// answer says what to answer to the nth delivery, from 1 on.
	answer func(n int) int
}

type heard struct {
	id, entity, action, body string
	data                     map[string]any
}

func newReceiver(t *testing.T, answer func(n int) int) *receiver {
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		b, err := io.ReadAll(q.Body)
		if err != nil {
			t.Error(err)
		}
		h := heard{id: q.Header.Get("X-MLflow-Delivery-Id"), body: string(b)}
		var p struct {
			Entity, Action string
			Data           map[string]any
		}
		if err := json.Unmarshal(b, &p); err != nil {
			t.Errorf("body %s: %v", b, err)
		}
		h.entity, h.action, h.data = p.Entity, p.Action, p.Data
		r.mu.Lock()
		r.heard = append(r.heard, h)
		n := len(r.heard)
		r.mu.Unlock()
		if r.answer != nil {
			w.WriteHeader(r.answer(n))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) all() []heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

// wait returns the deliveries once there are n.
func (r *receiver) wait(t *testing.T, n int) []heard {
	t.Helper()
	until(t, fmt.Sprintf("%d deliveries", n), func() bool { return len(r.all()) >= n })
	got := r.all()
	if len(got) != n {
		t.Fatalf("%d deliveries, want %d: %v", len(got), n, got)
	}
	return got
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited too long for ", what)
		}
	}
}

func hook(t *testing.T, s *lab, name, url string, events ...string) wire.Webhook {
	t.Helper()
	c := WebhookChange{Name: &name, URL: &url}
	for _, e := range events {
		entity, action, _ := strings.Cut(e, ".")
		c.Events = append(c.Events, wire.WebhookEvent{Entity: wire.Enum(entity), Action: wire.Enum(action)})
	}
	return dbtest.Must(s.CreateWebhook(t.Context(), c))(t)
}

func undelivered(t *testing.T, s *lab) (n int) {
	t.Helper()
	if _, err := s.db.Row(t.Context(), "SELECT count(*) FROM outbox", nil, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// outboxStore is a store that does not deliver until it is told to.
func outboxStore(t *testing.T, path string, opt db.Options) *lab {
	t.Helper()
	s := openLab(t, path, loopback, opt)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.hook.close()
	return s
}

func model(t *testing.T, s *lab) {
	t.Helper()
	dbtest.Must(s.models.CreateRegisteredModel(t.Context(), "m", "", nil))(t)
	dbtest.Must(s.models.CreateModelVersion(t.Context(), models.NewVersion{Name: "m", Source: "s3://b/m"}))(t)
}

// TestCrashBeforeDelivery opens the database as a crash right after the commit
// leaves it: copied while the store is open and before any delivery.
func TestCrashBeforeDelivery(t *testing.T) {
	r := newReceiver(t, nil)
	path := filepath.Join(t.TempDir(), "registry.db")
	s := outboxStore(t, path, db.Options{})
	model(t, s)
	hook(t, s, "w", r.URL, "MODEL_VERSION_ALIAS.CREATED")
	if err := s.models.SetAlias(t.Context(), "m", "live", "1"); err != nil {
		t.Fatal(err)
	}
	crashed := filepath.Join(t.TempDir(), "registry.db")
	for _, end := range []string{"", "-wal"} {
		if err := os.WriteFile(crashed+end, dbtest.Must(os.ReadFile(path+end))(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := openLab(t, crashed, loopback, db.Options{})
	defer again.Close()
	if got := r.wait(t, 1)[0]; got.entity != "model_version_alias" || got.action != "created" || fmt.Sprint(got.data) != "map[alias:live name:m version:1]" || got.id == "" {
		t.Errorf("heard %+v", got)
	}
	until(t, "an empty outbox", func() bool { return undelivered(t, again) == 0 })
}

// TestRetriesGoOnAfterRestart: the tries before a restart count, the delivery
// keeps its id and its body.
func TestRetriesGoOnAfterRestart(t *testing.T) {
	t.Parallel() // it waits as long as deliveries do in earnest
	r := newReceiver(t, func(int) int { return 503 })
	path := filepath.Join(t.TempDir(), "registry.db")
	var logged bytes.Buffer
	s := openLab(t, path, loopback, db.Options{})
	s.hook.wait = 150 * time.Millisecond
	hook(t, s, "w", r.URL, "REGISTERED_MODEL.CREATED")
	dbtest.Must(s.models.CreateRegisteredModel(t.Context(), "m", "", nil))(t)
	tries := 0
	until(t, "a failed try", func() bool {
		_, err := s.db.Row(t.Context(), "SELECT tries FROM outbox", nil, &tries)
		return err == nil && tries > 0
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := len(r.all())
	s = openLab(t, path, loopback, db.Options{Log: slog.New(slog.NewTextHandler(&logged, nil))})
	until(t, "an empty outbox", func() bool { return undelivered(t, s) == 0 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := r.wait(t, deliveryTries)
	for _, h := range got {
		if h.id != got[0].id || h.id == "" || h.body != got[0].body {
			t.Errorf("one delivery came as %+v and as %+v", got[0], h)
		}
	}
	if before < 1 || before >= deliveryTries {
		t.Errorf("%d tries before the restart", before)
	}
	if n := strings.Count(logged.String(), "webhook not delivered"); n != 1 || !strings.Contains(logged.String(), "tries=4 status=503") {
		t.Errorf("logged %s", logged.String())
	}
}

// TestSlowReceiverDelaysOnlyItself also looks at the order of events.
func TestSlowReceiverDelaysOnlyItself(t *testing.T) {
	release := make(chan struct{})
	slow := newReceiver(t, func(int) int { <-release; return 200 })
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free)
	flaky := newReceiver(t, func(n int) int { return map[bool]int{true: 500, false: 200}[n%3 == 1] })
	s := outboxStore(t, filepath.Join(t.TempDir(), "registry.db"), db.Options{})
	s.hook = deliverTo(t, s)
	model(t, s)
	const events = 12
	for i := range 6 { // more than ever delivered at once before
		hook(t, s, fmt.Sprint("slow", i), slow.URL, "MODEL_VERSION_TAG.SET")
	}
	hook(t, s, "flaky", flaky.URL, "MODEL_VERSION_TAG.SET")
	for i := range events {
		if err := s.models.SetModelVersionTag(t.Context(), "m", "1", wire.KV{Key: "k", Value: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	// One try fails, then two succeed.
	got := flaky.wait(t, events*3/2)
	next := 0
	for i, h := range got {
		if h.data["value"] != fmt.Sprint(next) {
			t.Fatalf("delivery %d is of event %v, want %d", i+1, h.data["value"], next)
		}
		if (i+1)%3 != 1 {
			next++
		}
	}
	if n := len(slow.all()); n > 6 {
		t.Errorf("a webhook that has not answered yet was sent %d events for 6 webhooks", n)
	}
	free()
	until(t, "an empty outbox", func() bool { return undelivered(t, s) == 0 })
	slow.wait(t, 6*events)
}

// TestNobodyListens: no row is written for an event that no webhook wants, and
// a change of webhooks counts from the next write on.
func TestNobodyListens(t *testing.T) {
	s, ctx := outboxStore(t, filepath.Join(t.TempDir(), "registry.db"), db.Options{}), t.Context()
	model(t, s)
	n := 0
	set := func(want int) {
		t.Helper()
		n++
		if err := s.models.SetModelVersionTag(ctx, "m", "1", wire.KV{Key: "k", Value: fmt.Sprint(n)}); err != nil {
			t.Fatal(err)
		}
		if got := undelivered(t, s); got != want {
			t.Errorf("write %d: %d rows in the outbox, want %d", n, got, want)
		}
	}
	set(0)
	w := hook(t, s, "w", "http://192.0.2.1/", "MODEL_VERSION_TAG.DELETED")
	set(0)
	dbtest.Must(s.UpdateWebhook(ctx, w.WebhookID, WebhookChange{Events: []wire.WebhookEvent{{Entity: "MODEL_VERSION_TAG", Action: "SET"}}}))(t)
	set(1)
	disabled, active := "DISABLED", "ACTIVE"
	dbtest.Must(s.UpdateWebhook(ctx, w.WebhookID, WebhookChange{Status: &disabled}))(t)
	set(1)
	dbtest.Must(s.UpdateWebhook(ctx, w.WebhookID, WebhookChange{Status: &active}))(t)
	set(2)
	// The writer forgets what it learned in a write that is undone.
	err := s.db.Write(ctx, func(t *db.Tx) error {
		if err := t.Exec("UPDATE webhooks SET status = 'DISABLED'"); err != nil {
			return err
		}
		t.ForgetListeners()
		if err := t.Emit("MODEL_VERSION_TAG", "SET", map[string]any{}); err != nil {
			return err
		}
		return mlops.Errorf(mlops.Invalid, "undone")
	})
	dbtest.WantCode(t, err, mlops.Invalid, "undone")
	set(3)
	// A deleted webhook's rows go with it.
	if err := s.DeleteWebhook(ctx, w.WebhookID); err != nil {
		t.Fatal(err)
	}
	set(0)
	if _, err := s.UpdateWebhook(ctx, w.WebhookID, WebhookChange{Status: &active}); mlops.CodeOf(err) != mlops.NotFound {
		t.Errorf("a deleted webhook was changed: %v", err)
	}
}

// TestFailedWriteTellsNobody fails a write alone, and in a group with others.
func TestFailedWriteTellsNobody(t *testing.T) {
	s, ctx := outboxStore(t, filepath.Join(t.TempDir(), "registry.db"), db.Options{}), t.Context()
	model(t, s)
	hook(t, s, "w", "http://192.0.2.1/", "MODEL_VERSION_ALIAS.CREATED", "REGISTERED_MODEL.CREATED")
	dbtest.WantCode(t, s.models.SetAlias(ctx, "m", "live", "7"), mlops.NotFound, "no version 7")
	dbtest.WantCode(t, s.models.SetAlias(ctx, "m", "latest", "1"), mlops.Invalid, "")
	_, err := s.models.CreateRegisteredModel(ctx, "m", "", nil)
	dbtest.WantCode(t, err, mlops.Exists, "exists")
	fail := func(t *db.Tx) error {
		if err := models.SetAlias(t, "m", "live", "1"); err != nil {
			return err
		}
		return mlops.Errorf(mlops.Invalid, "undone")
	}
	dbtest.WantCode(t, s.db.Write(ctx, fail), mlops.Invalid, "undone")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { _ = s.db.Write(ctx, fail) })
	}
	wg.Wait()
	if n := undelivered(t, s); n != 0 {
		t.Errorf("%d rows in the outbox of writes that failed", n)
	}
	err = s.db.Write(ctx, func(t *db.Tx) error { return t.Emit("MODEL_VERSION_ALIAS", "MOVED", nil) })
	if err == nil || !strings.Contains(err.Error(), "there is no event MOVED of MODEL_VERSION_ALIAS") {
		t.Errorf("an event that does not exist: %v", err)
	}
}

// TestEveryEvent makes each event there is, as clients do.
func TestEveryEvent(t *testing.T) {
	r := newReceiver(t, nil)
	s, ctx := outboxStore(t, filepath.Join(t.TempDir(), "registry.db"), db.Options{}), t.Context()
	s.hook = deliverTo(t, s)
	hook(t, s, "w", r.URL, "REGISTERED_MODEL.CREATED", "MODEL_VERSION.CREATED", "MODEL_VERSION_TAG.SET", "MODEL_VERSION_TAG.DELETED", "MODEL_VERSION_ALIAS.CREATED", "MODEL_VERSION_ALIAS.DELETED",
		"PROMPT.CREATED", "PROMPT_VERSION.CREATED", "PROMPT_TAG.SET", "PROMPT_TAG.DELETED", "PROMPT_VERSION_TAG.SET", "PROMPT_VERSION_TAG.DELETED", "PROMPT_ALIAS.CREATED", "PROMPT_ALIAS.DELETED")
	for _, m := range []struct {
		name, source string
		tags         []wire.KV
	}{{"m", "s3://b/m", nil}, {"p", "dummy-source", []wire.KV{{Key: "mlflow.prompt.is_prompt", Value: "true"}, {Key: "a", Value: "b"}}}} {
		dbtest.Must(s.models.CreateRegisteredModel(ctx, m.name, "d", m.tags))(t)
		dbtest.Must(s.models.CreateModelVersion(ctx, models.NewVersion{Name: m.name, Source: m.source, Tags: m.tags}))(t)
		for _, err := range []error{s.models.SetRegisteredModelTag(ctx, m.name, wire.KV{Key: "k", Value: "v"}), s.models.DeleteRegisteredModelTag(ctx, m.name, "k"),
			s.models.SetModelVersionTag(ctx, m.name, "1", wire.KV{Key: "k", Value: "v"}), s.models.DeleteModelVersionTag(ctx, m.name, "1", "k"),
			s.models.SetAlias(ctx, m.name, "x", "1"), s.models.DeleteAlias(ctx, m.name, "x")} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	want := []string{
		`{"action":"created","data":{"description":"d","name":"m","tags":{}},"entity":"registered_model"`,
		`{"action":"created","data":{"description":"","name":"m","run_id":"","source":"s3://b/m","tags":{},"version":"1"},"entity":"model_version"`,
		`{"action":"set","data":{"key":"k","name":"m","value":"v","version":"1"},"entity":"model_version_tag"`,
		`{"action":"deleted","data":{"key":"k","name":"m","version":"1"},"entity":"model_version_tag"`,
		`{"action":"created","data":{"alias":"x","name":"m","version":"1"},"entity":"model_version_alias"`,
		`{"action":"deleted","data":{"alias":"x","name":"m"},"entity":"model_version_alias"`,
		`{"action":"created","data":{"description":"d","name":"p","tags":{"a":"b"}},"entity":"prompt"`,
		`{"action":"created","data":{"description":"","name":"p","run_id":"","source":"dummy-source","tags":{"a":"b"},"version":"1"},"entity":"prompt_version"`,
		`{"action":"set","data":{"key":"k","name":"p","value":"v"},"entity":"prompt_tag"`,
		`{"action":"deleted","data":{"key":"k","name":"p"},"entity":"prompt_tag"`,
		`{"action":"set","data":{"key":"k","name":"p","value":"v","version":"1"},"entity":"prompt_version_tag"`,
		`{"action":"deleted","data":{"key":"k","name":"p","version":"1"},"entity":"prompt_version_tag"`,
		`{"action":"created","data":{"alias":"x","name":"p","version":"1"},"entity":"prompt_alias"`,
		`{"action":"deleted","data":{"alias":"x","name":"p"},"entity":"prompt_alias"`,
	}
	for i, h := range r.wait(t, len(want)) {
		if !strings.HasPrefix(h.body, want[i]+`,"timestamp":"20`) {
			t.Errorf("event %d: %s, want %s…", i, h.body, want[i])
		}
	}
}

// TestTooManyUndelivered: the oldest go, and the log says so once.
func TestTooManyUndelivered(t *testing.T) {
	r := newReceiver(t, nil)
	var logged bytes.Buffer
	s, ctx := outboxStore(t, filepath.Join(t.TempDir(), "registry.db"), db.Options{Log: slog.New(slog.NewTextHandler(&logged, nil)), MaxUndelivered: 5}), t.Context()
	model(t, s)
	w := hook(t, s, "w", r.URL, "MODEL_VERSION_TAG.SET")
	hook(t, s, "other", "http://192.0.2.1/", "MODEL_VERSION_ALIAS.CREATED")
	if err := s.models.SetAlias(ctx, "m", "x", "1"); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		if err := s.models.SetModelVersionTag(ctx, "m", "1", wire.KV{Key: "k", Value: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := undelivered(t, s); n != 6 {
		t.Errorf("%d rows, want 5 of one webhook and 1 of the other", n)
	}
	if n := strings.Count(logged.String(), "webhook events dropped"); n != 1 {
		t.Errorf("logged %d times: %s", n, logged.String())
	}
	// Events that wait for a disabled webhook are delivered when it is active
	// again.
	disabled, active := "DISABLED", "ACTIVE"
	dbtest.Must(s.UpdateWebhook(ctx, w.WebhookID, WebhookChange{Status: &disabled}))(t)
	s.hook = deliverTo(t, s)
	time.Sleep(50 * time.Millisecond)
	r.wait(t, 0)
	dbtest.Must(s.UpdateWebhook(ctx, w.WebhookID, WebhookChange{Status: &active}))(t)
	for i, h := range r.wait(t, 5) {
		if h.data["value"] != fmt.Sprint(7+i) {
			t.Errorf("delivery %d is of event %v, want %d", i, h.data["value"], 7+i)
		}
	}
}
