package webhooks

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

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

// nextLetter returns the oldest undelivered row of an active webhook.
func (s *Store) nextLetter(ctx context.Context, hook int64) (l letter, found bool, err error) {
	err = s.db.Rows(ctx, "SELECT "+list+`, o.id, o.delivery_id, o.entity, o.action, o.payload, o.created, o.tries, o.next_try
		FROM outbox o JOIN webhooks w ON w.id = o.webhook WHERE o.webhook = ? AND w.status = 'ACTIVE' ORDER BY o.id LIMIT 1`, func(r *sql.Rows) error {
		found = true
		var payload string
		l.hook, err = scan(r, &l.id, &l.delivery, &l.event.Entity, &l.event.Action, &payload, &l.created, &l.tries, &l.nextTryMs)
		l.payload = json.RawMessage(payload)
		return err
	}, hook)
	return l, found, err
}

// waitingWebhooks returns the row ids of the webhooks with undelivered rows.
func (s *Store) waitingWebhooks(ctx context.Context) (ids []int64, err error) {
	err = s.db.Rows(ctx, "SELECT DISTINCT webhook FROM outbox", func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// deleteLetter removes a row that is delivered or given up.
func (s *Store) deleteLetter(ctx context.Context, id int64) error {
	return s.db.Write(ctx, func(t *db.Tx) error { return t.Exec("DELETE FROM outbox WHERE id = ?", id) })
}

// postponeLetter notes a try that failed and when the next one is due.
func (s *Store) postponeLetter(ctx context.Context, id int64, tries int, nextTryMs int64) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		return t.Exec("UPDATE outbox SET tries = ?, next_try = ? WHERE id = ?", tries, nextTryMs, id)
	})
}
