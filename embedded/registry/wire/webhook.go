package wire

// Webhook is an address that is told of changes in the model registry.
type Webhook struct {
	WebhookID   string         `json:"webhook_id"`
	Name        string         `json:"name"`
	Description string         `json:"description,omitempty"`
	URL         string         `json:"url"`
	Events      []WebhookEvent `json:"events"`
	Status      string         `json:"status"`
	Created     int64          `json:"creation_timestamp"`
	Updated     int64          `json:"last_updated_timestamp"`
	Secret      string         `json:"-"` // never leaves the server
}

// WebhookEvent is an event that a webhook listens to.
type WebhookEvent struct {
	Entity Enum `json:"entity"`
	Action Enum `json:"action"`
}

// The entities and actions by number, from 0 on.
var (
	WebhookEntities = []string{"ENTITY_UNSPECIFIED", "REGISTERED_MODEL", "MODEL_VERSION", "MODEL_VERSION_TAG", "MODEL_VERSION_ALIAS", "PROMPT", "PROMPT_VERSION", "PROMPT_TAG", "PROMPT_VERSION_TAG", "PROMPT_ALIAS"}
	WebhookActions  = []string{"ACTION_UNSPECIFIED", "CREATED", "UPDATED", "DELETED", "SET"}
)

// webhookEvents says which actions each entity has.
var webhookEvents = map[string][]string{
	"REGISTERED_MODEL": {"CREATED"}, "MODEL_VERSION": {"CREATED"}, "MODEL_VERSION_TAG": {"SET", "DELETED"}, "MODEL_VERSION_ALIAS": {"CREATED", "DELETED"},
	"PROMPT": {"CREATED"}, "PROMPT_VERSION": {"CREATED"}, "PROMPT_TAG": {"SET", "DELETED"}, "PROMPT_VERSION_TAG": {"SET", "DELETED"}, "PROMPT_ALIAS": {"CREATED", "DELETED"},
}

// Canonical returns the event with names for numbers; ok is false if nothing
// ever happens that it would stand for.
func (e WebhookEvent) Canonical() (_ WebhookEvent, ok bool) {
	e.Entity, e.Action = Enum(e.Entity.Name(0, WebhookEntities...)), Enum(e.Action.Name(0, WebhookActions...))
	for _, a := range webhookEvents[string(e.Entity)] {
		ok = ok || a == string(e.Action)
	}
	return e, ok
}

// Key is the event as one word.
func (e WebhookEvent) Key() string { return string(e.Entity) + "." + string(e.Action) }
