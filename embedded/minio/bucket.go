package minio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"

	miniogo "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// bucket is an mlops.MultipartStore on one bucket. It talks S3 to the
// loopback port with the key of the bucket's keeper.
type bucket struct {
	unit *Unit
	name string
	key  User

	mu       sync.Mutex
	loopback string // that client is for
	client   *miniogo.Core
}

// Store is a bucket as the rest of the code sees it.
type Store interface {
	mlops.MultipartStore
	mlops.Presigner
}

// Bucket returns the store of a configured bucket. It may be called before
// the unit runs; until it is ready every operation fails with Unavailable, but
// for those that only sign.
func (u *Unit) Bucket(name string) Store {
	return &bucket{unit: u, name: name, key: keeper(name, u.cfg.RootPassword)}
}

// s3 returns the client, made when the unit has become ready.
func (b *bucket) s3() (*miniogo.Core, error) {
	loopback := b.unit.Loopback()
	if loopback == "" {
		return nil, errNotReady
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client != nil && b.loopback == loopback {
		return b.client, nil
	}
	c, err := b.dial(loopback, false, b.key)
	if err != nil {
		return nil, err
	}
	b.client, b.loopback = c, loopback
	return c, nil
}

func (b *bucket) dial(endpoint string, secure bool, key User) (*miniogo.Core, error) {
	c, err := miniogo.NewCore(endpoint, &miniogo.Options{
		Creds: credentials.NewStaticV4(key.AccessKey, key.SecretKey, ""), Secure: secure,
		Transport: loopbackTransport, Region: region, BucketLookup: miniogo.BucketLookupPath, MaxRetries: 3})
	if err != nil {
		return nil, fmt.Errorf("make S3 client for bucket %s: %w", b.name, err)
	}
	return c, nil
}

// Sizes of an upload whose length is not known: what fits peekSize goes in
// one request, the rest in parts (10,000 at most, so 160 GiB).
const (
	peekSize = 1 << 20
	partSize = 16 << 20
)

// maxWhole is the most that S3 takes in one request. A smaller upload gains
// nothing from parts, which cost a buffer each: what broke off cannot be read
// again.
const maxWhole = 5 << 30

// Put implements mlops.ObjectStore.
func (b *bucket) Put(ctx context.Context, key string, r io.Reader, size int64, contentType string) (mlops.ObjectInfo, error) {
	c, err := b.s3()
	if err != nil {
		return mlops.ObjectInfo{}, err
	}
	if err := b.unit.room(max(size, 0)); err != nil {
		return mlops.ObjectInfo{}, b.failure("put", key, err)
	}
	// The guard would refuse it too, but if the connection ends while the body
	// is sent, the answer may be lost.
	if err := checkPlace(driveOf(b.unit.cfg.Dir), b.name, key); err != nil {
		return mlops.ObjectInfo{}, b.failure("put", key, err)
	}
	opts := miniogo.PutObjectOptions{ContentType: contentType, DisableMultipart: size >= 0 && size <= maxWhole}
	if size < 0 {
		head, err := io.ReadAll(io.LimitReader(r, peekSize))
		if err != nil {
			return mlops.ObjectInfo{}, fmt.Errorf("read what to put to %s: %w", key, err)
		}
		if len(head) < peekSize {
			r, size, opts.DisableMultipart = bytes.NewReader(head), int64(len(head)), true
		} else {
			r, opts.PartSize = io.MultiReader(bytes.NewReader(head), r), partSize
		}
	}
	info, err := c.Client.PutObject(ctx, b.name, key, r, size, opts)
	if err != nil {
		return mlops.ObjectInfo{}, b.failure("put", key, err)
	}
	if contentType == "" {
		contentType = defaultType
	}
	return mlops.ObjectInfo{Key: key, Bytes: info.Size, ContentType: contentType, ETag: info.ETag, ModifiedAt: info.LastModified}, nil
}

const defaultType = "application/octet-stream"

// Get implements mlops.ObjectStore. The reader is an io.ReadSeeker.
func (b *bucket) Get(ctx context.Context, key string) (io.ReadCloser, mlops.ObjectInfo, error) {
	c, err := b.s3()
	if err != nil {
		return nil, mlops.ObjectInfo{}, err
	}
	obj, err := c.Client.GetObject(ctx, b.name, key, miniogo.GetObjectOptions{})
	if err != nil {
		return nil, mlops.ObjectInfo{}, b.failure("get", key, err)
	}
	// Nothing has been asked yet; Stat finds out whether the object is there.
	info, err := obj.Stat()
	if err != nil {
		return nil, mlops.ObjectInfo{}, errors.Join(b.failure("get", key, err), obj.Close())
	}
	return obj, objectInfo(info), nil
}

// Stat implements mlops.ObjectStore.
func (b *bucket) Stat(ctx context.Context, key string) (mlops.ObjectInfo, error) {
	c, err := b.s3()
	if err != nil {
		return mlops.ObjectInfo{}, err
	}
	info, err := c.Client.StatObject(ctx, b.name, key, miniogo.StatObjectOptions{})
	if err != nil {
		return mlops.ObjectInfo{}, b.failure("stat", key, err)
	}
	return objectInfo(info), nil
}

// List implements mlops.ObjectStore. Keys of directories, and of the markers
// that some clients leave for them, have no slash at their end.
func (b *bucket) List(ctx context.Context, prefix string, recursive bool) ([]mlops.ObjectInfo, error) {
	c, err := b.s3()
	if err != nil {
		return nil, err
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	ctx, cancel := context.WithCancel(ctx) // ends the listing if we return early
	defer cancel()
	var out []mlops.ObjectInfo
	for info := range c.Client.ListObjects(ctx, b.name, miniogo.ListObjectsOptions{Prefix: prefix, Recursive: recursive}) {
		if info.Err != nil {
			return nil, b.failure("list", prefix, info.Err)
		}
		if info.Key == prefix {
			continue // the marker of the directory itself
		}
		out = append(out, objectInfo(info))
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out, nil
}

// Delete implements mlops.ObjectStore. In a versioned bucket older versions
// stay.
func (b *bucket) Delete(ctx context.Context, key string) error {
	c, err := b.s3()
	if err != nil {
		return err
	}
	if !strings.HasSuffix(key, "/") {
		if err := c.Client.RemoveObject(ctx, b.name, key, miniogo.RemoveObjectOptions{}); err != nil {
			return b.failure("delete", key, err)
		}
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := c.Client.ListObjects(ctx, b.name, miniogo.ListObjectsOptions{Prefix: key, Recursive: true})
	removed, listErr := removeFound(ctx, c.Client, b.name, found)
	var errs []error
	for _, res := range removed {
		errs = append(errs, b.failure("delete", res.ObjectName, res.Err))
	}
	if listErr != nil {
		errs = append(errs, b.failure("list", key, listErr))
	}
	return errors.Join(errs...)
}

// removeFound removes what a listing finds. It returns what could not be removed,
// and why the listing has ended early.
func removeFound(ctx context.Context, s3 *miniogo.Client, bucket string, found <-chan miniogo.ObjectInfo) (failed []miniogo.RemoveObjectError, listErr error) {
	doomed := make(chan miniogo.ObjectInfo)
	go func() {
		defer close(doomed)
		for info := range found {
			if info.Err != nil {
				listErr = info.Err
				return
			}
			select {
			case doomed <- info:
			case <-ctx.Done():
				listErr = context.Cause(ctx)
				return
			}
		}
	}()
	for res := range s3.RemoveObjects(ctx, bucket, doomed, miniogo.RemoveObjectsOptions{}) {
		failed = append(failed, res)
	}
	return failed, listErr // doomed is closed by now, so it is settled
}

func objectInfo(i miniogo.ObjectInfo) mlops.ObjectInfo {
	dir := strings.HasSuffix(i.Key, "/")
	return mlops.ObjectInfo{Key: strings.TrimSuffix(i.Key, "/"), IsDir: dir, Bytes: i.Size, ContentType: i.ContentType,
		ETag: i.ETag, ModifiedAt: i.LastModified}
}
