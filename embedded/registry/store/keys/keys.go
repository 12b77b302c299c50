// Package keys keeps access keys.
package keys

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Store keeps access keys.
type Store struct{ db *db.DB }

// New returns the access keys of a database.
func New(d *db.DB) *Store { return &Store{d} }

// CreateKey adds an access key and returns it with its id.
func (s *Store) CreateKey(ctx context.Context, k mlops.Key) (mlops.Key, error) {
	buckets, err := json.Marshal(k.Buckets)
	if err != nil {
		return mlops.Key{}, fmt.Errorf("encode the buckets of key %s: %w", k.Name, err)
	}
	projects, err := projectsText(k.Projects)
	if err != nil {
		return mlops.Key{}, err
	}
	err = s.db.Write(ctx, func(t *db.Tx) error {
		found, err := t.Row("SELECT 1 FROM keys WHERE name = ?", []any{k.Name}, new(int))
		if err == nil && found {
			err = mlops.Errorf(mlops.Exists, "a key named %q exists already: revoke it first, or choose another name", k.Name)
		}
		if err != nil {
			return err
		}
		k.ID, err = t.Insert("INSERT INTO keys (name, role, buckets, projects, room, salt, created, expires, last_used) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
			k.Name, string(k.Role), string(buckets), projects, k.Room, k.Salt, k.CreatedAt.UnixMilli(), db.MsOf(k.ExpiresAt))
		return err
	})
	return k, err
}

// Keys returns all access keys by name.
func (s *Store) Keys(ctx context.Context) (out []mlops.Key, err error) {
	err = s.db.Rows(ctx, "SELECT id, name, role, buckets, projects, room, salt, created, expires, last_used FROM keys ORDER BY name", func(r *sql.Rows) error {
		var k mlops.Key
		var buckets, projects string
		var created, expires, used int64
		if err := r.Scan(&k.ID, &k.Name, &k.Role, &buckets, &projects, &k.Room, &k.Salt, &created, &expires, &used); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(buckets), &k.Buckets); err != nil {
			return fmt.Errorf("decode the buckets of key %s: %w", k.Name, err)
		}
		if projects != noProjects {
			if err := json.Unmarshal([]byte(projects), &k.Projects); err != nil {
				return fmt.Errorf("decode the projects of key %s: %w", k.Name, err)
			}
		}
		k.CreatedAt, k.ExpiresAt, k.LastUsedAt = time.UnixMilli(created), db.TimeOf(expires), db.TimeOf(used)
		out = append(out, k)
		return nil
	})
	return out, err
}

// noProjects is how a row says that a key is not limited.
const noProjects = "[]"

// projectsText is how a row keeps projects.
func projectsText(projects []string) (string, error) {
	if len(projects) == 0 {
		return noProjects, nil
	}
	b, err := json.Marshal(projects)
	return string(b), err
}

// LimitKey limits a key to these projects.
func (s *Store) LimitKey(ctx context.Context, id int64, projects []string) error {
	text, err := projectsText(projects)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(t *db.Tx) error {
		n, err := t.Changes("UPDATE keys SET projects = ? WHERE id = ?", text, id)
		if err == nil && n == 0 {
			return mlops.Errorf(mlops.NotFound, "there is no key with id %d", id)
		}
		return err
	})
}

// DeleteKey removes an access key for good.
func (s *Store) DeleteKey(ctx context.Context, name string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		n, err := t.Changes("DELETE FROM keys WHERE name = ?", name)
		if err == nil && n == 0 {
			return mlops.Errorf(mlops.NotFound, "there is no key %q: see `benchtop keys`", wire.Head(name))
		}
		return err
	})
}

// KeyUsed notes when a key was used, unless the key is gone.
func (s *Store) KeyUsed(ctx context.Context, id int64, at time.Time) error {
	return s.db.Write(ctx, func(t *db.Tx) error { return t.Exec("UPDATE keys SET last_used = ? WHERE id = ?", at.UnixMilli(), id) })
}
