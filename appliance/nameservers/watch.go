package nameservers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long a change may take to become complete: a writer truncates
// the file first, or removes a link before it makes another.
const settle = 100 * time.Millisecond

// watch calls changed after the machine's resolver configuration may have
// changed, until ctx ends. Files are watched through their folders, as they
// come and go; a link is followed, and each file on the way is watched.
func watch(ctx context.Context, root string, changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", etcFile, err)
	}
	files := follow(w, root)
	go func() {
		defer w.Close()
		var pending <-chan time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-w.Events:
				if slices.Contains(files, e.Name) && !e.Has(fsnotify.Chmod) {
					pending = time.After(settle)
				}
			case <-w.Errors: // events were lost: look
				pending = time.After(settle)
			case <-pending:
				pending = nil
				files = follow(w, root)
				changed()
			}
		}
	}()
	return nil
}

// follow watches the files that matter now and returns them.
func follow(w *fsnotify.Watcher, root string) []string {
	var files []string
	for _, name := range []string{filepath.Join(root, etcFile), filepath.Join(root, resolvedFile)} {
		for range 8 { // a loop of links leads nowhere
			files = append(files, name)
			// The folder may not exist yet: until it does, the one above is
			// watched.
			dir := filepath.Dir(name)
			for w.Add(dir) != nil && dir != root && dir != "/" {
				files = append(files, dir)
				dir = filepath.Dir(dir)
			}
			// A file that is mounted here changes without its folder's notice.
			_ = w.Add(name)
			to, err := os.Readlink(name)
			if err != nil {
				break
			}
			if !filepath.IsAbs(to) {
				to = filepath.Join(filepath.Dir(name), to)
			} else {
				to = filepath.Join(root, to)
			}
			name = to
		}
	}
	return files
}
