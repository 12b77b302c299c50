package mlops

import (
	"context"
	"io"
	"time"
)

// ObjectInfo describes a stored object.
type ObjectInfo struct {
	Key         string // slash separated, without a leading slash
	IsDir       bool
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
	// sorted by key; one level with directories, or everything if recursive:
	// then directories are only those that clients have left markers for.
	List(ctx context.Context, prefix string, recursive bool) ([]ObjectInfo, error)
	// Delete removes the object, or everything below it if key ends in "/".
	// Deleting what is not there is no error.
	Delete(ctx context.Context, key string) error
}

// MultipartStore is an ObjectStore that takes uploads in parts.
type MultipartStore interface {
	ObjectStore
	// CreateMultipart starts an upload and returns its id.
	CreateMultipart(ctx context.Context, key string) (uploadID string, err error)
	// PutPart streams part n, which counts from 1, and returns its ETag.
	PutPart(ctx context.Context, key, uploadID string, n int, r io.Reader, size int64) (etag string, err error)
	// PartURLs returns presigned addresses that clients can put n parts to by
	// themselves, nil if they cannot be expected to reach the store.
	PartURLs(ctx context.Context, key, uploadID string, n int, valid time.Duration) ([]string, error)
	// CompleteMultipart ends the upload; etags are in part order.
	CompleteMultipart(ctx context.Context, key, uploadID string, etags []string) error
	// AbortMultipart gives the upload up and returns how much it held.
	AbortMultipart(ctx context.Context, key, uploadID string) (bytes int64, err error)
	// Uploads returns the uploads below prefix (a directory) that are neither
	// completed nor aborted, as far as the store knows.
	Uploads(ctx context.Context, prefix string) ([]Upload, error)
}

// Presigner hands out addresses of a bucket's objects to pods that have no key.
// Each is good for one object, one method and some time, at most seven days. Where
// pods cannot be expected to reach the store, or the bucket is not made for it, the
// error is InvalidState.
type Presigner interface {
	// PresignGet returns an address that gets the object, if it is there then.
	PresignGet(ctx context.Context, key string, valid time.Duration) (string, error)
	// PresignPut returns an address that puts the object, as often as it is used.
	PresignPut(ctx context.Context, key string, valid time.Duration) (string, error)
}

// Upload is an upload in parts that is under way, or was given up.
type Upload struct{ Key, ID string }
