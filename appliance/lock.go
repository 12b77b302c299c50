package appliance

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Lock is the right to use a data dir. The kernel releases it when the
// process ends, however it ends. It is a lock of the open file description
// (fcntl(2)): unlike one of flock(2) it can be looked at without taking it, so
// a `benchtop status` at the wrong moment cannot keep `benchtop up` out.
type Lock struct{ f *os.File }

// AcquireLock takes the lock of a data dir, or says which process holds it.
func AcquireLock(p Paths) (*Lock, error) {
	f, err := os.OpenFile(p.Lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := takeLock(f); err != nil {
		defer f.Close()
		if !taken(err) {
			return nil, fmt.Errorf("lock %s: %w", p.Lock(), err)
		}
		return nil, mlops.Errorf(mlops.InvalidState,
			"data dir %s is in use by another benchtop (process %s): stop it with `benchtop down --data-dir %s`, or choose another --data-dir", p.Data, holder(f), p.Data)
	}
	if err := f.Truncate(0); err != nil {
		return nil, fmt.Errorf("write lock file: %w", err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return nil, fmt.Errorf("write lock file: %w", err)
	}
	return &Lock{f: f}, nil
}

// lockLeft is how long a lock may outlive the process that took it.
const lockLeft = 10 * time.Second

// takeLock takes the lock. While its holder no longer lives it tries again: a
// process that was killed while it started a program leaves a child that has the
// file open until its exec, which takes a moment on a busy machine.
func takeLock(f *os.File) error {
	for end := time.Now().Add(lockLeft); ; {
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		if !taken(err) || lives(f) || time.Now().After(end) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// taken reports whether somebody else has the lock.
func taken(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) }

// lives reports whether the process that a lock file names does, as far as can be
// told.
func lives(f *os.File) bool {
	pid, err := strconv.Atoi(holder(f))
	return err != nil || !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}

// Locked reports whether a process holds the data dir.
func Locked(p Paths) bool {
	f, err := os.Open(p.Lock())
	if err != nil {
		return false
	}
	defer f.Close()
	look := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &look)
	return err == nil && look.Type != unix.F_UNLCK
}

func holder(f *os.File) string {
	b, _ := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if pid := strings.TrimSpace(string(b)); pid != "" {
		return pid
	}
	return "unknown"
}

// Release gives the data dir up.
func (l *Lock) Release() error { return l.f.Close() }
