package mlflow

import (
	"context"

	"github.com/benchtop-lab/benchtop/embedded/registry/store/webhooks"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

type webhookReq struct {
	ID          string              `path:"webhook_id"`
	Name        *string             `json:"name"`
	Description *string             `json:"description"`
	URL         *string             `json:"url"`
	Events      []wire.WebhookEvent `json:"events"`
	Secret      *string             `json:"secret"`
	Status      *wire.Enum          `json:"status"`
}

func (q *webhookReq) change() webhooks.WebhookChange {
	c := webhooks.WebhookChange{Name: q.Name, Description: q.Description, URL: q.URL, Secret: q.Secret, Events: q.Events}
	if q.Status != nil {
		s := q.Status.Name(1, "ACTIVE", "DISABLED")
		c.Status = &s
	}
	return c
}

func webhookAnswer(w wire.Webhook, err error) (any, error) {
	return map[string]any{"webhook": w}, err
}

// webhooks registers the calls. All of them need the right to write: only
// writers may see which addresses are told of changes.
func (s *server) webhooks() {
	type ref struct {
		ID string `path:"webhook_id"`
	}
	write(s, "POST webhooks", func(ctx context.Context, q *struct {
		Name        *string             `json:"name" req:"true"`
		Description *string             `json:"description"`
		URL         *string             `json:"url" req:"true"`
		Events      []wire.WebhookEvent `json:"events" req:"true"`
		Secret      *string             `json:"secret"`
		Status      *wire.Enum          `json:"status"`
	}) (any, error) {
		r := webhookReq{Name: q.Name, Description: q.Description, URL: q.URL, Events: q.Events, Secret: q.Secret, Status: q.Status}
		return webhookAnswer(s.store.Webhooks.CreateWebhook(ctx, r.change()))
	})
	write(s, "GET webhooks", func(ctx context.Context, q *pageReq) (any, error) {
		n, err := pageSize(q.MaxResults, 100, 1000)
		if err != nil {
			return nil, err
		}
		ws, next, err := s.store.Webhooks.Webhooks(ctx, n, q.PageToken)
		return struct {
			W    []wire.Webhook `json:"webhooks,omitempty"`
			Next string         `json:"next_page_token,omitempty"`
		}{ws, next}, err
	})
	write(s, "GET webhooks/{webhook_id}", func(ctx context.Context, q *ref) (any, error) {
		return webhookAnswer(s.store.Webhooks.Webhook(ctx, q.ID))
	})
	write(s, "PATCH webhooks/{webhook_id}", func(ctx context.Context, q *webhookReq) (any, error) {
		return webhookAnswer(s.store.Webhooks.UpdateWebhook(ctx, q.ID, q.change()))
	})
	write(s, "DELETE webhooks/{webhook_id}", func(ctx context.Context, q *ref) (any, error) {
		return nil, s.store.Webhooks.DeleteWebhook(ctx, q.ID)
	})
	write(s, "POST webhooks/{webhook_id}/test", func(ctx context.Context, q *struct {
		ID    string             `path:"webhook_id"`
		Event *wire.WebhookEvent `json:"event"`
	}) (any, error) {
		t, err := s.store.Webhooks.TestWebhook(ctx, q.ID, q.Event)
		return map[string]any{"result": t}, err
	})
}
