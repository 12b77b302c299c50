package store

import (
	"context"

	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// SetExperimentTag sets a tag of an active experiment.
func (s *Store) SetExperimentTag(ctx context.Context, id string, tag wire.KV) error {
	if err := validateExperimentTag(tag); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		n, err := t.lookUpExperiment(id, true)
		if err != nil {
			return err
		}
		if err := t.exec("INSERT INTO experiment_tags (exp, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", n, tag.Key, tag.Value); err != nil {
			return err
		}
		return t.exec("UPDATE experiments SET updated = ? WHERE id = ?", t.now, n)
	})
}

// DeleteExperimentTag removes a tag of an active experiment.
func (s *Store) DeleteExperimentTag(ctx context.Context, id, key string) error {
	return s.write(ctx, func(t *tx) error {
		n, err := t.lookUpExperiment(id, true)
		if err != nil {
			return err
		}
		if c, err := t.changes("DELETE FROM experiment_tags WHERE exp = ? AND key = ?", n, key); err != nil {
			return err
		} else if c == 0 {
			return notFound("experiment %s has no tag %q", id, head(key))
		}
		return t.exec("UPDATE experiments SET updated = ? WHERE id = ?", t.now, n)
	})
}
