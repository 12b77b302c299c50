package artifacts

import (
	"context"
	"database/sql"
	"io"
	"time"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/embedded/registry/db"
	"github.com/benchtop-lab/benchtop/embedded/registry/wire"
)

// uploadFor is how long a client may take to put the parts of an upload.
const uploadFor = 12 * time.Hour

// maxPart is S3's limit.
const maxPart = 5 << 30

// noMultipart tells clients to upload a file whole. They compare the beginning
// of the message, and give up at any other.
const noMultipart = "Multipart upload is not supported for the current artifact repository"

// Upload is an upload in parts that a client has begun.
type Upload struct {
	ID string // a secret: whoever knows it may put parts
	// URLs are where the client puts the parts itself, if it should reach the
	// object store; otherwise they go through this server, to PutPart.
	URLs []string
}

type uploadRow struct {
	id, key, storeID string
	parts            int
}

func (s *Store) multipart() (mlops.MultipartStore, error) {
	objects, err := s.ArtifactStore()
	if err != nil {
		return nil, err
	}
	m, ok := objects.(mlops.MultipartStore)
	if !ok {
		return nil, mlops.Errorf(mlops.NotSupported, noMultipart+": it is a directory, upload files whole")
	}
	return m, nil
}

// BeginUpload begins an upload of a file in n parts.
func (s *Store) BeginUpload(ctx context.Context, key string, n int) (Upload, error) {
	objects, err := s.multipart()
	if err != nil {
		return Upload{}, err
	}
	storeID, err := objects.CreateMultipart(ctx, key)
	if err != nil {
		return Upload{}, err
	}
	u := Upload{ID: db.NewID()}
	if u.URLs, err = objects.PartURLs(ctx, key, storeID, n, uploadFor); err != nil {
		return Upload{}, err
	}
	return u, s.db.Write(ctx, func(t *db.Tx) error {
		return t.Exec("INSERT INTO uploads (id, key, store_id, parts, created) VALUES (?, ?, ?, ?, ?)", u.ID, key, storeID, n, t.Now)
	})
}

// upload finds an upload by what its client knows of it.
func (s *Store) upload(ctx context.Context, id string) (u uploadRow, err error) {
	found, err := s.db.Row(ctx, "SELECT id, key, store_id, parts FROM uploads WHERE id = ? AND created > ?", []any{id, s.db.NowMs() - uploadFor.Milliseconds()}, &u.id, &u.key, &u.storeID, &u.parts)
	if err == nil && !found {
		err = mlops.Errorf(mlops.NotFound, "there is no such upload: it is complete, was given up, or is older than %d hours; begin it again", int(uploadFor.Hours()))
	}
	return u, err
}

// PutPart streams part n of an upload to the object store and returns its ETag.
func (s *Store) PutPart(ctx context.Context, id string, n int, r io.Reader, size int64) (string, error) {
	u, err := s.upload(ctx, id)
	switch {
	case err != nil:
		return "", err
	case n < 1 || n > u.parts:
		return "", mlops.Errorf(mlops.Invalid, "there is no part %d: this upload has parts 1 to %d", n, u.parts)
	case size < 0:
		return "", mlops.Errorf(mlops.BadRequest, "the size of the part is missing: send Content-Length")
	case size > maxPart:
		return "", mlops.Errorf(mlops.Invalid, "the part has %d bytes, at most %d are allowed", size, int64(maxPart))
	}
	objects, err := s.multipart()
	if err != nil {
		return "", err
	}
	return objects.PutPart(ctx, u.key, u.storeID, n, r, size)
}

// CompleteUpload makes a file of the parts, whose ETags are in their order.
func (s *Store) CompleteUpload(ctx context.Context, id, key string, etags []string) error {
	return s.endUpload(ctx, id, key, func(o mlops.MultipartStore, u uploadRow) error {
		return o.CompleteMultipart(ctx, key, u.storeID, etags)
	})
}

// AbortUpload gives an upload up.
func (s *Store) AbortUpload(ctx context.Context, id, key string) error {
	return s.endUpload(ctx, id, key, func(o mlops.MultipartStore, u uploadRow) error {
		_, err := o.AbortMultipart(ctx, key, u.storeID)
		return err
	})
}

func (s *Store) endUpload(ctx context.Context, id, key string, end func(mlops.MultipartStore, uploadRow) error) error {
	objects, err := s.multipart()
	if err != nil {
		return err
	}
	u, err := s.upload(ctx, id)
	if err != nil {
		return err
	}
	if u.key != key {
		return mlops.Errorf(mlops.Invalid, "this upload is for %q, not for %q", wire.Head(u.key), wire.Head(key))
	}
	if err := end(objects, u); err != nil {
		return err
	}
	return s.forgetUploads(ctx, u.storeID)
}

func (s *Store) forgetUploads(ctx context.Context, storeIDs ...string) error {
	return s.db.Write(ctx, func(t *db.Tx) error {
		for _, id := range storeIDs {
			if err := t.Exec("DELETE FROM uploads WHERE store_id = ?", id); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropUploads gives up the unfinished uploads below root. With an empty root it
// gives up those that took too long: their clients cannot go on.
func (s *Store) dropUploads(ctx context.Context, objects mlops.ObjectStore, root string, rep *GCReport) error {
	multi, ok := objects.(mlops.MultipartStore)
	if !ok {
		return nil
	}
	doomed := map[string]string{}                                                                               // keys by the store's ids
	query, args := "SELECT key, store_id FROM uploads WHERE key > ? AND key < ?", []any{root + "/", root + "0"} // '0' follows '/'
	if root == "" {
		query, args = "SELECT key, store_id FROM uploads WHERE created <= ?", []any{s.db.NowMs() - uploadFor.Milliseconds()}
	} else {
		// Clients of S3 begin uploads without telling us.
		found, err := multi.Uploads(ctx, root)
		if err != nil {
			return err
		}
		for _, u := range found {
			doomed[u.ID] = u.Key
		}
	}
	if err := s.db.Rows(ctx, query, func(r *sql.Rows) error {
		var key, id string
		err := r.Scan(&key, &id)
		doomed[id] = key
		return err
	}, args...); err != nil {
		return err
	}
	for id, key := range doomed {
		n, err := multi.AbortMultipart(ctx, key, id)
		switch {
		case err == nil:
			rep.Uploads, rep.Bytes = rep.Uploads+1, rep.Bytes+n
		case mlops.CodeOf(err) != mlops.NotFound: // the object store gives old ones up by itself
			return err
		}
		if err := s.forgetUploads(ctx, id); err != nil {
			return err
		}
	}
	return nil
}
