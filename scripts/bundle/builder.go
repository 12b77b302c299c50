package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"
)

// Builder makes components and keeps them in its cache.
type Builder struct {
	Root  string // the repository
	Arch  string // of the target, as GOARCH
	Cache Cache
	Log   io.Writer
	Fresh bool // build even what the cache has
	// Snapshot is the address of the archive of old Debian packages; tests set their own.
	Snapshot string

	ccKey string
}

func newBuilder(root, cacheDir string, log io.Writer) *Builder {
	return &Builder{Root: root, Arch: runtime.GOARCH, Cache: Cache{dir: cacheDir}, Log: log, Snapshot: snapshotURL}
}

// component returns the built component, from the cache where possible.
func (b *Builder) component(r *Recipe) (*Entry, error) {
	key, err := b.key(r)
	if err != nil {
		return nil, err
	}
	if !b.Fresh {
		if e := b.Cache.get(key); e != nil {
			return e, nil
		}
	}
	start := time.Now()
	fmt.Fprintf(b.Log, "building %s %s (%s)\n", r.Name, r.Version, key[:12])
	e, err := b.Cache.put(key, func(dir string) (Meta, error) { return b.build(r, key, dir) })
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", r.Name, err)
	}
	var size int64
	for _, f := range e.Meta.Files {
		size += f.Size
	}
	fmt.Fprintf(b.Log, "built    %s %s in %.1f s, %s\n", r.Name, r.Version, time.Since(start).Seconds(), megabytes(size))
	return e, nil
}

func (b *Builder) build(r *Recipe, key, dir string) (Meta, error) {
	stage := filepath.Join(dir, ".stage")
	if err := os.Mkdir(stage, 0o755); err != nil {
		return Meta{}, err
	}
	defer os.RemoveAll(stage)
	defer os.RemoveAll(baseRoot(stage))
	for i, s := range r.Steps {
		a, err := s.action()
		if err != nil {
			return Meta{}, err
		}
		if err := a.run(b, r, stage); err != nil {
			return Meta{}, fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	if r.Kind == kindImage {
		below, err := b.baseLayers(r)
		if err != nil {
			return Meta{}, err
		}
		return writeImage(dir, r, key, b.Arch, stage, below)
	}
	return collectBins(dir, r, stage)
}

// collectBins takes every file of the stage as a program. A link beside its file is another name of it.
func collectBins(dir string, r *Recipe, stage string) (Meta, error) {
	meta := Meta{Name: r.Name}
	var files []string
	links := map[string][]string{}
	err := filepath.WalkDir(stage, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(stage, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			if err != nil || strings.Contains(target, "/") {
				return fmt.Errorf("link %s → %s: expected a link to a file beside it (%v)", name, target, err)
			}
			at := filepath.ToSlash(filepath.Join(filepath.Dir(rel), target))
			links[at] = append(links[at], filepath.Base(name))
			return nil
		}
		files = append(files, name)
		return os.Rename(path, to)
	})
	for _, name := range files {
		meta.Files = append(meta.Files, MetaFile{Name: name, Links: append(links[name], r.Links[name]...)})
		delete(links, name)
	}
	if len(links) > 0 && err == nil {
		err = fmt.Errorf("links to files that are not there: %s", strings.Join(sortedKeys(links), ", "))
	}
	return meta, err
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func uniqueLines(s string) []string {
	seen := map[string]bool{}
	for _, line := range strings.Split(s, "\n") {
		seen[line] = true
	}
	return sortedKeys(seen)
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
