package models

import (
	"context"

	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// SetModelVersionTag sets a tag of a version.
func (s *Store) SetModelVersionTag(ctx context.Context, name, version string, kv wire.KV) error {
	if err := validateRegistryTag(kv); err != nil {
		return err
	}
	return s.changeVersion(ctx, name, version, func(t *db.Tx, id int64) error {
		if err := t.Exec("INSERT INTO model_version_tags (version, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", id, kv.Key, kv.Value); err != nil {
			return err
		}
		return emit(t, name, "MODEL_VERSION_TAG", "SET", map[string]any{"version": version, "key": kv.Key, "value": kv.Value})
	})
}

// DeleteModelVersionTag removes a tag, if the version has it.
func (s *Store) DeleteModelVersionTag(ctx context.Context, name, version, key string) error {
	if err := validateRegistryTag(wire.KV{Key: key}); err != nil {
		return err
	}
	return s.changeVersion(ctx, name, version, func(t *db.Tx, id int64) error {
		if err := t.Exec("DELETE FROM model_version_tags WHERE version = ? AND key = ?", id, key); err != nil {
			return err
		}
		return emit(t, name, "MODEL_VERSION_TAG", "DELETED", map[string]any{"version": version, "key": key})
	})
}
