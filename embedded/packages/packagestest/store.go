package packagestest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/benchtop-lab/benchtop/appliance/mlops"
)

// Store is an object store in memory. Full has it take no files.
type Store struct {
	mu      sync.Mutex
	objects map[string][]byte
	puts    []string
	Full    bool
}

// NewStore returns an empty one.
func NewStore() *Store { return &Store{objects: map[string][]byte{}} }

// Put implements mlops.ObjectStore.
func (m *Store) Put(_ context.Context, key string, r io.Reader, size int64, _ string) (mlops.ObjectInfo, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return mlops.ObjectInfo{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Full && strings.HasPrefix(key, "files/") {
		return mlops.ObjectInfo{}, mlops.Errorf(mlops.Unavailable, "the disk is full: free some space")
	}
	if size >= 0 && int64(len(b)) != size {
		return mlops.ObjectInfo{}, io.ErrUnexpectedEOF
	}
	m.objects[key], m.puts = b, append(m.puts, key)
	return mlops.ObjectInfo{Key: key, Bytes: int64(len(b))}, nil
}

type seeker struct{ *bytes.Reader }

func (seeker) Close() error { return nil }

// Get implements mlops.ObjectStore.
func (m *Store) Get(ctx context.Context, key string) (io.ReadCloser, mlops.ObjectInfo, error) {
	info, err := m.Stat(ctx, key)
	if err != nil {
		return nil, info, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return seeker{bytes.NewReader(m.objects[key])}, info, nil
}

// Stat implements mlops.ObjectStore.
func (m *Store) Stat(_ context.Context, key string) (mlops.ObjectInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.objects[key]
	if !ok {
		return mlops.ObjectInfo{}, mlops.Errorf(mlops.NotFound, "there is no object %q", key)
	}
	return mlops.ObjectInfo{Key: key, Bytes: int64(len(b))}, nil
}

// List implements mlops.ObjectStore.
func (m *Store) List(_ context.Context, prefix string, recursive bool) ([]mlops.ObjectInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string]mlops.ObjectInfo{}
	for key, b := range m.objects {
		rest, below := strings.CutPrefix(key, prefix+"/")
		if !below {
			continue
		}
		if dir, _, deeper := strings.Cut(rest, "/"); deeper && !recursive {
			found[prefix+"/"+dir] = mlops.ObjectInfo{Key: prefix + "/" + dir, IsDir: true}
			continue
		}
		found[key] = mlops.ObjectInfo{Key: key, Bytes: int64(len(b))}
	}
	var out []mlops.ObjectInfo
	for _, key := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[key])
	}
	return out, nil
}

// Delete implements mlops.ObjectStore.
func (m *Store) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.objects {
		if k == key || strings.HasSuffix(key, "/") && strings.HasPrefix(k, key) {
			delete(m.objects, k)
		}
	}
	return nil
}

// Below returns the keys that begin with prefix, sorted.
func (m *Store) Below(prefix string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []string{}
	for _, k := range slices.Sorted(maps.Keys(m.objects)) {
		if strings.HasPrefix(k, prefix) {
			out = append(out, k)
		}
	}
	return out
}

// Puts returns the keys that were written, in that order.
func (m *Store) Puts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.puts)
}

// Text returns what is stored below prefix, and its keys.
func (m *Store) Text(prefix string) string {
	var out strings.Builder
	for _, k := range m.Below(prefix) {
		m.mu.Lock()
		out.WriteString(k + "\n" + string(m.objects[k]) + "\n")
		m.mu.Unlock()
	}
	return out.String()
}
