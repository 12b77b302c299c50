package store

import (
	"context"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// SetRegisteredModelTag sets a tag of a model.
func (s *Store) SetRegisteredModelTag(ctx context.Context, name string, kv wire.KV) error {
	if err := validateRegistryTag(kv); err != nil {
		return err
	}
	return s.changeModel(ctx, name, func(t *tx, id int64) error {
		return t.exec("INSERT INTO registered_model_tags (model, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", id, kv.Key, kv.Value)
	})
}

// DeleteRegisteredModelTag removes a tag; one that is not there is no error.
func (s *Store) DeleteRegisteredModelTag(ctx context.Context, name, key string) error {
	if err := validateRegistryTag(wire.KV{Key: key}); err != nil {
		return err
	}
	return s.changeModel(ctx, name, func(t *tx, id int64) error {
		return t.exec("DELETE FROM registered_model_tags WHERE model = ? AND key = ?", id, key)
	})
}

// SetAlias points an alias at a version.
func (s *Store) SetAlias(ctx context.Context, name, alias, version string) error {
	if err := mlops.ValidateAlias(alias); err != nil {
		return err
	}
	return s.changeModel(ctx, name, func(t *tx, _ int64) error { return t.setAlias(name, alias, version) })
}

func (t *tx) setAlias(name, alias, version string) error {
	id, err := t.modelID(name)
	if err != nil {
		return err
	}
	v, _, err := t.version(name, version)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO model_aliases (model, alias, version) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version", id, alias, v)
}

// DeleteAlias removes an alias; one that is not there is no error.
func (s *Store) DeleteAlias(ctx context.Context, name, alias string) error {
	if err := mlops.ValidateAlias(alias); err != nil {
		return err
	}
	return s.changeModel(ctx, name, func(t *tx, id int64) error {
		return t.exec("DELETE FROM model_aliases WHERE model = ? AND alias = ?", id, alias)
	})
}
