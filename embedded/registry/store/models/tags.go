package models

import (
	"context"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// SetRegisteredModelTag sets a tag of a model.
func (s *Store) SetRegisteredModelTag(ctx context.Context, name string, kv wire.KV) error {
	if err := validateRegistryTag(kv); err != nil {
		return err
	}
	return s.changeModel(ctx, name, func(t *db.Tx, id int64) error {
		if err := t.Exec("INSERT INTO registered_model_tags (model, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", id, kv.Key, kv.Value); err != nil {
			return err
		}
		return emit(t, name, "REGISTERED_MODEL_TAG", "SET", map[string]any{"key": kv.Key, "value": kv.Value})
	})
}

// DeleteRegisteredModelTag removes a tag, if the model has it.
func (s *Store) DeleteRegisteredModelTag(ctx context.Context, name, key string) error {
	if err := validateRegistryTag(wire.KV{Key: key}); err != nil {
		return err
	}
	return s.changeModel(ctx, name, func(t *db.Tx, id int64) error {
		if err := t.Exec("DELETE FROM registered_model_tags WHERE model = ? AND key = ?", id, key); err != nil {
			return err
		}
		return emit(t, name, "REGISTERED_MODEL_TAG", "DELETED", map[string]any{"key": key})
	})
}

// SetAlias points an alias at a version and tells webhooks of it. Every change
// of an alias, also from a page, must come through here or through the function
// SetAlias.
func (s *Store) SetAlias(ctx context.Context, name, alias, version string) error {
	return s.db.Write(ctx, func(t *db.Tx) error { return SetAlias(t, name, alias, version) })
}

// SetAlias is Store.SetAlias as part of a larger transaction.
func SetAlias(t *db.Tx, name, alias, version string) error {
	if err := mlops.ValidateAlias(alias); err != nil {
		return err
	}
	id, err := touchModel(t, name)
	if err != nil {
		return err
	}
	v, _, err := findVersion(t, name, version)
	if err != nil {
		return err
	}
	if err := t.Exec("INSERT INTO model_aliases (model, alias, version) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version", id, alias, v); err != nil {
		return err
	}
	return emit(t, name, "MODEL_VERSION_ALIAS", "CREATED", map[string]any{"alias": alias, "version": version})
}

// DeleteAlias removes an alias, if there is one, and tells webhooks of it.
func (s *Store) DeleteAlias(ctx context.Context, name, alias string) error {
	return s.db.Write(ctx, func(t *db.Tx) error { return deleteAlias(t, name, alias) })
}

// deleteAlias is Store.DeleteAlias as part of a larger transaction.
func deleteAlias(t *db.Tx, name, alias string) error {
	if err := mlops.ValidateAlias(alias); err != nil {
		return err
	}
	id, err := touchModel(t, name)
	if err != nil {
		return err
	}
	if err := t.Exec("DELETE FROM model_aliases WHERE model = ? AND alias = ?", id, alias); err != nil {
		return err
	}
	return emit(t, name, "MODEL_VERSION_ALIAS", "DELETED", map[string]any{"alias": alias})
}
