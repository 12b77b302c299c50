// Package datasets keeps the versions of datasets that projects train on.
package datasets

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// Store keeps datasets.
type Store struct{ db *db.DB }

// New returns the datasets of a database.
func New(d *db.DB) *Store { return &Store{d} }

// PutDataset records a version of a dataset. Bytes that are known already
// (same name, same digest) are not a new version: the existing one is returned.
func (s *Store) PutDataset(ctx context.Context, d mlops.Dataset) (mlops.Dataset, error) {
	if err := d.Validate(); err != nil {
		return mlops.Dataset{}, err
	}
	classes, err := json.Marshal(d.Classes)
	if err != nil {
		return mlops.Dataset{}, err
	}
	err = s.db.Write(ctx, func(t *db.Tx) error {
		var id int64
		if found, err := t.Row("SELECT id FROM datasets WHERE name = ? AND sha256 = ?", []any{d.Name, d.SHA256}, &id); err != nil || found {
			return err
		}
		return t.Exec(`INSERT INTO datasets (name, version, sha256, bucket, key, bytes, rows, features, classes, source, created)
			VALUES (?1, (SELECT coalesce(max(version), 0) + 1 FROM datasets WHERE name = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`,
			d.Name, d.SHA256, d.Bucket, d.Key, d.Bytes, d.Rows, d.Features, string(classes), d.Source, t.Now)
	})
	if err != nil {
		return mlops.Dataset{}, err
	}
	out, err := s.datasets(ctx, "WHERE name = ? AND sha256 = ?", d.Name, d.SHA256)
	if err != nil {
		return mlops.Dataset{}, err
	}
	return out[0], nil
}

// Dataset returns the newest version of a dataset.
func (s *Store) Dataset(ctx context.Context, name string) (mlops.Dataset, error) {
	out, err := s.datasets(ctx, "WHERE name = ? ORDER BY version DESC LIMIT 1", name)
	if err != nil {
		return mlops.Dataset{}, err
	}
	if len(out) == 0 {
		return mlops.Dataset{}, mlops.Errorf(mlops.NotFound, "there is no dataset %q", wire.Head(name))
	}
	return out[0], nil
}

// Datasets returns all versions of all datasets, by name, the newest first.
func (s *Store) Datasets(ctx context.Context) ([]mlops.Dataset, error) {
	return s.datasets(ctx, "ORDER BY name, version DESC")
}

// DatasetByDigest returns the dataset version with these bytes, whatever its name.
func (s *Store) DatasetByDigest(ctx context.Context, sha256 string) (mlops.Dataset, bool, error) {
	out, err := s.datasets(ctx, "WHERE sha256 = ? ORDER BY id LIMIT 1", sha256)
	if err != nil || len(out) == 0 {
		return mlops.Dataset{}, false, err
	}
	return out[0], true, nil
}

// DatasetLike returns the newest dataset version whose digest begins with what
// a run has logged of it.
func (s *Store) DatasetLike(ctx context.Context, digest string) (mlops.Dataset, bool, error) {
	if len(digest) < mlops.LoggedDigestLength {
		return mlops.Dataset{}, false, nil // too little to say that it is the same
	}
	out, err := s.datasets(ctx, "WHERE substr(sha256, 1, ?) = ? ORDER BY id DESC LIMIT 1", len(digest), digest)
	if err != nil || len(out) == 0 {
		return mlops.Dataset{}, false, err
	}
	return out[0], true, nil
}

func (s *Store) datasets(ctx context.Context, where string, args ...any) (out []mlops.Dataset, err error) {
	err = s.db.Rows(ctx, "SELECT id, name, version, sha256, bucket, key, bytes, rows, features, classes, source, created FROM datasets "+where, func(r *sql.Rows) error {
		var d mlops.Dataset
		var classes string
		var created int64
		if err := r.Scan(&d.ID, &d.Name, &d.Version, &d.SHA256, &d.Bucket, &d.Key, &d.Bytes, &d.Rows, &d.Features, &classes, &d.Source, &created); err != nil {
			return err
		}
		d.CreatedAt = time.UnixMilli(created)
		out = append(out, d)
		return json.Unmarshal([]byte(classes), &out[len(out)-1].Classes)
	}, args...)
	return out, err
}
