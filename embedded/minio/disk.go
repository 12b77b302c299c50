package minio

import (
	"fmt"
	"syscall"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// disk returns the size of the filesystem that holds the objects, and how much
// of it is free, in bytes.
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

// room refuses to write n more bytes if that would use up the reserve. MinIO
// alone would take the disk's last byte and then report an internal error,
// which clients repeat.
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
