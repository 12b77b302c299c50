package mlops

import (
	"context"
	"io"
	"time"
)

// ObjectInfo describes a stored object.
type ObjectInfo struct {
	Key         string // slash separated, without a leading slash
	IsDir       bool   // only in listings that are not recursive
	Bytes       int64
	ContentType string
	ETag        string
	ModifiedAt  time.Time
}

// ObjectStore is a bucket of an object store (or a directory that behaves
// like one). Errors carry NotFound, Invalid or Unavailable.
type ObjectStore interface {
	// Put streams r to key; size is -1 if unknown. The object is there
	// whole or not at all.
	Put(ctx context.Context, key string, r io.Reader, size int64, contentType string) (ObjectInfo, error)
	// Get opens the object for reading. The caller closes it. The reader may
	// also be an io.ReadSeeker, then ranges can be served from it.
	Get(ctx context.Context, key string) (io.ReadCloser, ObjectInfo, error)
	Stat(ctx context.Context, key string) (ObjectInfo, error)
	// List returns what lies below prefix (a directory, "" for the root),
	// sorted by key; one level with directories, or everything if recursive.
	List(ctx context.Context, prefix string, recursive bool) ([]ObjectInfo, error)
	// Delete removes the object, or everything below it if key ends in "/".
	// Deleting what is not there is no error.
	Delete(ctx context.Context, key string) error
}

// MultipartStore is an ObjectStore that takes uploads in parts straight from
// the client, through presigned URLs.
type MultipartStore interface {
	ObjectStore
	// CreateMultipart starts an upload of n parts and returns its id and one
	// presigned PUT URL per part.
	CreateMultipart(ctx context.Context, key string, n int) (uploadID string, urls []string, err error)
	// CompleteMultipart ends it; etags are in part order.
	CompleteMultipart(ctx context.Context, key, uploadID string, etags []string) error
	AbortMultipart(ctx context.Context, key, uploadID string) error
}
