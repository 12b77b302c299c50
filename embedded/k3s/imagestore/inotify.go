package imagestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// watcher is told by the kernel what happens in one directory. fsnotify hides
// the one event that matters, a file that was written and closed.
type watcher struct {
	dir  string
	file *os.File
	stop func() bool
}

func watch(ctx context.Context, dir string) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	// A read waits in the runtime's poller; Close ends it.
	w := &watcher{dir: dir, file: os.NewFile(uintptr(fd), "inotify")}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO|unix.IN_MOVED_FROM|unix.IN_DELETE|unix.IN_CREATE|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_ONLYDIR); err != nil {
		return nil, errors.Join(fmt.Errorf("watch %s: %w", dir, err), w.file.Close())
	}
	w.stop = context.AfterFunc(ctx, func() { _ = w.file.Close() })
	return w, nil
}

// each calls f with the name of every file that is complete or gone, and with
// "" when names were lost. It returns when the directory is gone or the watch
// ends.
func (w *watcher) each(f func(name string)) error {
	defer func() {
		if w.stop() {
			_ = w.file.Close()
		}
	}()
	buf := make([]byte, 64*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	for {
		n, err := w.file.Read(buf)
		if errors.Is(err, fs.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch %s: %w", w.dir, err)
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			mask := binary.NativeEndian.Uint32(b[4:])
			size := int(binary.NativeEndian.Uint32(b[12:]))
			name := string(bytes.TrimRight(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+size], "\x00"))
			b = b[unix.SizeofInotifyEvent+size:]
			switch {
			case mask&unix.IN_Q_OVERFLOW != 0:
				f("")
			case mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_IGNORED) != 0:
				return nil
			case mask&unix.IN_CREATE != 0 && !w.complete(name), name != archiveOf(name):
				// It is being written, or it is one of our notes.
			default:
				f(name)
			}
		}
	}
}

// complete reports whether a file that has just got its name has its content
// too. Links and directories have it: nobody closes them.
func (w *watcher) complete(name string) bool {
	var st unix.Stat_t
	if err := unix.Lstat(filepath.Join(w.dir, name), &st); err != nil {
		return false
	}
	return st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 1
}
