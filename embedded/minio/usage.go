package minio

import (
	"context"
	"fmt"
	"syscall"
	"time"

	miniogo "github.com/minio/minio-go/v7"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Usage is what the object store holds.
type Usage struct {
	At        time.Time     `json:"at"`
	DiskBytes int64         `json:"disk_bytes"` // of the filesystem that Dir lies on
	FreeBytes int64         `json:"free_bytes"` // that we may still use
	Buckets   []BucketUsage `json:"buckets"`
}

// BucketUsage is what a bucket holds, without old versions.
type BucketUsage struct {
	Name    string `json:"name"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
}

// usageFor is how old an answer of Usage may be. Counting lists every object.
const usageFor = 30 * time.Second

// Usage counts the objects of the configured buckets. Its answer is up to
// 30 s old, but the free space is always that of now.
func (u *Unit) Usage(ctx context.Context) (Usage, error) {
	disk, free, err := u.disk()
	if err != nil {
		return Usage{}, err
	}
	now := time.Now()
	u.mu.Lock()
	last := u.usage
	u.mu.Unlock()
	if last == nil || now.Sub(last.At) > usageFor {
		fresh := Usage{At: now}
		for _, cfg := range u.cfg.Buckets {
			b, err := u.count(ctx, cfg.Name)
			if err != nil {
				return Usage{}, err
			}
			fresh.Buckets = append(fresh.Buckets, b)
		}
		last = &fresh
		u.mu.Lock()
		u.usage = last
		u.mu.Unlock()
	}
	out := *last
	out.DiskBytes, out.FreeBytes = disk, free
	return out, nil
}

func (u *Unit) count(ctx context.Context, name string) (BucketUsage, error) {
	b := &bucket{unit: u, name: name, key: keeper(name, u.cfg.RootPassword)}
	c, err := b.s3()
	if err != nil {
		return BucketUsage{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := BucketUsage{Name: name}
	for info := range c.Client.ListObjects(ctx, name, miniogo.ListObjectsOptions{Recursive: true}) {
		if info.Err != nil {
			return BucketUsage{}, b.failure("count", "", info.Err)
		}
		out.Objects++
		out.Bytes += info.Size
	}
	return out, nil
}

// disk returns the size of the filesystem that holds the objects, and what of
// it is free, in bytes.
func (u *Unit) disk() (size, free int64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(u.cfg.Dir, &fs); err != nil {
		return 0, 0, fmt.Errorf("read free space of %s: %w", u.cfg.Dir, err)
	}
	return int64(fs.Blocks) * fs.Bsize, int64(fs.Bavail) * fs.Bsize, nil
}

// The last part of the disk is for those who cannot do without: the registry,
// Kubernetes, and deleting objects.
const (
	reserveShare = 100 // one hundredth of the disk
	reserveMin   = 16 << 20
	reserveMax   = 512 << 20
)

// room refuses to write n more bytes when they would eat up the reserve.
// MinIO alone would take the disk's last byte and then speak of an internal
// error, which clients repeat.
func (u *Unit) room(n int64) error {
	size, free, err := u.disk()
	if err != nil {
		return err
	}
	if free-n < min(max(size/reserveShare, reserveMin), reserveMax) {
		return mlops.Errorf(mlops.Unavailable, "the disk is full: %d MiB of %d MiB are free; free some space, or delete objects", free>>20, size>>20)
	}
	return nil
}
