package models

import (
	"strings"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// promptEntities maps the entities of events about models to those of events
// about prompts.
var promptEntities = map[string]string{"REGISTERED_MODEL": "PROMPT", "REGISTERED_MODEL_TAG": "PROMPT_TAG", "MODEL_VERSION": "PROMPT_VERSION",
	"MODEL_VERSION_TAG": "PROMPT_VERSION_TAG", "MODEL_VERSION_ALIAS": "PROMPT_ALIAS"}

// emit emits an event about a registered model or a prompt. entity is the
// word for models; if the model is a prompt, the event has the word for prompts.
// The model's name is added to the payload.
func emit(t *db.Tx, name, entity, action string, payload map[string]any) error {
	if heard, err := t.Heard(); err != nil || !heard {
		return err
	}
	var prompt bool
	if _, err := t.Row("SELECT prompt FROM registered_models WHERE name = ?", []any{name}, &prompt); err != nil {
		return err
	}
	if prompt {
		entity = promptEntities[entity]
	}
	if entity == "REGISTERED_MODEL_TAG" {
		return nil // MLflow has no event for it
	}
	payload["name"] = name
	return t.Emit(entity, action, payload)
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
