package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// WebhookChange is what CreateWebhook and UpdateWebhook set; nil leaves it.
type WebhookChange struct {
	Name, Description, URL, Secret, Status *string
	Events                                 []wire.WebhookEvent
}

var webhookName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$`)

func (c *WebhookChange) validate() error {
	if c.Name != nil && !webhookName.MatchString(*c.Name) {
		return invalid("the webhook's name %q is not usable: expected 1 to 63 letters, digits, '.', '_' and '-', beginning with a letter or digit", head(*c.Name))
	}
	if c.URL != nil {
		u, err := url.Parse(*c.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			return invalid("the webhook's URL %q is not usable: expected http:// or https:// with a host and without credentials", head(*c.URL))
		}
	}
	if c.Status != nil && *c.Status != "ACTIVE" && *c.Status != "DISABLED" {
		return invalid("webhook status %q is not known: expected ACTIVE or DISABLED", head(*c.Status))
	}
	for i, e := range c.Events {
		known, ok := e.Canonical()
		if !ok {
			return invalid("there is no event %s of %s", head(string(e.Action)), head(string(e.Entity)))
		}
		c.Events[i] = known
	}
	return nil
}

func eventKey(e wire.WebhookEvent) string { return string(e.Entity) + "." + string(e.Action) }

func eventsJSON(events []wire.WebhookEvent) string {
	keys := make([]string, len(events))
	for i, e := range events {
		keys[i] = eventKey(e)
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
		return wire.Webhook{}, invalid("a webhook needs a name, a url and at least one event")
	}
	value := func(p *string, standard string) string {
		if p == nil {
			return standard
		}
		return *p
	}
	id := newID()
	err := s.write(ctx, func(t *tx) error {
		if err := t.webhookNameFree(*c.Name, id); err != nil {
			return err
		}
		t.w.listeners = nil
		return t.exec("INSERT INTO webhooks (webhook_id, name, description, url, events, secret, status, created, updated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			id, *c.Name, value(c.Description, ""), *c.URL, eventsJSON(c.Events), value(c.Secret, ""), value(c.Status, "ACTIVE"), t.now, t.now)
	})
	if err != nil {
		return wire.Webhook{}, err
	}
	return s.Webhook(ctx, id)
}

func (t *tx) webhookNameFree(name, id string) error {
	found, err := t.row("SELECT 1 FROM webhooks WHERE name = ? AND webhook_id <> ?", []any{name, id}, new(int))
	if err == nil && found {
		err = mlops.Errorf(mlops.Exists, "a webhook named %q exists already", name)
	}
	return err
}

// UpdateWebhook changes what is set in c.
func (s *Store) UpdateWebhook(ctx context.Context, id string, c WebhookChange) (wire.Webhook, error) {
	if err := c.validate(); err != nil {
		return wire.Webhook{}, err
	}
	var events *string
	if len(c.Events) > 0 {
		e := eventsJSON(c.Events)
		events = &e
	}
	err := s.write(ctx, func(t *tx) error {
		if c.Name != nil {
			if err := t.webhookNameFree(*c.Name, id); err != nil {
				return err
			}
		}
		var row int64
		found, err := t.row("SELECT id FROM webhooks WHERE webhook_id = ?", []any{id}, &row)
		if err != nil {
			return err
		}
		if !found {
			return notFound("there is no webhook with id %q", head(id))
		}
		t.w.listeners = nil
		// What waited while it was disabled is due now.
		t.after = append(t.after, func() { s.hook.wake(row) })
		return t.exec(`UPDATE webhooks SET name = coalesce(?, name), description = coalesce(?, description), url = coalesce(?, url), secret = coalesce(?, secret),
			status = coalesce(?, status), events = coalesce(?, events), updated = ? WHERE id = ?`, c.Name, c.Description, c.URL, c.Secret, c.Status, events, t.now, row)
	})
	if err != nil {
		return wire.Webhook{}, err
	}
	return s.Webhook(ctx, id)
}

// DeleteWebhook removes a webhook and what it was still to be told.
func (s *Store) DeleteWebhook(ctx context.Context, id string) error {
	return s.write(ctx, func(t *tx) error {
		t.w.listeners = nil
		n, err := t.changes("DELETE FROM webhooks WHERE webhook_id = ?", id)
		if err == nil && n == 0 {
			return notFound("there is no webhook with id %q", head(id))
		}
		return err
	})
}

const (
	webhookList    = "w.webhook_id, w.name, w.description, w.url, w.events, w.secret, w.status, w.created, w.updated"
	webhookColumns = "SELECT " + webhookList + "\n\tFROM webhooks w "
)

func scanWebhook(r *sql.Rows, extra ...any) (wire.Webhook, error) {
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
	err = s.rows(ctx, webhookColumns+"WHERE w.webhook_id = ?", func(r *sql.Rows) error {
		found = true
		w, err = scanWebhook(r)
		return err
	}, id)
	if err == nil && !found {
		err = notFound("there is no webhook with id %q", head(id))
	}
	return w, err
}

// Webhooks returns a page of webhooks in order of creation.
func (s *Store) Webhooks(ctx context.Context, max int, token string) ([]wire.Webhook, string, error) {
	return page(ctx, s, webhookColumns, clause{}, []sortCol{{"w.created", false}, {"w.webhook_id", false}}, PageQuery{Max: max, Token: token}, scanWebhook)
}
