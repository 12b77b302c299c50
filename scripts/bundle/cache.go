package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Cache keeps built components outside the work tree, by key: <dir>/<key>/ holds the component's files and
// meta.json with their checksums. An entry whose files don't match its checksums counts as absent.
type Cache struct{ dir string }

const metaFile = "meta.json"

// Entry is a built component.
type Entry struct {
	Dir  string `json:"-"`
	Meta Meta
}

// Meta describes a built component.
type Meta struct {
	Name     string     `json:"name"`
	Key      string     `json:"key"`
	Digest   string     `json:"digest,omitempty"`   // images: of the manifest
	Unpacked int64      `json:"unpacked,omitempty"` // images: bytes of the layer, decompressed
	Files    []MetaFile `json:"files"`
}

// MetaFile is one file of a built component.
type MetaFile struct {
	Name   string   `json:"name"`
	Size   int64    `json:"size"`
	SHA256 string   `json:"sha256"`
	Links  []string `json:"links,omitempty"`
}

// defaultCacheDir follows $BENCHTOP_CACHE, then the user's cache directory.
func defaultCacheDir() (string, error) {
	if dir := os.Getenv("BENCHTOP_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory (set BENCHTOP_CACHE to choose one): %w", err)
	}
	return filepath.Join(dir, "benchtop"), nil
}

// get returns the entry for key, or nil when there is none that can be trusted.
func (c Cache) get(key string) *Entry {
	dir := filepath.Join(c.dir, "components", key)
	data, err := os.ReadFile(filepath.Join(dir, metaFile))
	if err != nil {
		return nil
	}
	e := &Entry{Dir: dir}
	if json.Unmarshal(data, &e.Meta) != nil || e.Meta.Key != key || len(e.Meta.Files) == 0 {
		return nil
	}
	for _, f := range e.Meta.Files {
		if sum, size, err := hashFile(filepath.Join(dir, f.Name)); err != nil || sum != f.SHA256 || size != f.Size {
			return nil
		}
	}
	return e
}

// put calls build with an empty directory, records what it leaves there and gives the directory its name last, so
// that an interrupted build leaves no entry.
func (c Cache) put(key string, build func(dir string) (Meta, error)) (*Entry, error) {
	parent := filepath.Join(c.dir, "components")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp(parent, ".new-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	meta, err := build(tmp)
	if err != nil {
		return nil, err
	}
	meta.Key = key
	links := map[string][]string{}
	for _, f := range meta.Files {
		links[f.Name] = f.Links
	}
	if meta.Files, err = hashFiles(tmp, links); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(meta, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(tmp, metaFile), data, 0o644); err != nil {
		return nil, err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return nil, err
	}
	final := filepath.Join(parent, key)
	if err := os.RemoveAll(final); err != nil { // a damaged entry
		return nil, err
	}
	if err := os.Rename(tmp, final); err != nil {
		// Another build made the same entry meanwhile; by the key's promise it holds the same bytes.
		if e := c.get(key); e != nil {
			return e, nil
		}
		return nil, err
	}
	return &Entry{Dir: final, Meta: meta}, nil
}

func hashFiles(dir string, links map[string][]string) ([]MetaFile, error) {
	var files []MetaFile
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sum, size, err := hashFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		files = append(files, MetaFile{Name: name, Size: size, SHA256: sum, Links: links[name]})
		return nil
	})
	return files, err
}

func hashFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}
