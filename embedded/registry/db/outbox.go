package db

import (
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// The outbox holds what webhooks are still to be told. An event's rows are
// written in the transaction of the change itself, so after a crash both are
// there or neither is. OnLetters tells the deliverer of new rows.
type outbox struct {
	max int // undelivered rows of one webhook
	// listeners are the active webhooks by event; nil if not known. Only the
	// writer touches it.
	listeners     map[string][]int64
	wake, dropped func(webhook int64)
}

// OnLetters sets what to call when rows for a webhook are on disk, and when the
// oldest were dropped for newer ones. Call it before any event is emitted.
func (d *DB) OnLetters(wake, dropped func(webhook int64)) {
	d.outbox.wake, d.outbox.dropped = wake, dropped
}

// MaxUndelivered is how many rows one webhook may have in the outbox.
func (d *DB) MaxUndelivered() int { return d.outbox.max }

// Emit puts an event into the outbox of each active webhook that listens for
// it. It is part of the transaction: if that fails, nobody hears of the event.
func (t *Tx) Emit(entity, action string, payload any) error {
	event, ok := wire.WebhookEvent{Entity: wire.Enum(entity), Action: wire.Enum(action)}.Canonical()
	if !ok {
		return fmt.Errorf("emit: there is no event %s of %s: expected one of those in package wire", action, entity)
	}
	listeners, err := t.listeners()
	if err != nil {
		return err
	}
	hooks := listeners[event.Key()]
	if len(hooks) == 0 {
		return nil
	}
	b, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("emit %s: %w", event.Key(), err)
	}
	o := &t.w.db.outbox
	for _, hook := range hooks {
		if err := t.Exec("INSERT INTO outbox (webhook, delivery_id, entity, action, payload, created, tries, next_try) VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
			hook, NewID(), string(event.Entity), string(event.Action), string(b), t.Now, t.Now); err != nil {
			return err
		}
		dropped, err := t.Changes("DELETE FROM outbox WHERE webhook = ? AND id <= (SELECT id FROM outbox WHERE webhook = ? ORDER BY id DESC LIMIT 1 OFFSET ?)", hook, hook, o.max)
		if err != nil {
			return err
		}
		t.After(func() {
			if dropped > 0 && o.dropped != nil {
				o.dropped(hook)
			}
			if o.wake != nil {
				o.wake(hook)
			}
		})
	}
	return nil
}

// Heard reports whether any webhook listens for anything. If none does, the
// caller need not find out what an event would say.
func (t *Tx) Heard() (bool, error) {
	listeners, err := t.listeners()
	return len(listeners) > 0, err
}

// ForgetListeners must be called after each change of webhooks.
func (t *Tx) ForgetListeners() { t.w.db.outbox.listeners = nil }

// listeners returns the row ids of the active webhooks by event. The writer
// remembers them until a webhook is written or a request is undone, so that
// events that nobody listens for cost nothing.
func (t *Tx) listeners() (map[string][]int64, error) {
	o := &t.w.db.outbox
	if o.listeners != nil {
		return o.listeners, nil
	}
	found := map[string][]int64{}
	err := t.Rows("SELECT w.id, j.value FROM webhooks w, json_each(w.events) j WHERE w.status = 'ACTIVE' ORDER BY w.id", func(r *sql.Rows) error {
		var id int64
		var event string
		err := r.Scan(&id, &event)
		found[event] = append(found[event], id)
		return err
	})
	if err != nil {
		return nil, err
	}
	o.listeners = found
	return found, nil
}
