package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// This file keeps the outbox: what webhooks are still to be told. An event's
// rows are written in the transaction of the change itself, so both are there
// after a crash or neither is. deliver.go sends them.

// maxUndelivered bounds what waits for one webhook: a receiver that is gone
// for good must not fill the disk.
const maxUndelivered = 10_000

// letter is one row of the outbox with the webhook that it is for.
type letter struct {
	hook      wire.Webhook
	id        int64
	delivery  string
	event     wire.WebhookEvent
	payload   json.RawMessage
	created   int64
	tries     int
	nextTryMs int64
}

// emit puts an event into the outbox of each active webhook that listens for
// it. It is part of the transaction: if that fails, nobody hears of anything.
func (t *tx) emit(entity, action string, payload any) error {
	event, ok := wire.WebhookEvent{Entity: wire.Enum(entity), Action: wire.Enum(action)}.Canonical()
	if !ok {
		return fmt.Errorf("emit: there is no event %s of %s: expected one of those in package wire", action, entity)
	}
	listeners, err := t.listeners()
	if err != nil {
		return err
	}
	hooks := listeners[eventKey(event)]
	if len(hooks) == 0 {
		return nil
	}
	b, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("emit %s: %w", eventKey(event), err)
	}
	d := t.w.store.hook
	for _, hook := range hooks {
		if err := t.exec("INSERT INTO outbox (webhook, delivery_id, entity, action, payload, created, tries, next_try) VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
			hook, newID(), string(event.Entity), string(event.Action), string(b), t.now, t.now); err != nil {
			return err
		}
		dropped, err := t.changes("DELETE FROM outbox WHERE webhook = ? AND id <= (SELECT id FROM outbox WHERE webhook = ? ORDER BY id DESC LIMIT 1 OFFSET ?)", hook, hook, d.max)
		if err != nil {
			return err
		}
		t.after = append(t.after, func() {
			if dropped > 0 {
				d.overflowed(hook)
			}
			d.wake(hook)
		})
	}
	return nil
}

// promptEntities maps the entities of events about models to those of events
// about prompts.
var promptEntities = map[string]string{"REGISTERED_MODEL": "PROMPT", "REGISTERED_MODEL_TAG": "PROMPT_TAG", "MODEL_VERSION": "PROMPT_VERSION",
	"MODEL_VERSION_TAG": "PROMPT_VERSION_TAG", "MODEL_VERSION_ALIAS": "PROMPT_ALIAS"}

// emitModel emits an event about a registered model or a prompt. entity is the
// word for models; if the model is a prompt, the event has the word for prompts.
// The model's name is added to the payload.
func (t *tx) emitModel(name, entity, action string, payload map[string]any) error {
	if listeners, err := t.listeners(); err != nil || len(listeners) == 0 {
		return err
	}
	var prompt bool
	if _, err := t.row("SELECT prompt FROM registered_models WHERE name = ?", []any{name}, &prompt); err != nil {
		return err
	}
	if prompt {
		entity = promptEntities[entity]
	}
	if entity == "REGISTERED_MODEL_TAG" {
		return nil // MLflow has no event for it
	}
	payload["name"] = name
	return t.emit(entity, action, payload)
}

// listeners returns the row ids of the active webhooks by event. The writer
// remembers them until a webhook is written or a request is undone, so that
// events that nobody listens for cost nothing.
func (t *tx) listeners() (map[string][]int64, error) {
	if t.w.listeners != nil {
		return t.w.listeners, nil
	}
	found := map[string][]int64{}
	err := t.rows("SELECT w.id, j.value FROM webhooks w, json_each(w.events) j WHERE w.status = 'ACTIVE' ORDER BY w.id", func(r *sql.Rows) error {
		var id int64
		var event string
		err := r.Scan(&id, &event)
		found[event] = append(found[event], id)
		return err
	})
	if err != nil {
		return nil, err
	}
	t.w.listeners = found
	return found, nil
}

// tagMap turns tags into the map that payloads carry, without the tags that only
// mark prompts.
func tagMap(kvs []wire.KV) map[string]string {
	m := map[string]string{}
	for _, kv := range kvs {
		if !strings.HasPrefix(kv.Key, tagIsPrompt) {
			m[kv.Key] = kv.Value
		}
	}
	return m
}

// nextLetter returns the oldest undelivered row of an active webhook.
func (s *Store) nextLetter(ctx context.Context, hook int64) (l letter, found bool, err error) {
	err = s.rows(ctx, "SELECT "+webhookList+`, o.id, o.delivery_id, o.entity, o.action, o.payload, o.created, o.tries, o.next_try
		FROM outbox o JOIN webhooks w ON w.id = o.webhook WHERE o.webhook = ? AND w.status = 'ACTIVE' ORDER BY o.id LIMIT 1`, func(r *sql.Rows) error {
		found = true
		var payload string
		l.hook, err = scanWebhook(r, &l.id, &l.delivery, &l.event.Entity, &l.event.Action, &payload, &l.created, &l.tries, &l.nextTryMs)
		l.payload = json.RawMessage(payload)
		return err
	}, hook)
	return l, found, err
}

// waitingWebhooks returns the row ids of the webhooks with undelivered rows.
func (s *Store) waitingWebhooks(ctx context.Context) (ids []int64, err error) {
	err = s.rows(ctx, "SELECT DISTINCT webhook FROM outbox", func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// deleteLetter removes a row that is delivered or given up.
func (s *Store) deleteLetter(ctx context.Context, id int64) error {
	return s.write(ctx, func(t *tx) error { return t.exec("DELETE FROM outbox WHERE id = ?", id) })
}

// postponeLetter notes a try that failed and when the next one is due.
func (s *Store) postponeLetter(ctx context.Context, id int64, tries int, nextTryMs int64) error {
	return s.write(ctx, func(t *tx) error {
		return t.exec("UPDATE outbox SET tries = ?, next_try = ? WHERE id = ?", tries, nextTryMs, id)
	})
}
