// Package sessionfile keeps the sessions of the UI in one file, so that a
// restart signs nobody out, and sign-in works before any database does.
package sessionfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"github.com/google/renameio/v2"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
	"github.com/benchtop-lab/benchtop/ui"
)

// maxSessions bounds the file; the oldest sessions go first.
const maxSessions = 500

// File implements ui.Sessions. Its file holds hashes of session ids and is
// readable by its owner only.
type File struct {
	path string
	now  func() time.Time
	mu   sync.Mutex
	all  map[string]ui.Session
}

var _ ui.Sessions = (*File)(nil)

// Open reads the sessions at path; the file need not exist. A file that
// cannot be understood is put aside, because the price of losing it is only
// to sign in again.
func Open(path string) (*File, error) {
	f := &File{path: path, now: time.Now, all: map[string]ui.Session{}}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	var list []ui.Session
	if json.Unmarshal(raw, &list) != nil {
		if err := os.Rename(path, path+".broken"); err != nil {
			return nil, fmt.Errorf("put broken sessions aside: %w", err)
		}
		return f, nil
	}
	for _, s := range list {
		f.all[s.Hash] = s
	}
	return f, nil
}

// Create implements ui.Sessions.
func (f *File) Create(_ context.Context, s ui.Session) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all[s.Hash] = s
	if err := f.save(); err != nil {
		delete(f.all, s.Hash)
		return err
	}
	return nil
}

// Check implements ui.Sessions.
func (f *File) Check(_ context.Context, hash string) (ui.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.all[hash]
	if !ok || !s.ExpiresAt.After(f.now()) {
		return ui.Session{}, mlops.Errorf(mlops.NotFound, "there is no such session")
	}
	return s, nil
}

// Delete implements ui.Sessions.
func (f *File) Delete(_ context.Context, hash string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, ok := f.all[hash]
	if !ok {
		return nil
	}
	delete(f.all, hash)
	if err := f.save(); err != nil {
		f.all[hash] = old
		return err
	}
	return nil
}

// save writes a new file beside the old one and renames it, so that a crash
// leaves one of the two.
func (f *File) save() error {
	list := make([]ui.Session, 0, len(f.all))
	for hash, s := range f.all {
		if !s.ExpiresAt.After(f.now()) {
			delete(f.all, hash)
			continue
		}
		list = append(list, s)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].CreatedAt.After(list[j].CreatedAt) })
	if len(list) > maxSessions {
		for _, s := range list[maxSessions:] {
			delete(f.all, s.Hash)
		}
		list = list[:maxSessions]
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("write sessions: %w", err)
	}
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write sessions: %w", err)
	}
	if err := renameio.WriteFile(f.path, raw, 0o600, renameio.WithTempDir(dir)); err != nil {
		return fmt.Errorf("write sessions: %w", err)
	}
	return nil
}
