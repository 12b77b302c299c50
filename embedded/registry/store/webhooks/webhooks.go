// Package webhooks keeps the addresses that are told of events. It delivers the
// outbox to them, with one goroutine for each webhook.
package webhooks

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Store keeps webhooks and delivers to them.
type Store struct {
	db   *db.DB
	hook *deliverer
}

// New returns the webhooks of a database. They reach addresses outside of this
// machine and the cluster, and those in allow.
func New(d *db.DB, allow []netip.Prefix) *Store {
	s := &Store{db: d}
	s.hook = newDeliverer(s, allow)
	d.OnLetters(func(webhook int64) { s.hook.wake(webhook) }, func(webhook int64) { s.hook.overflowed(webhook) })
	return s
}

// Start begins to deliver, first the rows that an earlier process has left.
func (s *Store) Start(ctx context.Context) error { return s.hook.start(ctx) }

// Close ends deliveries under way; their rows stay.
func (s *Store) Close() { s.hook.close() }

// WebhookChange is what CreateWebhook and UpdateWebhook set; nil leaves it.
type WebhookChange struct {
	Name, Description, URL, Secret, Status *string
	Events                                 []wire.WebhookEvent
}

var webhookName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$`)

func (c *WebhookChange) validate() error {
	if c.Name != nil && !webhookName.MatchString(*c.Name) {
		return mlops.Errorf(mlops.Invalid, "the webhook's name %q is not usable: expected 1 to 63 letters, digits, '.', '_' and '-', beginning with a letter or digit", wire.Head(*c.Name))
	}
	if c.URL != nil {
		u, err := url.Parse(*c.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			return mlops.Errorf(mlops.Invalid, "the webhook's URL %q is not usable: expected http:// or https:// with a host and without credentials", wire.Head(*c.URL))
		}
	}
	if c.Status != nil && *c.Status != "ACTIVE" && *c.Status != "DISABLED" {
		return mlops.Errorf(mlops.Invalid, "webhook status %q is not known: expected ACTIVE or DISABLED", wire.Head(*c.Status))
	}
	for i, e := range c.Events {
		known, ok := e.Canonical()
		if !ok {
			return mlops.Errorf(mlops.Invalid, "there is no event %s of %s", wire.Head(string(e.Action)), wire.Head(string(e.Entity)))
		}
		c.Events[i] = known
	}
	return nil
}

func eventsJSON(events []wire.WebhookEvent) string {
	keys := make([]string, len(events))
	for i, e := range events {
		keys[i] = e.Key()
	}
	slices.Sort(keys)
	b, _ := json.Marshal(slices.Compact(keys)) // a list of strings
	return string(b)
}

// CreateWebhook makes a webhook.
func (s *Store) CreateWebhook(ctx context.Context, c WebhookChange) (wire.Webhook, error) {
	if err := c.validate(); err != nil {
		return wire.Webhook{}, err
	}
	if c.Name == nil || c.URL == nil || len(c.Events) == 0 {
		return wire.Webhook{}, mlops.Errorf(mlops.Invalid, "a webhook needs a name, a url and at least one event")
	}
	value := func(p *string, standard string) string {
		if p == nil {
			return standard
		}
		return *p
	}
	id := db.NewID()
	err := s.db.Write(ctx, func(t *db.Tx) error {
		if err := nameFree(t, *c.Name, id); err != nil {
			return err
		}
		t.ForgetListeners()
		return t.Exec("INSERT INTO webhooks (webhook_id, name, description, url, events, secret, status, created, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			id, *c.Name, value(c.Description, ""), *c.URL, eventsJSON(c.Events), value(c.Secret, ""), value(c.Status, "ACTIVE"), t.Now, t.Now)
	})
	if err != nil {
		return wire.Webhook{}, err
	}
	return s.Webhook(ctx, id)
}

func nameFree(t *db.Tx, name, id string) error {
	found, err := t.Row("SELECT 1 FROM webhooks WHERE name = ? AND webhook_id <> ?", []any{name, id}, new(int))
	if err == nil && found {
		err = mlops.Errorf(mlops.Exists, "a webhook named %q exists already", name)
	}
	return err
}

// UpdateWebhook changes the fields that are set in c.
func (s *Store) UpdateWebhook(ctx context.Context, id string, c WebhookChange) (wire.Webhook, error) {
	if err := c.validate(); err != nil {
		return wire.Webhook{}, err
	}
	var events *string
	if len(c.Events) > 0 {
		e := eventsJSON(c.Events)
		events = &e
	}
	err := s.db.Write(ctx, func(t *db.Tx) error {
		if c.Name != nil {
			if err := nameFree(t, *c.Name, id); err != nil {
				return err
			}
		}
		var row int64
		found, err := t.Row("SELECT id FROM webhooks WHERE webhook_id = ?", []any{id}, &row)
		if err != nil {
			return err
		}
		if !found {
			return mlops.Errorf(mlops.NotFound, "there is no webhook with id %q", wire.Head(id))
		}
		t.ForgetListeners()
		// Events that waited while it was disabled are due now.
		t.After(func() { s.hook.wake(row) })
		return t.Exec(`UPDATE webhooks SET name = coalesce(?, name), description = coalesce(?, description), url = coalesce(?, url), secret = coalesce(?, secret),
			status = coalesce(?, status), events = coalesce(?, events), updated = ? WHERE id = ?`, c.Name, c.Description, c.URL, c.Secret, c.Status, events, t.Now, row)
	})
	if err != nil {
		return wire.Webhook{}, err
	}
	return s.Webhook(ctx, id)
}

// DeleteWebhook removes a webhook and its undelivered events.
func (s *Store) DeleteWebhook(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		t.ForgetListeners()
		n, err := t.Changes("DELETE FROM webhooks WHERE webhook_id = ?", id)
		if err == nil && n == 0 {
			return mlops.Errorf(mlops.NotFound, "there is no webhook with id %q", wire.Head(id))
		}
		return err
	})
}

const (
	list    = "w.webhook_id, w.name, w.description, w.url, w.events, w.secret, w.status, w.created, w.updated"
	columns = "SELECT " + list + "\n\tFROM webhooks w "
)

func scan(r *sql.Rows, extra ...any) (wire.Webhook, error) {
	var w wire.Webhook
	var events string
	if err := r.Scan(append([]any{&w.WebhookID, &w.Name, &w.Description, &w.URL, &events, &w.Secret, &w.Status, &w.Created, &w.Updated}, extra...)...); err != nil {
		return w, err
	}
	var keys []string
	if err := json.Unmarshal([]byte(events), &keys); err != nil {
		return w, err
	}
	for _, k := range keys {
		entity, action, _ := strings.Cut(k, ".")
		w.Events = append(w.Events, wire.WebhookEvent{Entity: wire.Enum(entity), Action: wire.Enum(action)})
	}
	return w, nil
}

// Webhook returns one webhook.
func (s *Store) Webhook(ctx context.Context, id string) (w wire.Webhook, err error) {
	found := false
	err = s.db.Rows(ctx, columns+"WHERE w.webhook_id = ?", func(r *sql.Rows) error {
		found = true
		w, err = scan(r)
		return err
	}, id)
	if err == nil && !found {
		err = mlops.Errorf(mlops.NotFound, "there is no webhook with id %q", wire.Head(id))
	}
	return w, err
}

// Webhooks returns a page of webhooks in order of creation.
func (s *Store) Webhooks(ctx context.Context, max int, token string) ([]wire.Webhook, string, error) {
	return db.Page(ctx, s.db, columns, db.Clause{}, []db.SortCol{db.Asc("w.created"), db.Asc("w.webhook_id")}, db.PageQuery{Max: max, Token: token}, scan)
}
