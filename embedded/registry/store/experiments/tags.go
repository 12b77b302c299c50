package experiments

import (
	"context"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// SetExperimentTag sets a tag of an active experiment.
func (s *Store) SetExperimentTag(ctx context.Context, id string, tag wire.KV) error {
	if err := validateTag(tag); err != nil {
		return err
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		n, err := LookUp(t, id, true)
		if err != nil {
			return err
		}
		if err := t.Exec("INSERT INTO experiment_tags (exp, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", n, tag.Key, tag.Value); err != nil {
			return err
		}
		return t.Exec("UPDATE experiments SET updated = ? WHERE id = ?", t.Now, n)
	})
}

// DeleteExperimentTag removes a tag of an active experiment.
func (s *Store) DeleteExperimentTag(ctx context.Context, id, key string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		n, err := LookUp(t, id, true)
		if err != nil {
			return err
		}
		if c, err := t.Changes("DELETE FROM experiment_tags WHERE exp = ? AND key = ?", n, key); err != nil {
			return err
		} else if c == 0 {
			return mlops.Errorf(mlops.NotFound, "experiment %s has no tag %q", id, wire.Head(key))
		}
		return t.Exec("UPDATE experiments SET updated = ? WHERE id = ?", t.Now, n)
	})
}
