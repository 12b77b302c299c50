package db

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// fileLock keeps a second process away from the database. The writer keeps
// rows in memory, which is only right while nobody else writes.
type fileLock struct{ f *os.File }

func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock registry: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, mlops.Errorf(mlops.InvalidState, "another process has the registry open (%s is locked): stop it first", path)
		}
		return nil, fmt.Errorf("lock registry %s: %w", path, err)
	}
	return &fileLock{f}, nil
}

func (l *fileLock) release() error {
	if l == nil || l.f == nil {
		return nil
	}
	return l.f.Close() // closing drops the lock
}
